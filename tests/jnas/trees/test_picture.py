"""How trees look, in a terminal and as SVG."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree

from rich.console import Console

from jnas.library.store import open_library
from jnas.models.costs import inspect
from jnas.trees.drawing import draw
from jnas.trees.edits import Edit, apply
from jnas.trees.node import Node, branches, network, sequence
from jnas.trees.picture import Line, compared, count_text, lines
from jnas.trees.starts import START_TREES
from jnas.trees.svg import svg

LIBRARY = open_library()
SHAPE = (1, 28, 28)


def changed(tree: Node, value: Node) -> Node:
    return apply(tree, Edit("swap", ("stages", 1, "body", 0), None, value))


def shown(picture: list[Line]) -> list[str]:
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(draw(picture))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def drawn(tree: Node, *paths: tuple) -> list[str]:
    return shown(lines(tree, LIBRARY, SHAPE, paths))


def test_repeats_are_one_line_with_widths_and_sizes() -> None:
    found = drawn(START_TREES["resnet20"]())
    assert found[0] == "network 1 @ 28x28"
    assert any("3 x BasicResidual" in line and line.endswith(" 16 @ 28x28") for line in found)
    assert any("BasicResidual out_channels=32, stride=2" in line and "-> 32 @ 14x14" in line for line in found)
    assert len(found) == 11 and all(len(line) <= 80 for line in found)
    assert not any("*" in line for line in found)


def test_costs_stand_beside_their_nodes_and_add_up_to_the_first_line() -> None:
    tree = START_TREES["resnet20"]()
    found = inspect(tree, LIBRARY, SHAPE, 10)
    costs = {path: (cost.parameters, cost.multiply_adds) for path, cost in found.nodes.items()}
    head, root, *rest = shown(lines(tree, LIBRARY, SHAPE, (), costs))
    assert head.split() == ["params", "mult-adds"]
    assert root.split()[-2:] == [count_text(found.parameters), count_text(found.multiply_adds)]
    repeated = found.nodes["stages.0.body.0"]
    assert next(line for line in rest if "3 x" in line).split()[-2:] == [
        count_text(repeated.parameters),
        count_text(repeated.multiply_adds),
    ]


def test_counts_have_three_digits_and_a_unit() -> None:
    assert [count_text(n) for n in (0, 999, 1000, 466_906, 999_600, 1_250_000, 10**9)] == [
        "0", "999", "1k", "467k", "1000k", "1.25M", "1G",
    ]  # fmt: skip


def test_what_changed_is_marked_without_colour() -> None:
    tree = changed(START_TREES["resnet8"](), branches(Node("jnas.MaxPool"), Node("jnas.Mlp"), join="concat"))
    marked = [line for line in drawn(tree, ("stages", 1, "body", 0)) if "*" in line]
    assert len(marked) == 1 and marked[0].startswith("*") and "branches side by side" in marked[0]
    inside = drawn(START_TREES["resnet20"](), ("stages", 0, "body", 0, "body"))
    assert any(line.startswith("*") and "3 x BasicResidual" in line for line in inside)


def test_before_and_after_are_one_picture_that_folds_what_stayed() -> None:
    long = network(Node("jnas.ConvNormAct"), [sequence(*(Node("jnas.MaxPool"), Node("jnas.Mlp")) * 8)])
    edited = apply(long, Edit("swap", ("stages", 0, "body", 8), None, Node("jnas.AvgPool")))
    found = shown(compared(lines(long, LIBRARY, SHAPE), lines(edited, LIBRARY, SHAPE)))
    assert [line[0] for line in found if line[0] in "+-"] == ["-", "+"]
    assert sum("lines as before" in line for line in found) == 2
    assert any(line.startswith("-") and "MaxPool" in line for line in found)
    assert any(line.startswith("+") and "AvgPool" in line for line in found)
    assert len(found) < 14


def test_big_trees_fold_from_below() -> None:
    inner = branches(Node("jnas.MaxPool"), sequence(Node("jnas.Mlp"), Node("jnas.MaxPool")))
    big = network(Node("jnas.ConvNormAct"), [sequence(*[inner, Node("jnas.Mlp")] * 20)])
    assert len(lines(big, LIBRARY, SHAPE, most=1000)) == 4 + 20 * 6
    folded = lines(big, LIBRARY, SHAPE, most=60)
    assert len(folded) == 4 + 20 * 2
    assert "(4 nodes inside)" in next(line.details for line in folded if "branches" in line.name)


def test_svg_is_well_formed_self_contained_and_says_the_same() -> None:
    tree = changed(START_TREES["resnet20"](), Node("jnas.Bottleneck", {"out_channels": 32, "stride": 2}))
    picture = lines(tree, LIBRARY, SHAPE, [("stages", 1, "body", 0)])
    text = svg(picture, 'a "title" & <more>')
    root = ElementTree.fromstring(text)
    words = " ".join(root.itertext())
    assert "Bottleneck" in words and "-> 32 @ 14x14" in words and 'a "title" & <more>' in words
    assert "<script" not in text and "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert 'class="changed"' in text and "residual block" in words  # the legend names the families
