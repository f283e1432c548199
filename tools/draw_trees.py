"""Write docs/trees.md and its pictures: python tools/draw_trees.py (mines timm, where the cache has none of it)."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jnas.benchmarks.edits import CLASSES, MEMORY, STARTS, Start
from jnas.evaluation.evaluator import Evaluator
from jnas.evaluation.inspection import node_costs
from jnas.evaluation.pool import Pool, Setting
from jnas.library.mining import mine
from jnas.library.store import Library, open_library
from jnas.models.starts import named_tree
from jnas.runs.configuration import Configuration
from jnas.training.recipe_files import recipe
from jnas.trees.edits import apply, describe
from jnas.trees.node import Node, canonical, parse_path
from jnas.trees.options import FORM, SCALE, SOURCE, Options
from jnas.trees.picture import Line, compared, lines
from jnas.trees.svg import svg

DOCS = Path(__file__).resolve().parents[1] / "docs"
HEAD = """# Trees and edits

A network is a tree: a stem, stages of blocks, a head. The tree stores decisions only (which block, which settings);
incoming widths, sizes and token layouts follow from the place. What the search does to a tree is one *edit* at a time,
chosen among those whose result is known to fit. Pictures like these are drawn by

    python -m jnas.export resnet32 --shape 3 32 32 --classes 10 --to text
    python -m jnas.export runs/quickstart --to svg --since resnet8

for start trees, tree files and runs; the report of a run shows its best tree. This page is written by
`python tools/draw_trees.py`. Colours are families, the grey bar is the width, `->` marks where width or size changes,
`params` and `mult-adds` count what a line holds: multiplications of convolutions and matrix products of one image.

## Four trees to start from
"""
EDITS = """
## Ten edits

`-` went, `+` came; long runs that stayed are folded. All edits are of these kinds: **set** an argument (or several
that must agree), **swap** a block or a part inside one, **insert**, **delete**, and **compose** two to five blocks into
a new one, which is then offered like any other. To **repeat** what just paid off is a plan, not a kind.
"""
EDITED = "ResNet-32"
# (kind, place, block or argument, decisions); more parts of a composite are drawn
EXAMPLES: tuple[tuple[str, str, str | None, Mapping[str, Any]], ...] = (
    ("set", "stages.0.body.0.body", "activation", {"activation": "nn.GELU"}),
    ("set", "stages.1.body.1", "times", {"times": 6}),
    ("set", "", SCALE, {SCALE: 0.75}),
    ("set", "stages.1.body.1.body", "out_channels", {"out_channels": 48}),
    ("set", "stem", SOURCE, {SOURCE: "stages.1.body.0"}),
    ("swap", "stages.2.body.1.body", "timm.models.convnext.ConvNeXtBlock", {}),
    ("insert", "stages.2.body.2", "jnas.SelfAttention", {"heads": 8}),
    ("delete", "stages.2.body.1", None, {}),
    ("compose", "stages.0.body.0.body", "jnas.SqueezeExcite", {FORM: "gate"}),
    ("compose", "stages.2.body.1", "jnas.DepthwiseSeparable", {FORM: "concat"}),
)


def main() -> None:
    report = mine(["timm"])
    library = open_library(report.folders)
    (DOCS / "trees").mkdir(exist_ok=True)
    page = [HEAD]
    with tempfile.TemporaryDirectory() as logs, Pool(1, Setting(MEMORY), Path(logs)) as pool:
        draw = Drawing(library, report.folders, pool)
        for name, start in STARTS.items():
            tree, file = draw.tree(start), name.split(",")[0].split()[0].lower()
            draw.write(file, name, draw.lines(tree, start))
            page.append(f"\n### {name}\n\n`{start.name}` on images of {start.shape}.\n\n![{name}](trees/{file}.svg)\n")
        page.append(EDITS)
        start = STARTS[EDITED]
        tree = draw.tree(start)
        for number, (kind, place, name, decisions) in enumerate(EXAMPLES, 1):
            edit = Options(tree, library, start.shape).make_edit(kind, parse_path(place), name, decisions)
            after, words = canonical(apply(tree, edit), library), describe(edit, tree)
            draw.write(f"edit-{number}", words, compared(draw.lines(tree, start), draw.lines(after, start)))
            page.append(f"\n{number}. {words}\n\n   ![edit {number}](trees/edit-{number}.svg)\n")
    (DOCS / "trees.md").write_text("".join(page), encoding="utf-8")


@dataclass(frozen=True)
class Drawing:
    """Pictures with costs, which a worker measures where mined code has to run."""

    library: Library
    folders: Sequence[Path]
    pool: Pool

    def tree(self, start: Start) -> Node:
        return canonical(named_tree(start.name, self.library, start.shape, CLASSES), self.library)

    def lines(self, tree: Node, start: Start) -> list[Line]:
        configuration = Configuration(caps=start.caps)
        batch = recipe(configuration.evaluation.recipe).batch_size
        Evaluator(self.pool, configuration, self.folders, start.shape, CLASSES, self.library).inspect(tree)
        return lines(tree, self.library, start.shape, (), node_costs(tree, self.library, start.shape, CLASSES, batch))

    def write(self, file: str, title: str, picture: list[Line]) -> None:
        path = DOCS / "trees" / f"{file}.svg"
        path.write_text(svg(picture, title), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
