"""Whether what the planner believes comes true as often as it says.

Without a run in simulation: data are drawn from the model itself, so that a right posterior covers what they were drawn
from as often as its intervals say, at every level (simulation-based calibration, Talts et al., arXiv 1804.06788). With
a run: the intervals and probabilities that its plans stored, against what came.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jnas.benchmarks.arrivals import diagram, wilson
from jnas.benchmarks.rows import Row
from jnas.planning import effects
from jnas.planning.effects import Tables
from jnas.reports.beliefs import LEVELS, calibration
from jnas.reports.run import Run
from jnas.runs.directory import write_atomically
from translators.diagnostics import UserError

OBSERVED = 120  # simulated outcomes of each kind
LOW, HIGH = 0.85, 0.95  # of a 90 % interval

Floats = NDArray[np.float64]
Line = tuple[Floats, Floats]  # what is said, and how often it is true


def measure(run: Path | None = None, seeds: int = 200, plot: Path | None = None) -> Sequence[Row]:
    """Raises UserError for a folder without a run, or a run whose planner stores no beliefs."""
    rows, lines = simulated(seeds) if run is None else finished(Run.read(run))
    if plot is not None:
        write_atomically(plot, diagram(lines))
    return rows


def simulated(seeds: int) -> tuple[list[Row], dict[str, Line]]:
    """Coverage of 90 % intervals in simulation, of each outcome at all places; and of intervals of every level."""
    covered: dict[str, list[Floats]] = {name: [] for name in effects.OUTCOMES}
    inside: dict[str, list[float]] = {name: [] for name in effects.OUTCOMES}
    for seed in range(seeds):
        truth, tables, state = simulate(seed)
        drawn = effects.draw(tables, seed, state)
        for name, values in truth.items():
            rank = (drawn[name] < values).mean(0)
            covered[name].append(np.array([(np.abs(rank - 0.5) <= level / 2).mean() for level in LEVELS]))
            low, high = np.quantile(drawn[name], (0.05, 0.95), axis=0)
            inside[name].append(float(((values >= low) & (values <= high)).mean()))
    rows = [
        Row(
            f"{name}: inside of 90 % intervals", float(np.mean(inside[name])), low=LOW, high=HIGH, note=f"{seeds} draws"
        )
        for name in effects.OUTCOMES
    ]
    return rows, {name: (LEVELS, np.mean(shares, axis=0)) for name, shares in covered.items()}


def simulate(seed: int) -> tuple[dict[str, Floats], Tables, int]:
    """True values for parents in a state, data drawn from them, and the state."""
    values, noise = (np.asarray(part, float) for part in _prior()(np.uint32(seed)))  # (STATES, OUTCOMES, ...)
    rng = np.random.default_rng(seed)
    counts, totals, squares = np.zeros((3, len(effects.OUTCOMES), *effects.SHAPE))
    cells = rng.integers(0, effects.SHAPE, size=(OBSERVED, len(effects.SHAPE)))
    for i, outcome in enumerate(effects.OUTCOMES):
        for cell in map(tuple, cells):
            value = values[(cell[-1], i, *cell[:-1])]
            if outcome in effects.BINARY:
                value = float(rng.random() < 1 / (1 + np.exp(-value)))
            else:
                value += noise[i - len(effects.BINARY)] * rng.normal()
            counts[(i, *cell)] += 1
            totals[(i, *cell)] += value
            squares[(i, *cell)] += value**2
    state = seed % len(effects.STATES)
    truth = {}
    for i, outcome in enumerate(effects.OUTCOMES):
        of_state = values[state, i]
        truth[outcome] = 1 / (1 + np.exp(-of_state)) if outcome in effects.BINARY else of_state
    return truth, Tables(counts, totals, squares), state


@cache
def _prior() -> Any:
    """A seed -> linear predictors for parents in every state, and the noise: a draw of the model without data."""
    from jnas.planning.devices import on_host

    def run(seed: Any) -> Any:
        import jax
        import jax.numpy as jnp
        from numpyro import handlers

        empty = np.zeros((effects.CELLS, sum(effects.SIZES))), *np.zeros((3, len(effects.OUTCOMES), effects.CELLS))
        trace = handlers.trace(handlers.seed(effects.model, jax.random.key(seed))).get_trace(*empty)
        sites = {name: site["value"] for name, site in trace.items() if site["type"] in ("sample", "deterministic")}
        states = range(len(effects.STATES))
        return jnp.stack([effects.everywhere(sites, state) for state in states]), sites["noise"]

    return on_host(run)


def finished(run: Run) -> tuple[list[Row], dict[str, Line]]:
    """Of the children of a run: how often the share of the archive that they beat lay in its interval, and how often
    those that were expected to improve with some probability did."""
    found = calibration(run)
    if found is None or not found.children:
        raise UserError(
            f"--run {run.directory.root}: no plan of it says what it expected; give a run of planner hierarchical"
        )
    coverage, said, came = found.coverage, found.said, found.came
    rows = [
        Row("children", found.children, note="whose plan said what share of the archive they would beat"),
        Row("inside of 90 % intervals", float(coverage[-1]), note=_interval(float(coverage[-1]), found.children)),
        Row("improved", float(came.mean()), note=f"expected {said.mean():.2f}, {len(came)} children"),
        Row("Brier score of improvement", float(((said - came) ** 2).mean()), note=f"of the mean {came.var():.3f}"),
    ]
    lines = {"share of the archive beaten": (LEVELS, coverage)}
    if groups := found.groups():
        shares = [true.successes / (true.successes + true.failures) for _, true in groups]
        lines["improvement over the parent"] = (np.array([chance for chance, _ in groups]), np.array(shares))
        for (chance, true), share in zip(groups, shares, strict=True):
            note = _interval(share, true.successes + true.failures)
            rows.append(Row(f"said {chance:.2f} to improve", share, note=note))
    return rows, lines


def _interval(share: float, count: int) -> str:
    low, high = wilson(np.array(share), count)
    return f"90 % interval {low:.2f} to {high:.2f}, {count} children"
