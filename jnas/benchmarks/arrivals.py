"""Pictures of the planner benchmarks: searches that have arrived over queries, beliefs against what came, as SVG."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from jnas.reports.markup import Markup, join, tag
from jnas.reports.style import PLOT

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, LEGEND = 460, 280, 52, 40, 34, 190
# Okabe and Ito's colours, which the colour-blind can tell apart; dashes where they begin again.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8d949e")
DEVIATIONS = 1.645  # of a normal: 90 %


def picture(needed: Mapping[str, Mapping[str, NDArray[np.float64]]], queries: int) -> str:
    """SVG text: a panel per data set, a line per planner. `needed`: queries up to the arrival, by data set and planner.

    Bands are Wilson's 90 % intervals of a share.
    """
    planners = list(next(iter(needed.values())))
    columns = 2 if len(needed) > 1 else 1
    rows = -(-len(needed) // columns)
    panels = [
        tag(
            "g",
            *_panel(dataset, counts, queries),
            transform=f"translate({(i % columns) * WIDTH} {(i // columns) * HEIGHT})",
        )
        for i, (dataset, counts) in enumerate(needed.items())
    ]
    legend = tag("g", *_legend(planners), transform=f"translate({columns * WIDTH + 10} {TOP})")
    return tag(
        "svg",
        tag("style", Markup(PLOT)),
        tag("title", "Share of searches that have arrived, over queries"),
        *panels,
        legend,
        viewBox=f"0 0 {columns * WIDTH + LEGEND} {rows * HEIGHT}",
        xmlns="http://www.w3.org/2000/svg",
        class_="plot",
        role="img",
    )


def _panel(dataset: str, counts: Mapping[str, NDArray[np.float64]], queries: int) -> list[Markup]:
    across, down = WIDTH - LEFT - 16, HEIGHT - TOP - BOTTOM
    grid = []
    for level in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = TOP + down * (1 - level)
        grid.append(tag("line", x1=LEFT, x2=LEFT + across, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"))
        grid.append(tag("text", f"{level:.0%}", x=LEFT - 6, y=f"{y + 4:.1f}", class_="tick right"))
    for i in range(6):
        x = LEFT + across * i / 5
        grid.append(tag("text", f"{queries * i / 5:g}", x=f"{x:.1f}", y=TOP + down + 16, class_="tick middle"))
    bands, lines = [], []
    for i, values in enumerate(counts.values()):
        steps = np.arange(queries + 1)
        share = np.searchsorted(np.sort(values), steps, side="right") / len(values)
        floor, ceiling = wilson(share, len(values))
        places = LEFT + across * steps / queries
        colour = COLOURS[i % len(COLOURS)]
        around = [*zip(places, ceiling, strict=True), *zip(places[::-1], floor[::-1], strict=True)]
        bands.append(tag("path", d=_path(around, down) + "Z", fill=colour, fill_opacity="0.12"))
        line = _path(list(zip(places, share, strict=True)), down)
        lines.append(tag("path", d=line, fill="none", stroke=colour, stroke_width=2, stroke_dasharray=_dashes(i)))
    words = [
        tag("text", dataset, x=LEFT, y=20, class_="plot-title"),
        tag("text", "queries", x=LEFT + across / 2, y=HEIGHT - 6, class_="axis middle"),
    ]
    return [join(*grid, *bands, *lines, *words)]


def diagram(lines: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]) -> str:
    """A reliability diagram as SVG text: what is said across, how often it is true upwards; right is the diagonal."""
    side, down = HEIGHT - TOP - BOTTOM, HEIGHT - TOP - BOTTOM
    marks = [tag("path", d=_path([(LEFT, 0.0), (LEFT + side, 1.0)], down), class_="start")]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = LEFT + side * share, TOP + down * (1 - share)
        marks.append(tag("line", x1=LEFT, x2=LEFT + side, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"))
        marks.append(tag("text", f"{share:.0%}", x=LEFT - 6, y=f"{y + 4:.1f}", class_="tick right"))
        marks.append(tag("text", f"{share:.0%}", x=f"{x:.1f}", y=TOP + down + 16, class_="tick middle"))
    for i, (said, true) in enumerate(lines.values()):
        places = LEFT + side * said
        line = _path([(float(x), float(y)) for x, y in zip(places, true, strict=True)], down)
        marks.append(tag("path", d=line, fill="none", stroke=COLOURS[i], stroke_width=2))
        marks += [
            tag("circle", cx=f"{x:.1f}", cy=f"{TOP + down * (1 - y):.1f}", r=3.5, fill=COLOURS[i])
            for x, y in zip(places, true, strict=True)
        ]
    return tag(
        "svg",
        tag("style", Markup(PLOT)),
        tag("title", "Beliefs against what came"),
        tag("text", "how often it is true", x=LEFT, y=20, class_="plot-title"),
        *marks,
        tag("text", "what is said", x=LEFT + side / 2, y=HEIGHT - 6, class_="axis middle"),
        tag("g", *_legend(list(lines)), transform=f"translate({LEFT + side + 24} {TOP})"),
        viewBox=f"0 0 {LEFT + side + LEGEND + 50} {HEIGHT}",
        xmlns="http://www.w3.org/2000/svg",
        class_="plot",
        role="img",
    )


def wilson(share: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of the 90 % interval of a share of `count` trials."""
    z = DEVIATIONS**2 / count
    middle = (share + z / 2) / (1 + z)
    half = np.sqrt(share * (1 - share) * z + z**2 / 4) / (1 + z)
    return middle - half, middle + half


def _path(points: list[tuple[float, float]], down: float) -> str:
    """Of (x, share); points in the middle of a straight line are left out."""
    kept = [
        point
        for i, point in enumerate(points)
        if i in (0, len(points) - 1) or not points[i - 1][1] == point[1] == points[i + 1][1]
    ]
    return "M" + "L".join(f"{x:.1f} {TOP + down * (1 - share):.1f}" for x, share in kept)


def _legend(planners: list[str]) -> list[Markup]:
    lines = []
    for i, name in enumerate(planners):
        y = 18 * i
        mark = {"stroke": COLOURS[i % len(COLOURS)], "stroke_width": 3, "stroke_dasharray": _dashes(i)}
        lines += [tag("line", x1=0, x2=22, y1=y, y2=y, **mark), tag("text", name, x=30, y=y + 4)]
    return lines


def _dashes(i: int) -> str:
    return "none" if i < len(COLOURS) else "5 3"
