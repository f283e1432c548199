"""The compiled Gaussian process against the textbook's formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from jnas.planning.history import Record
from jnas.planning.plan import Settings
from jnas.planning.planners import PLANNERS
from jnas.planning.preference import unit
from jnas.planning.regression import NOISE, matrix
from jnas.planning.wl_gp import CHILDREN, OBSERVATIONS


def record(number: int, score: float | None, **features: float) -> Record:
    return Record(number, number, 0, None, str(number), score, 1, 1, features=features)


def past(count: int) -> tuple[Record, ...]:
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0, (count, 5)) + 1
    return tuple(
        record(i, 0.5 + 0.1 * row[0] - 0.05 * row[1] + 0.01 * rng.normal(), **{f"f{j}": v for j, v in enumerate(row)})
        for i, row in enumerate(counts)
    )


@pytest.mark.parametrize("count", [7, OBSERVATIONS])
def test_expected_improvement_is_that_of_the_posterior(count: int) -> None:
    history = past(count)
    found = PLANNERS["wl_gp"](history, Settings(), np.random.default_rng(0)).preference
    children = [{f"f{j}": float(1 + (i + j) % 6) for j in range(5)} for i in range(CHILDREN + 3)]
    names, targets = found.names, found.targets
    rows, new = found.rows, unit(matrix(children, names))
    kernel, across = rows @ rows.T, new @ rows.T
    residuals = targets - targets.mean()

    def evidence(ratio: float) -> float:
        gram = kernel + ratio * np.eye(count)
        signal = residuals @ np.linalg.solve(gram, residuals) / count
        return -0.5 * (count * np.log(signal) + np.linalg.slogdet(gram)[1])

    gram = kernel + max(NOISE, key=evidence) * np.eye(count)
    signal = residuals @ np.linalg.solve(gram, residuals) / count
    mean = targets.mean() + across @ np.linalg.solve(gram, residuals)
    deviation = np.sqrt(signal * (1 - np.einsum("ij,ji->i", across, np.linalg.solve(gram, across.T))))
    step = (mean - targets.max()) / deviation
    assert found.score(children) == pytest.approx(
        deviation * (step * norm.cdf(step) + norm.pdf(step)), rel=0.02, abs=2e-4
    )


def test_what_is_pending_has_no_improvement_to_expect() -> None:
    history, child = past(20), {"f0": 9.0, "f1": 1.0, "f2": 2.0}
    free, taken = (
        PLANNERS["wl_gp"](history, Settings(), np.random.default_rng(0), pending=pending).preference
        for pending in ((), (record(20, None, **child),))
    )
    assert taken.score([child])[0] < 0.5 * free.score([child])[0]
    assert taken.expectation(child)["gain"] == pytest.approx(0, abs=1e-3) and free.expectation(child)["gain"] > 0.05
