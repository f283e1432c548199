"""A surrogate to compare against: a Gaussian process over Weisfeiler-Lehman counts with expected improvement, after
NAS-BOWL (Ru et al., arXiv 2006.07556), in JAX. Ours: the counts are those of features.py, one prior for them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from jnas.planning.devices import on_host
from jnas.planning.history import Record, best
from jnas.planning.plan import Plan, Settings, open_arms
from jnas.planning.preference import REMEMBERED, believed, unit
from jnas.planning.regression import NOISE, Features, Floats, matrix, normal_scores, numbered
from jnas.planning.thompson import draw_parent

OBSERVATIONS, CHILDREN = 2 * REMEMBERED, 128  # fixed shapes: rows that are not used are masked


@dataclass(frozen=True)
class WeisfeilerLehman:
    """Scores children by their expected improvement over the best."""

    parents: tuple[int, ...]
    names: Mapping[str, int]
    rows: Floats  # of the observations, of unit length
    targets: Floats

    def score(self, children: Sequence[Features], where: Sequence[tuple[str | None, int]] = ()) -> Floats:
        return self._predict(children)[2]

    def expectation(self, child: Features) -> Mapping[str, float]:
        mean, deviation, _, gain = (float(values[0]) for values in self._predict([child]))
        return believed(mean, deviation, gain)

    def _predict(self, children: Sequence[Features]) -> tuple[Floats, ...]:
        """Mean, deviation, expected improvement and distance to the nearest, of each child."""
        counts = matrix(children, self.names)
        lengths = np.array([sum(value**2 for value in child.values()) for child in children]) ** 0.5
        likeness = counts @ self.rows.T / np.maximum(lengths, 1e-9)[:, None]
        kernel, targets = np.eye(OBSERVATIONS), np.zeros(OBSERVATIONS)
        kernel[: len(self.rows), : len(self.rows)] = self.rows @ self.rows.T
        targets[: len(self.rows)] = self.targets
        used = np.arange(OBSERVATIONS) < len(self.rows)
        parts = []
        for start in range(0, len(children), CHILDREN):
            across = np.zeros((CHILDREN, OBSERVATIONS))
            block = likeness[start : start + CHILDREN]
            across[: len(block), : len(self.rows)] = block
            parts.append(np.asarray(program()(kernel, targets, used, across), float)[:, : len(block)])
        distances = np.sqrt(np.maximum(0.0, 1.0 - likeness.max(1)))
        return (*np.concatenate(parts, axis=1), distances)


def wl_gp(
    history: Sequence[Record],
    settings: Settings,
    rng: np.random.Generator,
    without: frozenset[str] = frozenset(),
    pending: Sequence[Record] = (),
) -> Plan:
    """Kind uniform, minimal way; the child of highest expected improvement among those of the top K."""
    kinds = open_arms((), without)  # of no history, so that nothing is there to repeat
    kind = kinds[int(rng.integers(len(kinds)))]
    leaders = best(history, OBSERVATIONS - len(pending))
    if len(leaders) < 2:
        parent = draw_parent(history, settings.top_k, rng)
        return Plan(parent, kind, "minimal", f"parent {parent}, {kind} drawn uniformly: nothing to learn from yet")
    parents = tuple(record.number for record in leaders[: settings.top_k])
    parent = parents[int(rng.integers(len(parents)))]
    features = [record.features for record in (*leaders, *pending)]
    names = numbered(features)
    rows = unit(matrix(features, names))
    targets = normal_scores([record.score for record in leaders if record.score is not None])
    preference = WeisfeilerLehman(parents, names, rows[: len(leaders)], targets)
    if pending:
        believed_targets = preference._predict(features[len(leaders) :])[0]
        preference = replace(preference, rows=rows, targets=np.concatenate([targets, believed_targets]))
    explanation = f"{kind} of the best {len(parents)}, drawn uniformly; most expected improvement"
    return Plan(parent, kind, "minimal", explanation, {"parents": list(parents)}, preference)


@cache
def program() -> Callable[..., Any]:
    """(kernel, targets, used, across) -> rows of mean, deviation and expected improvement; compiled once."""

    def run(kernel: Any, targets: Any, used: Any, across: Any) -> Any:
        import jax
        import jax.numpy as jnp

        count = used.sum()
        mean = (targets * used).sum() / count
        eigenvalues, basis = jnp.linalg.eigh(kernel)
        eigenvalues, projected = jnp.maximum(eigenvalues, 0.0), basis.T @ ((targets - mean) * used)
        ratios = jnp.asarray(NOISE)[:, None]
        # A masked row is a unit vector of its own, with eigenvalue 1: nothing projects on it, no child is like it.
        spread = eigenvalues + ratios
        signals = (projected**2 / spread).sum(1) / count
        padding = (len(used) - count) * jnp.log(1.0 + ratios[:, 0])
        evidence = -0.5 * (count * jnp.log(signals + 1e-12) + jnp.log(spread).sum(1) - padding)
        chosen = jnp.argmax(evidence)
        spread, signal = spread[chosen], jnp.maximum(signals[chosen], 1e-12)
        along = across @ basis
        means = mean + along @ (projected / spread)
        deviations = jnp.sqrt(signal * jnp.maximum(1.0 - (along**2 / spread).sum(1), 1e-9))
        steps = (means - jnp.max(jnp.where(used, targets, -jnp.inf))) / deviations
        improvement = deviations * (steps * jax.scipy.stats.norm.cdf(steps) + jax.scipy.stats.norm.pdf(steps))
        return jnp.stack([means, deviations, improvement])

    return on_host(run)
