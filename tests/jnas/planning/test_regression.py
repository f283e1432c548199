"""The closed form against the textbook form of the same posterior, worked out in feature space."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from jnas.planning import preference
from jnas.planning.hierarchical import hierarchical
from jnas.planning.history import Record
from jnas.planning.plan import Settings
from jnas.planning.preference import PATIENCE, gains, nearest, prefer
from jnas.planning.regression import fit, matrix, normal_scores, numbered


def similarity(a: np.ndarray, b: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Of two sets of counts: the three parts, written out."""
    parts = []
    for view in (lambda x: x, np.sqrt):
        centre = view(seen).mean(0)
        scale = ((view(seen) - centre) ** 2).sum(1).mean()
        parts.append((view(a) - centre) @ (view(b) - centre).T / scale)
    apart = ((np.sqrt(a)[:, None] - np.sqrt(b)[None]) ** 2).sum(2)
    parts.append(np.exp(-apart / (4 * scale)))
    return sum(parts) / 3


def test_the_posterior_is_that_of_a_gaussian_process() -> None:
    rng = np.random.default_rng(0)
    rows, new = rng.poisson(3.0, (12, 4)).astype(float), rng.poisson(3.0, (5, 4)).astype(float)
    targets = rows @ [1.0, -2.0, 0.5, 0.0] + 0.1 * rng.normal(size=12)
    found = fit(rows, targets, uphill=0.1)
    weights = np.exp(0.1 * targets) / np.exp(0.1 * targets).mean()
    centre = np.average(targets, weights=weights)
    gram = found.signal * similarity(rows, rows, rows) + np.diag(found.noise / weights)
    across = found.signal * similarity(new, rows, rows)
    mean, deviation = found.predict(new)
    assert mean == pytest.approx(centre + across @ np.linalg.solve(gram, targets - centre))
    own = found.signal * np.diag(similarity(new, new, rows))
    variance = own - np.einsum("ij,ji->i", across, np.linalg.solve(gram, across.T))
    assert deviation**2 == pytest.approx(variance + found.noise / 12, rel=1e-6)


def test_evidence_tells_signal_from_noise() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(60, 3))
    clean, noise = fit(rows, rows @ [1.0, 1.0, 1.0], 0), fit(rows, rng.normal(size=60), 0)
    assert clean.noise / clean.signal < 0.01 < 1 < noise.noise / noise.signal


def test_intervals_cover_what_they_say() -> None:
    """90 % intervals for noiseless values, of data drawn from the model."""
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(200):
        rows = rng.poisson(2.0, (50, 6)).astype(float)
        kernel = similarity(rows, rows, rows[:40])
        values = np.linalg.cholesky(kernel + 1e-9 * np.eye(50)) @ rng.normal(size=50)
        mean, deviation = fit(rows[:40], values[:40] + 0.5 * rng.normal(size=40), 0).predict(rows[40:])
        covered.append(np.abs(values[40:] - mean) < 1.645 * deviation)
    assert 0.85 <= np.mean(covered) <= 0.95


def test_the_good_are_told_apart_more_finely_than_the_bad() -> None:
    """Two laws: among the good `a` decides, among the bad `b` does, and more so."""
    rng = np.random.default_rng(3)
    rows = np.stack([rng.integers(0, 4, 80), rng.integers(0, 4, 80), np.arange(80) % 4 > 0], axis=1).astype(float)
    targets = normal_scores(np.where(rows[:, 2] == 0, 9 + rows[:, 0], 3 * rows[:, 1]))
    good = np.array([[0.0, 0, 0], [3.0, 0, 0]])
    plain, uphill = fit(rows, targets, 0).predict(good)[0], fit(rows, targets).predict(good)[0]
    assert uphill[1] - uphill[0] > plain[1] - plain[0]


