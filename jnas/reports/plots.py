"""Every candidate and the best so far, as SVG that stands alone: for notebooks, beside the plots of the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jnas.reports.markup import Markup, join, tag
from jnas.reports.run import Run, accuracy
from jnas.reports.style import PLOT
from jnas.reports.text import percent
from jnas.runs.database import Candidate

WIDTH, HEIGHT = 480, 300  # small, so that a phone still shows readable letters
LEFT, RIGHT, TOP, BOTTOM = 72, 106, 38, 50  # the right margin holds the direct labels


@dataclass(frozen=True)
class Point:
    """A candidate: `x` on the axis, `y` its accuracy in [0, 1] (None: it failed), `improved` over its parent."""

    x: float
    y: float | None
    label: str
    improved: bool = False


def over_candidates(run: Run) -> Markup:
    """Validation accuracy by the candidates' numbers."""
    points = [_point(run, candidate, candidate.number) for candidate in _done(run)]
    title = "Accuracy over candidates"
    return accuracy_plot(points, name="by-number", title=title, x_label="candidate", start=_start(run), whole=True)


def _done(run: Run) -> list[Candidate]:
    return [candidate for candidate in run.candidates if candidate.result is not None]


def _start(run: Run) -> float | None:
    return accuracy(run.by_number[0]) if 0 in run.by_number else None


def _point(run: Run, candidate: Candidate, x: float) -> Point:
    label = f"#{candidate.number} {percent(accuracy(candidate))} {candidate.description}"
    return Point(x, accuracy(candidate), label, improved=(run.gain(candidate) or 0) > 0)


def accuracy_plot(
    points: Sequence[Point], *, name: str, title: str, x_label: str, start: float | None, whole: bool = False
) -> Markup:
    """`start` is the accuracy of the start tree; `name` is unique in the page; `whole`: x are whole numbers.

    Filled circles improved on their parent, hollow ones did not, crosses failed: told apart without colour.
    """
    scored = [(point.x, point.y) for point in points if point.y is not None]
    best = _best_so_far(scored)
    x_ticks = ticks(0.0, max([point.x for point in points], default=0.0) or 1.0, whole=whole)
    y_ticks = ticks(*visible([y for _, y in scored] + ([start] if start is not None else [])))
    horizontal = _scale(x_ticks, LEFT, WIDTH - RIGHT)
    on_axis = _scale(y_ticks, HEIGHT - BOTTOM, TOP)

    def vertical(y: float) -> float:
        return min(on_axis(y), HEIGHT - BOTTOM)  # what is worse lies on the axis

    end = WIDTH - RIGHT

    grid = [
        join(
            tag("line", x1=LEFT, x2=end, y1=_round(vertical(y)), y2=_round(vertical(y)), class_="grid"),
            tag("text", f"{100 * y:.4g} %", x=LEFT - 8, y=_round(vertical(y) + 4), class_="tick right"),
        )
        for y in y_ticks
    ]
    grid += [
        tag("text", f"{x:g}", x=_round(horizontal(x)), y=HEIGHT - BOTTOM + 18, class_="tick middle") for x in x_ticks
    ]
    lines, labels = [], []
    if best:
        steps = [f"M{_round(horizontal(best[0][0]))} {_round(vertical(best[0][1]))}"]
        steps += [f"H{_round(horizontal(x))}V{_round(vertical(y))}" for x, y in best[1:]]
        lines.append(tag("path", d=f"{''.join(steps)}H{end}", class_="best"))
        labels.append((vertical(best[-1][1]), f"best {percent(best[-1][1])}", "best-label"))
    if start is not None:
        lines.append(
            tag("line", x1=LEFT, x2=end, y1=_round(vertical(start)), y2=_round(vertical(start)), class_="start")
        )
        labels.append((vertical(start), f"start {percent(start)}", "start-label"))
    return tag(
        "svg",
        tag("style", Markup(PLOT)),
        tag("title", title, id=f"{name}-title"),
        tag("desc", _description(scored, len(points), start), id=f"{name}-description"),
        tag("text", title, x=LEFT, y=20, class_="plot-title"),
        *grid,
        tag("text", x_label, x=_round((LEFT + end) / 2), y=HEIGHT - 12, class_="axis middle"),
        tag(
            "text",
            "validation accuracy",
            class_="axis middle",
            transform=f"translate(11 {_round(_middle())}) rotate(-90)",
        ),
        *lines,
        *(_mark(point, horizontal, vertical) for point in points),
        *(tag("text", text, x=end + 6, y=_round(y + 4), class_=kind) for y, text, kind in _apart(labels)),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        xmlns="http://www.w3.org/2000/svg",
        class_="plot",
        role="img",
        aria_labelledby=f"{name}-title {name}-description",
    )


def ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Four to eight round numbers that enclose `low` and `high`."""
    span = max(high - low, abs(high) / 100, 1e-6)
    size = 10 ** math.floor(math.log10(span / 4))
    step = next(factor * size for factor in (1, 2, 5, 10) if span / (factor * size) <= 6)
    if whole:
        step = max(1.0, round(step))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]


def visible(values: Sequence[float]) -> tuple[float, float]:
    """The range of accuracies that a plot shows: all of it, but at the lower end no further than Tukey's outer fence
    (of at least a percentage point): a few networks that learned nothing would squeeze all others into a line.
    """
    if not values:
        return 0.0, 1.0
    first, third = np.quantile(values, (0.25, 0.75))
    fence = float(first - max(3 * (third - first), 0.01))
    return min(value for value in values if value >= fence), max(values)


def _best_so_far(scored: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    best: list[tuple[float, float]] = []
    for x, y in sorted(scored):
        if not best or y > best[-1][1]:
            best.append((x, y))
    return best


def _scale(values: Sequence[float], low: float, high: float) -> Callable[[float], float]:
    factor = (high - low) / (values[-1] - values[0])
    return lambda value: low + (value - values[0]) * factor


def _mark(point: Point, horizontal: Callable[[float], float], vertical: Callable[[float], float]) -> Markup:
    x = horizontal(point.x)
    if point.y is None:
        y = HEIGHT - BOTTOM - 7.0
        shape = f"M{_round(x - 4)} {_round(y - 4)}l8 8m0-8l-8 8"
        return tag("path", tag("title", point.label), d=shape, class_="failed")
    kind = "improved" if point.improved else "other"
    return tag("circle", tag("title", point.label), cx=_round(x), cy=_round(vertical(point.y)), r=4.5, class_=kind)


def _apart(labels: list[tuple[float, str, str]]) -> list[tuple[float, str, str]]:
    """Two labels at one height are moved so that both can be read."""
    placed: list[tuple[float, str, str]] = []
    for y, text, kind in sorted(labels):
        placed.append((max(y, placed[-1][0] + 15) if placed else y, text, kind))
    return placed


def _description(scored: Sequence[tuple[float, float]], points: int, start: float | None) -> str:
    best = max((y for _, y in scored), default=None)
    return f"{points} candidates, {points - len(scored)} failed; start tree {percent(start)}, best {percent(best)}."


def _middle() -> float:
    return (TOP + HEIGHT - BOTTOM) / 2


def _round(value: float) -> str:
    return f"{value:.1f}"
