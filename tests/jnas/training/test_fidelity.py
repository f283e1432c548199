from __future__ import annotations

import math

import numpy as np
import pytest

from jnas.training.fidelity import agreements, kendall, rung_file, spearman, survivors


def test_the_best_share_goes_on_and_failures_never() -> None:
    assert survivors([0.1, 0.9, None, 0.5, 0.9, 0.2], 1 / 3) == [1, 4]
    assert survivors([0.5, 0.5, 0.5], 1 / 3) == [0]
    assert survivors([0.5], 1 / 3) == [0] and survivors([None, None], 0.5) == []
    assert survivors([0.1, 0.2, 0.3], 1) == [0, 1, 2]


def test_correlations_equal_those_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(0)
    a = generator.integers(0, 6, 30).astype(float)
    b = a + generator.integers(0, 5, 30)
    assert kendall(a, b) == pytest.approx(stats.kendalltau(a, b).statistic)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert math.isnan(kendall(a, np.ones(30))) and math.isnan(spearman(np.ones(30), b))


def curve(*accuracies: float | None) -> list[dict]:
    return [{"epoch": epoch, "accuracy": accuracy} for epoch, accuracy in enumerate(accuracies)]


def test_each_fidelity_is_compared_with_the_next_by_those_that_have_both() -> None:
    curves = [curve(0.1 * i, 0.11 * i, 0.12 * i) for i in range(5)] + [curve(0.9), curve(0.8), curve(None)]
    (found,) = agreements(curves)
    assert (found.epochs, found.later, found.candidates) == (1, 3, 5)
    assert found.kendall == pytest.approx(1) and found.spearman == pytest.approx(1) and found.low == pytest.approx(1)
    assert agreements(curves[:3]) == []


def test_trainings_wait_in_files_of_their_own() -> None:
    assert rung_file({"a": 1, "b": 2}) == rung_file({"b": 2, "a": 1}) != rung_file({"a": 1, "b": 3})
