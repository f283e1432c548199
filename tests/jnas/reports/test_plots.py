from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jnas.reports.plots import HEIGHT, WIDTH, Point, accuracy_plot, ticks


def _plot(points: list[Point], start: float | None = 0.8) -> ElementTree.Element:
    plot = accuracy_plot(points, name="p", title="Accuracy", x_label="candidate", start=start)
    return ElementTree.fromstring(plot.replace(' xmlns="http://www.w3.org/2000/svg"', ""))


def test_every_candidate_is_drawn_and_told_apart_without_colour() -> None:
    svg = _plot(
        [Point(0, 0.8, "#0"), Point(1, 0.9, "#1 <b>", improved=True), Point(2, None, "#2"), Point(3, 0.85, "#3")]
    )
    kinds = [element.get("class") for element in svg]
    assert (kinds.count("improved"), kinds.count("other"), kinds.count("failed")) == (1, 2, 1)
    assert [title.text for title in svg.iter("title")] == ["Accuracy", "#0", "#1 <b>", "#2", "#3"]


def test_it_has_a_title_a_description_axis_names_and_direct_labels() -> None:
    svg = _plot([Point(0, 0.8, "#0"), Point(1, 0.9, "#1")])
    words = [text.text for text in svg.iter("text")]
    assert {"Accuracy", "candidate", "validation accuracy", "best 90.00 %", "start 80.00 %"} <= set(words)
    named = (svg.get("aria-labelledby") or "").split()
    assert {element.get("id") for element in svg if element.get("id")} == set(named) and len(named) == 2


@pytest.mark.parametrize("points", [[], [Point(0, None, "#0")], [Point(0, 0.5, "#0")]])
def test_a_run_that_has_hardly_begun_can_be_drawn(points: list[Point]) -> None:
    _plot(points, start=None)


@given(st.lists(st.tuples(st.floats(0, 1e4), st.none() | st.floats(0, 1)), max_size=20), st.none() | st.floats(0, 1))
def test_every_mark_lies_inside_the_picture(values: list[tuple[float, float | None]], start: float | None) -> None:
    svg = _plot([Point(x, y, "") for x, y in values], start)
    for element in svg.iter("circle"):
        assert 0 <= float(element.get("cx") or "nan") <= WIDTH and 0 <= float(element.get("cy") or "nan") <= HEIGHT


@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_ticks_enclose_the_values_and_are_few(a: float, b: float) -> None:
    low, high = sorted((a, b))
    values = ticks(low, high)
    size = values[1] - values[0]
    assert values[0] <= low + 1e-6 * size and values[-1] >= high - 1e-6 * size
    assert 2 <= len(values) <= 9 and values == sorted(set(values))


def test_ticks_of_candidates_are_whole() -> None:
    assert ticks(0, 3, whole=True) == [0, 1, 2, 3]
    assert all(value == int(value) for value in ticks(0, 16, whole=True))
