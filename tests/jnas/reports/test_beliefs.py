"""Groups of a reliability diagram."""

from __future__ import annotations

import numpy as np

from jnas.reports.beliefs import BINS, alike


def test_equal_beliefs_are_one_point_of_the_diagram() -> None:
    beliefs = np.array([0.5, 0.2, 0.5, 0.5, 0.3, 0.5, 0.5, 0.5, 0.1, 0.5])
    groups = alike(beliefs)
    assert sorted(np.concatenate(groups)) == list(range(len(beliefs)))
    assert [np.sum(beliefs[group] == 0.5) for group in groups if 0.5 in beliefs[group]] == [7]
    assert len(alike(np.full(8, 0.5))) == 1


def test_different_beliefs_are_shared_among_all_groups() -> None:
    assert [len(group) for group in alike(np.linspace(0, 1, 20))] == [4] * BINS
