"""How trainings went, as one SVG: accuracy and training loss over epochs, a line for each seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jnas.reports.markup import Markup, join, tag
from jnas.reports.plots import ticks
from jnas.reports.style import PLOT

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480, 220, 56, 14, 34, 40
Points = Sequence[tuple[float, float]]


def training_curves(title: str, accuracy: Mapping[int, Points], loss: Mapping[int, Points]) -> Markup:
    """(epoch, value) by seed; accuracies from 0 to 1. One panel above the other, the lower one for the loss."""
    panels = [
        _panel(f"{title}: accuracy", accuracy, 0, lambda y: f"{100 * y:.4g} %"),
        _panel("training loss", loss, HEIGHT, lambda y: f"{y:.4g}"),
    ]
    return tag(
        "svg",
        tag("style", Markup(PLOT)),
        tag("title", f"{title}: accuracy and training loss over epochs"),
        *panels,
        viewBox=f"0 0 {WIDTH} {2 * HEIGHT}",
        xmlns="http://www.w3.org/2000/svg",
        class_="plot",
        role="img",
    )


def _panel(title: str, lines: Mapping[int, Points], top: float, label: Callable[[float], str]) -> Markup:
    points = [point for line in lines.values() for point in line]
    x_ticks = ticks(0.0, max([x for x, _ in points], default=1.0), whole=True)
    y_ticks = ticks(min([y for _, y in points], default=0.0), max([y for _, y in points], default=1.0))

    def across(x: float) -> float:
        return LEFT + (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]) * (WIDTH - RIGHT - LEFT)

    def down(y: float) -> float:
        return top + HEIGHT - BOTTOM - (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (HEIGHT - BOTTOM - TOP)

    grid = [
        join(
            tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{down(y):.1f}", y2=f"{down(y):.1f}", class_="grid"),
            tag("text", label(y), x=LEFT - 6, y=f"{down(y) + 4:.1f}", class_="tick right"),
        )
        for y in y_ticks
    ]
    bottom = top + HEIGHT - BOTTOM
    grid += [tag("text", f"{x:g}", x=f"{across(x):.1f}", y=bottom + 16, class_="tick middle") for x in x_ticks]
    drawn = [
        tag(
            "path",
            tag("title", f"seed {seed}"),
            d="M" + "L".join(f"{across(x):.1f} {down(y):.1f}" for x, y in line),
            class_="best",
        )
        for seed, line in lines.items()
        if line
    ]
    heading = tag("text", title, x=LEFT, y=top + 20, class_="plot-title")
    return join(heading, *grid, tag("text", "epoch", x=WIDTH / 2, y=bottom + 32, class_="axis middle"), *drawn)