def test_targets_are_ranks_whatever_the_scale() -> None:
    scores = normal_scores([0.1, 0.5, 0.5, 0.9])
    assert scores == pytest.approx(normal_scores([1, 2, 2, 1000]))
    assert scores == pytest.approx([-1.1503, 0.0, 0.0, 1.1503], abs=1e-4)
    assert fit(np.eye(3), normal_scores([1, 1, 1])).predict(np.eye(3))[0] == pytest.approx(np.zeros(3))


def test_features_without_a_column_are_left_out() -> None:
    names = numbered([{"a": 1}, {"b": 2, "a": 3}])
    assert matrix([{"b": 4, "c": 9}], names).tolist() == [[0, 4]]


def test_planning_keeps_one_core_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    seen, outside = [], threads()
    monkeypatch.setattr(preference, "fit", lambda *arguments: seen.extend(threads()) or fit(*arguments))
    records = [Record(n, n, 0, None, f"{n}", n / 9, 1, 1, features={"a": float(n)}) for n in range(9)]
    hierarchical(records, Settings(), np.random.default_rng(0))
    assert set(seen) == {1} and threads() == outside


def test_gain_is_the_distance_to_the_nearest() -> None:
    rows = np.array([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    assert nearest(rows) == pytest.approx([(1 - 0.5**0.5) ** 0.5] * 3)
    assert nearest(rows, earlier=True) == pytest.approx([1.0, 1.0, (1 - 0.5**0.5) ** 0.5])
    assert gains(np.array([[5.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 0.0]])) == pytest.approx(
        [0.0, (1 - 0.5**0.5) ** 0.5]
    )


def record(number: int, score: float | None, **features: float) -> Record:
    return Record(number, number, 0, None, str(number), score, 1, 1, features=features)


def test_children_like_the_good_ones_are_preferred() -> None:
    past = tuple(record(i, 0.5 + 0.01 * i, good=i, other=i % 3) for i in range(10))
    found = prefer(past, Settings(top_k=3))
    assert found.parents == (9, 8, 7) and found.weight == 0
    low, high = found.score([{"good": 2, "other": 1}, {"good": 9, "other": 1}])
    assert high > low + 1
    promised, plain = found.score([{"good": 2}] * 2, [("mlp", 7), ("mlp", 0)])
    assert promised == plain


def test_diversity_counts_once_the_search_is_stuck() -> None:
    past = (record(0, 0.9, a=3), *(record(i, 0.5, a=3, b=1) for i in range(1, PATIENCE)), record(PATIENCE, 0.4, c=1))
    assert prefer(past[:1], Settings()) is None
    assert prefer(past, Settings(diversity=0)).weight == 0
    assert prefer(past, Settings(diversity=9)).weight == 9
    assert prefer(past, Settings(diversity=0, top_k=1)).parents == (0,)
    assert prefer(past, Settings(diversity=9, top_k=1)).parents == (PATIENCE,)  # the worst, but like no other
    near, new = prefer(past, Settings(diversity=9)).score([{"a": 3, "b": 1}, {"never seen": 1}])
    assert new > near + 5


def test_what_is_pending_counts_as_predicted() -> None:
    past = tuple(record(i, 0.5 + 0.01 * i, good=i, other=i % 3) for i in range(10))
    child = {"good": 12, "new": 2}
    before = prefer(past, Settings())
    after = prefer(past, Settings(), [record(10, None, **child)])
    assert before.parents == after.parents
    (mean,), (deviation,), (gain,) = before.predict([child])
    (mean_after,), (deviation_after,), (gain_after,) = after.predict([child])
    assert mean_after == pytest.approx(mean, abs=0.3)
    assert deviation_after < 0.7 * deviation and gain > 0.05 and gain_after == pytest.approx(0, abs=1e-6)


def test_a_failed_training_is_no_observation() -> None:
    past = (record(0, 0.5, a=1), record(1, None, a=2), record(2, 0.6, a=3))
    assert prefer(past, Settings()).parents == (2, 0)
