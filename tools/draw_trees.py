"""Write docs/trees.md and its pictures: python tools/draw_trees.py (mines timm, where the cache has none of it)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jnas.benchmarks.edits import CLASSES, STARTS
from jnas.library.mining import mine
from jnas.library.store import Library, open_library
from jnas.models.costs import inspect
from jnas.models.starts import named_tree
from jnas.trees.edits import Edit, apply, describe
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
    library = open_library(mine(["timm"]).folders)
    (DOCS / "trees").mkdir(exist_ok=True)
    page = [HEAD]
    for name, start in STARTS.items():
        tree = canonical(named_tree(start.name, library, start.shape, CLASSES), library)
        file = name.split(",")[0].split()[0].lower() + ".svg"
        draw(file, name, picture(tree, library, start.shape))
        page.append(f"\n### {name}\n\n`{start.name}` on images of {start.shape}.\n\n![{name}](trees/{file})\n")
    page.append(EDITS)
    start = STARTS[EDITED]
    tree = canonical(named_tree(start.name, library, start.shape, CLASSES), library)
    for number, example in enumerate(EXAMPLES, 1):
        edit = made(tree, library, start.shape, example)
        after = canonical(apply(tree, edit), library)
        words, file = describe(edit, tree), f"edit-{number}.svg"
        both = compared(picture(tree, library, start.shape), picture(after, library, start.shape))
        draw(file, words, both)
        page.append(f"\n{number}. {words}\n\n   ![edit {number}](trees/{file})\n")
    (DOCS / "trees.md").write_text("".join(page), encoding="utf-8")


def made(tree: Node, library: Library, shape: tuple[int, int, int], example: tuple) -> Edit:
    kind, place, name, decisions = example
    return Options(tree, library, shape).make_edit(kind, parse_path(place), name, decisions)


def picture(tree: Node, library: Library, shape: tuple[int, int, int]) -> list[Line]:
    found = inspect(tree, library, shape, CLASSES)
    costs = {path: (cost.parameters, cost.multiply_adds) for path, cost in found.nodes.items()}
    return lines(tree, library, shape, (), costs)


def draw(file: str, title: str, picture: list[Line]) -> None:
    (DOCS / "trees" / file).write_text(svg(picture, title), encoding="utf-8")
    print(DOCS / "trees" / file)


if __name__ == "__main__":
    main()
