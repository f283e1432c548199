"""What notebooks and programs use, by one name each: `from jnas import run_search, mine_source, Tree`.

Every function is a thin way to what the command lines do too; bad input raises `UserError` with one line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from jnas.library.binding import Shape
from jnas.library.mining import MiningReport, mine
from jnas.library.store import Library, open_library
from jnas.reports.run import Run
from jnas.reports.trees import read_tree
from jnas.runs.directory import RunDirectory, write_atomically
from jnas.trees.edits import KINDS, Edit
from jnas.trees.edits import apply as apply_edit
from jnas.trees.edits import describe as describe_edit
from jnas.trees.edits import diff as diff_trees
from jnas.trees.node import Node, canonical, to_json
from translators import Translation, open_source
from translators.diagnostics import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from jnas.exporting.folder import Exported
    from jnas.models.containers import Network
    from jnas.training.loop import Fit

Tree: TypeAlias = Node

__all__ = [
    "Edit",
    "Library",
    "MiningReport",
    "Run",
    "Translation",
    "Tree",
    "UserError",
    "apply_edit",
    "build_network",
    "describe_edit",
    "diff_trees",
    "draw_tree",
    "export_tree",
    "load_run",
    "load_tree",
    "mine_source",
    "open_library",
    "propose_edits",
    "run_search",
    "save_tree",
    "train_tree",
    "translate_source",
]


def translate_source(source: str) -> Translation:
    """Flax code of every PyTorch class in a file, folder, archive or installed package; nothing of it runs.

    >>> import tempfile, pathlib
    >>> text = "from torch import nn\\nclass Twice(nn.Module):\\n    def forward(self, x):\\n        return 2 * x\\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "twice.py")
    ...     _ = file.write_text(text)
    ...     sorted(translate_source(str(file)).modules)
    ['twice.py']
    """
    from translators import translate_source as translate

    return translate(open_source(source))


def mine_source(*sources: str, verify: bool = False) -> MiningReport:
    """Libraries of the blocks in PyTorch sources, kept in the cache; `.folders` opens them with `open_library`.

    `verify` compares every block with PyTorch where torch is installed.
    """
    return mine(sources, verify=verify)


def load_tree(
    tree: str | Path, libraries: Sequence[Path] = (), shape: Shape | None = None, classes: int | None = None
) -> tuple[Tree, Library]:
    """A start tree by name, a tree's file, the best tree of a run, or a mined model ("timm:convnext_atto") for images
    of `shape` (channels, height, width); and the library that has its blocks.

    >>> tree, library = load_tree("resnet8")
    >>> tree.block, len(tree.args["stages"])
    ('network', 3)
    """

    ends = None if shape is None or classes is None else (shape, classes)
    _, found, library = read_tree(str(tree), libraries, None if ends is None else lambda: ends)
    return found, library


def save_tree(tree: Tree, path: str | Path) -> None:
    """As JSON, which `load_tree` and the command lines read."""
    write_atomically(Path(path), json.dumps(to_json(tree), indent=1) + "\n")


def propose_edits(tree: Tree, library: Library, shape: Shape, *, seed: int = 0) -> Iterator[Edit]:
    """Random edits without end, each of which fits the tree for images of `shape` (channels, height, width).

    >>> tree, library = load_tree("resnet8")
    >>> edit = next(propose_edits(tree, library, (3, 32, 32)))
    >>> child = apply_edit(tree, edit)
    >>> diff_trees(tree, child) == edit
    True
    """
    import numpy as np

    from jnas.resolving.resolve import NothingPossible, random_edit
    from jnas.trees.options import Options

    options, rng = Options(canonical(tree, library), library, shape), np.random.default_rng(seed)
    while True:
        kind = KINDS[int(rng.integers(len(KINDS)))]
        try:
            yield random_edit(options, kind, rng)
        except NothingPossible:
            continue


def draw_tree(tree: Tree, library: Library, shape: Shape, *, since: Tree | None = None) -> Table:
    """A drawing for the terminal (`rich.print`) or a notebook; `since` marks what changed.

    >>> import rich
    >>> tree, library = load_tree("resnet8")
    >>> draw_tree(tree, library, (3, 32, 32)).row_count
    9
    """
    from jnas.trees.drawing import draw
    from jnas.trees.picture import compared, lines

    after = lines(tree, library, shape)
    return draw(after if since is None else compared(lines(since, library, shape), after))


def build_network(tree: Tree, library: Library, shape: Shape, classes: int, *, seed: int = 0) -> Network:
    """The network as a `flax.nnx` module: (N, *shape) -> (N, classes). Raises BuildError.

    >>> tree, library = load_tree("resnet8")
    >>> network = build_network(tree, library, (3, 32, 32), 10).eval()
    >>> sum(parameter.size for parameter in network.parameters())
    78042
    """
    from jnas.models.build import build

    return build(tree, library, shape, classes, seed=seed)


def train_tree(
    tree: Tree,
    library: Library,
    dataset: str = "fashion_mnist_small",
    recipe: str = "quick",
    *,
    epochs: int | None = None,
    seed: int = 0,
    score_on: str = "validation",
) -> Fit:
    """Trains the network of a tree; `.accuracy`, `.curve` and `.state`, the weights by PyTorch's names."""
    from jnas.training.data import open_dataset
    from jnas.training.loop import fit
    from jnas.training.recipe_files import recipe as find_recipe

    data = open_dataset(dataset)
    network = build_network(tree, library, data.shape, data.classes, seed=seed)
    return fit(network, data, find_recipe(recipe, epochs), seed=seed, score_on=score_on)


def run_search(
    configuration: str = "quickstart", run: str | Path | None = None, settings: Mapping[str, Any] | None = None
) -> Run:
    """Spends the budget of a configuration (a name or a .toml file) and returns the run; one that is there goes on.

    `settings` are fields by name, such as {"search.budget": 8, "llm.name": "none"}. Run it under
    `if __name__ == "__main__":` in scripts: workers are processes.
    """
    from jnas.runs.configuration import load
    from jnas.search import search

    overrides = [f"{key}={json.dumps(value)}" for key, value in (settings or {}).items()]
    directory = RunDirectory(Path("runs") / Path(configuration).stem if run is None else Path(run))
    search(load(configuration, overrides), directory, quiet=True)
    return Run.read(directory.root)


def load_run(folder: str | Path) -> Run:
    """A run, finished or not: `.candidates`, `.best`, `.tree(candidate)`, `.lineage(candidate)`."""
    return Run.read(Path(folder))


def export_tree(
    tree: Tree,
    library: Library,
    shape: Shape,
    classes: int,
    *,
    to: str = "flax",
    out: str | Path = "model",
    weights: Path | None = None,
    seed: int = 0,
    sources: Sequence[str] = (),
) -> Exported:
    """A folder with a standalone `model.py` ("flax", "torch" or "onnx-ready"), weights, licences and a check that was
    run; "tree": with the tree alone. `weights` is a folder that a training saved."""
    from jnas.exporting.expression import design
    from jnas.exporting.folder import export_folder

    plan = design(tree, library, shape, classes)
    return export_folder(plan, to, Path(out), name=Path(out).name, weights=weights, seed=seed, specs=sources)
