"""A tree for the eyes: one line per node, coloured by family, with widths, sizes and what changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rich.text import Text
from rich.tree import Tree

from jnas.library.binding import Shape
from jnas.library.block import Block
from jnas.trees.edits import node_name, place_name
from jnas.trees.node import Node, Path, children
from jnas.trees.shapes import infer

COLOURS = {
    "convolution": "cyan",
    "residual block": "bright_blue",
    "attention": "magenta",
    "channel attention": "bright_magenta",
    "mlp": "green",
    "mixer": "bright_green",
    "pooling": "yellow",
    "downsampling": "bright_yellow",
    "normalisation": "white",
    "activation": "white",
    "other": "bright_cyan",
}
JOIN_SIGNS = {"add": "sum of branches", "concat": "branches side by side", "gate": "first branch gated by the others"}


def draw(tree: Node, library: Mapping[str, Block], shape: Shape, changed: Collection[Path] = ()) -> Tree:
    """A rich tree. Nodes at `changed` paths are marked with a star and in bold, so that it reads without colour."""
    shapes = infer(tree, library, shape)
    marked = {tuple(path) for path in changed}
    root = Tree(Text.assemble("network ", (_size(shape), "dim")), guide_style="dim")
    _add(root, tree, (), library, shapes, marked)
    last = shapes[()][1]
    root.add(Text.assemble("global average pooling, linear ", (f"from {last[0]} channels", "dim")))
    return root


def _add(
    branch: Tree,
    node: Node,
    path: Path,
    library: Mapping[str, Block],
    shapes: Mapping[Path, tuple[Shape, Shape]],
    marked: Collection[Path],
) -> None:
    for step, child in children(node):
        place = path + step
        times, shown = 1, place
        while child.block == "repeat":  # folded: one line says how often
            times, child, place = times * child.args["times"], child.args["body"], (*place, "body")
        line = _line(child, place, library, shapes, times)
        if shown in marked or place in marked:
            line = Text.assemble(("* ", "bold red"), line)
            line.stylize("bold")
        below = branch.add(line)
        _add(below, child, place, library, shapes, marked)


def _line(
    node: Node, path: Path, library: Mapping[str, Block], shapes: Mapping[Path, tuple[Shape, Shape]], times: int
) -> Text:
    line = Text(f"{times} x " if times > 1 else "", style="bold")
    if len(path) == 2 and path[0] == "stages":
        line.append(place_name(path), "bold")
    elif node.block == "branches":
        line.append(JOIN_SIGNS[node.args["join"]], "bold")
    elif node.is_container:
        line.append({"residual": "input + residual of"}.get(node.block, node.block), "bold")
    else:
        line.append(node_name(node), COLOURS.get(library[node.block].family, ""))
        decisions = ", ".join(f"{name}={value}" for name, value in node.args.items())
        line.append(f" {decisions}" if decisions else "")
    before, after = shapes[path]
    line.append("  " + (f"{_size(before)} -> {_size(after)}" if before != after else _size(after)), "dim")
    return line


def _size(shape: Shape) -> str:
    return f"{shape[0]} @ {shape[1]}x{shape[2]}"
