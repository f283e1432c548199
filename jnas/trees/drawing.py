"""The lines of a tree's picture in a terminal: families in colour, marks that read without it, right at 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from jnas.trees.picture import Line

# Distinct for the colour-blind by brightness or hue, legible on light and dark grounds.
COLOURS = {
    "convolution": "cyan",
    "residual block": "blue",
    "attention": "magenta",
    "channel attention": "bright_magenta",
    "mlp": "green",
    "mixer": "bright_green",
    "pooling": "yellow",
    "downsampling": "red",
    "normalisation": "bright_black",
    "activation": "bright_black",
    "other": "bright_cyan",
}
COST_NAMES = ("params", "mult-adds")
MARKS = {"*": "bold yellow", "+": "bold green", "-": "bold red", ".": "dim"}


def draw(lines: Sequence[Line]) -> Table:
    """A table of rich: marks where there are any, the tree, widths and sizes, and costs where they are known."""
    marks, costs = any(line.mark for line in lines), any(line.cost for line in lines)
    table = Table.grid(padding=(0, 1), expand=True)
    if marks:
        table.add_column(width=1, no_wrap=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True, style="dim", min_width=max(len(line.shape_text) for line in lines))
    if costs:
        for name in COST_NAMES:
            table.add_column(justify="right", no_wrap=True, min_width=len(name) + 1)
        table.add_row(*[""] * (2 + marks), *(Text(name, "dim") for name in COST_NAMES))
    for line in lines:
        cells = [Text(line.mark, MARKS.get(line.mark, ""))] if marks else []
        table.add_row(*cells, _words(line), line.shape_text, *(line.cost_text if costs else ()))
    return table


def _words(line: Line) -> Text:
    text = Text(guide_text(line.guides), "dim")
    colour = "dim" if line.mark == "." else COLOURS.get(line.family or "", "bold")
    strike = " strike" if line.mark == "-" else " bold" if line.mark in ("*", "+") else ""
    text.append(line.name, colour + strike)
    if line.details:
        text.append(f" {line.details}", "" if line.family else "dim")
    return text


def guide_text(guides: tuple[bool, ...]) -> str:
    """The branches of the tree that lead to a line."""
    if not guides:
        return ""
    return "".join("   " if last else "│  " for last in guides[:-1]) + ("└─ " if guides[-1] else "├─ ")
