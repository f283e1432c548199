"""Where and how: what edits of each kind, way, family, depth and parent bring, partially pooled (ours, in NumPyro).

Four outcomes: a proposal passes the gate, its child is better than the parent, by how much then, and how far the
child is from the archive. Each is an intercept plus effects of the edit kind, the way of involving the LLM, both
together, the family of the block, the depth of the place and the state of the parent; the size of each group of
effects is learned as well, so that what was tried once borrows from what is like it. The data enter as a fixed number
of cells: one program serves every history.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jnas.library.block import FAMILIES
from jnas.planning.history import Record
from jnas.planning.plan import ARMS, WAYS
from jnas.planning.preference import DEEPEST, nearest
from jnas.planning.regression import matrix, numbered
from jnas.trees.options import depth

OUTCOMES = ("feasible", "improved", "size", "diversity")
BINARY = ("feasible", "improved")
PLACES = (*FAMILIES, None)  # None: the family is unknown, as it is for proposals that the gate turned down
DEPTHS = DEEPEST + 1
STATES = ("the best", "the best, tried", "behind", "behind, tried")  # of a parent when it was edited
SHAPE = (len(ARMS), len(WAYS), len(PLACES), DEPTHS, len(STATES))
UNKNOWN = (len(PLACES) - 1, 0)
GROUPS = {"kind": (0,), "way": (1,), "kind and way": (0, 1), "family": (2,), "depth": (3,), "parent": (4,)}
SIZES = tuple(int(np.prod([SHAPE[axis] for axis in axes])) for axes in GROUPS.values())

WINDOW = 128  # candidates that still count: the parents change, and old outcomes tell little of new ones
CELLS = WINDOW + SHAPE[0] * SHAPE[1] * SHAPE[4]  # with data, at most: a place a candidate, the unknown place an arm
TRIED = 3  # children from which on a parent counts as tried: the easy improvements are found
HALF_LIFE = 40.0  # in candidates, of the weight of an outcome
LARGEST = 4.0  # typical improvements; a larger one counts as this much, or a single jump would rule the size
STEPS, SAMPLES, LEARNING_RATE, DRAWS = 200, 2, 0.05, 100

_compiling = threading.Lock()  # NumPyro traces models through one stack for all threads

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tables:
    """Weighted number, sum and sum of squares of every outcome: arrays of (OUTCOMES, *SHAPE)."""

    counts: Floats
    totals: Floats
    squares: Floats


def tabulate(history: Sequence[Record]) -> Tables:
    """The outcomes of the latest candidates, the later the heavier.

    Sizes are in units of the median improvement of those that improved, distances in units of their mean.
    """
    window = history[-WINDOW:]
    counts, totals, squares = np.zeros((3, len(OUTCOMES), *SHAPE))

    def add(outcome: str, cell: tuple[int, ...], value: float, weight: float) -> None:
        index = (OUTCOMES.index(outcome), *cell)
        counts[index] += weight
        totals[index] += weight * value
        squares[index] += weight * value**2

    states, _ = standings(history)
    typical = float(np.median([r.improvement for r in window if r.improved and r.improvement] or [1.0]))
    distances = novelties(window)
    mean = float(np.mean(distances)) or 1.0
    for age, (record, state, distance) in enumerate(zip(window[::-1], states[::-1], distances[::-1], strict=True)):
        weight = 0.5 ** (age / HALF_LIFE)
        for attempt in record.infeasible:
            add("feasible", (ARMS.index(attempt.kind), WAYS.index(attempt.way), *UNKNOWN, state), 0.0, weight)
        if record.kind is None or record.way is None:
            continue
        arm = (ARMS.index(record.kind), WAYS.index(record.way))
        add("feasible", (*arm, *UNKNOWN, state), 1.0, weight)
        cell = (*arm, *place(record), state)
        add("improved", cell, float(record.improved), weight)
        if record.improved:
            add("size", cell, min(float(record.improvement or 0.0) / typical, LARGEST), weight)
        add("diversity", cell, distance / mean, weight)
    return Tables(counts, totals, squares)


def place(record: Record) -> tuple[int, int]:
    """Indices of family and depth."""
    deep = min(depth(record.edit.path), DEEPEST) if record.edit is not None else 0
    return PLACES.index(record.family if record.family in FAMILIES else None), deep


def standings(history: Sequence[Record]) -> tuple[list[int], Callable[[int], int]]:
    """Indices into STATES of the parents of the latest candidates, and a function for that of a parent to come."""
    before, window = history[:-WINDOW], history[-WINDOW:]
    leader = max(before, key=lambda record: -1.0 if record.score is None else record.score, default=window[0])
    children: Counter[int] = Counter()

    def state(parent: int) -> int:
        return 2 * (parent != leader.number) + (children[parent] >= TRIED)

    states = []
    for record in window:
        states.append(0 if record.parent is None else state(record.parent))
        if record.parent is not None:
            children[record.parent] += 1
        if record.score is not None and (leader.score is None or record.score > leader.score):
            leader = record
    return states, state


def novelties(window: Sequence[Record]) -> list[float]:
    """Distance of each to the nearest that came before it; the first is as far as can be."""
    rows = matrix([record.features for record in window], numbered([record.features for record in window]))
    return nearest(rows, earlier=True).tolist() if rows.shape[1] else [1.0] * len(window)


def observed(tables: Tables) -> tuple[Floats, Floats, Floats, Floats]:
    """The cells with data: which effects each of them has, as ones in (CELLS, effects); then the tables' columns."""
    cells = np.argwhere(tables.counts.any(0))
    which = np.zeros((CELLS, sum(SIZES)))
    first = np.cumsum((0, *SIZES))
    for start, axes in zip(first[:-1], GROUPS.values(), strict=True):
        level = np.ravel_multi_index(tuple(cells[:, axis] for axis in axes), tuple(SHAPE[axis] for axis in axes))
        which[np.arange(len(cells)), start + level] = 1.0
    columns = np.zeros((3, len(OUTCOMES), CELLS))
    for column, table in zip(columns, (tables.counts, tables.totals, tables.squares), strict=True):
        column[:, : len(cells)] = table[:, *cells.T]
    return which, *columns


def model(which: Any, counts: Any, totals: Any, squares: Any) -> None:
    """The generative model of what `observed` tells, for NumPyro. Outcomes share sites, for a small program."""
    import jax
    import jax.numpy as jnp
    import numpyro
    from numpyro.distributions import HalfNormal, LogNormal, Normal

    outcomes, binary = len(OUTCOMES), len(BINARY)
    intercepts = numpyro.sample("intercepts", Normal(jnp.zeros(outcomes), 1.5).to_event(1))
    spreads = numpyro.sample("spreads", HalfNormal(jnp.full((outcomes, len(GROUPS)), 0.5)).to_event(2))
    effects = numpyro.sample("effects", Normal(jnp.zeros((outcomes, sum(SIZES))), 1.0).to_event(2))
    noise = numpyro.sample("noise", LogNormal(jnp.full(outcomes - binary, -0.5), 0.5).to_event(1))
    effects = numpyro.deterministic("scaled", jnp.repeat(spreads, np.array(SIZES), axis=1) * effects)
    values = intercepts[:, None] + effects @ which.T
    # Outcomes weigh less than 1, so that the likelihoods are written out instead of being Binomial and Normal.
    chances = totals[:binary] * values[:binary] - counts[:binary] * jax.nn.softplus(values[:binary])
    number, value, scale = counts[binary:], values[binary:], noise[:, None]
    errors = squares[binary:] - 2 * totals[binary:] * value + number * value**2
    sizes = -number * jnp.log(scale) - errors / (2 * scale**2)
    numpyro.factor("likelihood", chances.sum() + sizes.sum())


def everywhere(sites: Mapping[str, Any], state: Any) -> Any:
    """The linear predictors of a draw of `model`, for parents in that state: (OUTCOMES, *SHAPE without the state)."""
    import jax.numpy as jnp

    values = sites["intercepts"].reshape(-1, *(1 for _ in SHAPE))
    for part, axes in zip(jnp.split(sites["scaled"], np.cumsum(SIZES)[:-1], axis=1), GROUPS.values(), strict=True):
        part = part.reshape(-1, *(size if axis in axes else 1 for axis, size in enumerate(SHAPE)))
        values = values + (part[..., state, None] if len(SHAPE) - 1 in axes else part)
    return values[..., 0]


def draw(tables: Tables, seed: int, state: int) -> dict[str, Floats]:
    """DRAWS joint draws from the posterior, for parents in that state.

    Per outcome an array (DRAWS, kinds, ways, families, depths); probabilities for the binary ones.
    """
    drawn = np.asarray(program()(np.uint32(seed), np.int32(state), *observed(tables)), float)
    values = {name: drawn[:, i] for i, name in enumerate(OUTCOMES)}
    return {name: 1 / (1 + np.exp(-value)) if name in BINARY else value for name, value in values.items()}


def outcomes(drawn: Mapping[str, Floats]) -> dict[str, Floats]:
    """The draws, feasibility of an arm at every place: the gate's refusals are not recorded by place."""
    feasible = drawn["feasible"][..., UNKNOWN[0], UNKNOWN[1], None, None]
    return {**drawn, "feasible": np.broadcast_to(feasible, drawn["feasible"].shape)}


def utility(drawn: Mapping[str, Floats], weight: float) -> Floats:
    """What a proposal is worth: feasible x (improved x size + weight x diversity)."""
    values = outcomes(drawn)
    return values["feasible"] * (values["improved"] * values["size"].clip(0.0) + weight * values["diversity"])


def over_places(values: Floats, tables: Tables) -> Floats:
    """Draws by kind, way, family and depth to (DRAWS, kinds, ways): a mean over where candidates were edited."""
    often = tables.counts[OUTCOMES.index("diversity")].sum((0, 1, 4))
    return (values * often).sum((-2, -1)) / max(often.sum(), 1e-9)


def promise(drawn: Mapping[str, Floats], arm: tuple[str, str], weight: float) -> dict[tuple[str | None, int], float]:
    """What family and depth add to the mean utility of an arm."""
    means = utility(drawn, weight).mean(0)[index(arm)]
    means = means - means.mean()
    return {(family, deep): float(means[i, deep]) for i, family in enumerate(PLACES) for deep in range(DEPTHS)}


def index(arm: tuple[str, str]) -> tuple[int, int]:
    return ARMS.index(arm[0]), WAYS.index(arm[1])


def program() -> Callable[..., Any]:
    """The compiled inference; the first call takes seconds, another that comes meanwhile waits for it."""
    with _compiling:
        return _compile()


@cache
def _compile() -> Callable[..., Any]:
    """Variational inference and draws as one compiled function of a seed and the tables.

    The guide is a normal with a full covariance over NumPyro's unconstrained space. It is written out here because
    setting up numpyro.infer.SVI outside of a compiled function costs many small compilations.
    """
    import jax
    import jax.numpy as jnp
    import optax
    from numpyro.infer.util import constrain_fn, potential_energy

    from jnas.planning.devices import on_host

    shapes = {
        "intercepts": (len(OUTCOMES),),
        "spreads": (len(OUTCOMES), len(GROUPS)),
        "effects": (len(OUTCOMES), sum(SIZES)),
        "noise": (len(OUTCOMES) - len(BINARY),),
    }
    ends = np.cumsum([np.prod(shape) for shape in shapes.values()])
    size = int(ends[-1])
    optimizer = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, STEPS), b2=0.95)

    def sites(flat: Any) -> dict[str, Any]:
        parts = jnp.split(flat, ends[:-1])
        return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}

    def spread_out(parameters: Any, normal: Any) -> Any:
        mean, log_scale, below = parameters
        # Scaled down, or the first steps of so many entries together would throw the draws far out.
        mixed = normal + normal @ jnp.tril(below, -1).T / size**0.5
        return mean + jnp.exp(log_scale) * mixed

    def run(seed: Any, state: Any, *cells: Any) -> Any:

        def loss(parameters: Any, key: Any) -> Any:
            """The negative evidence lower bound, up to a constant."""
            flats = spread_out(parameters, jax.random.normal(key, (SAMPLES, size)))
            energies = jax.vmap(lambda flat: potential_energy(model, cells, {}, sites(flat)))(flats)
            return energies.mean() - parameters[1].sum()

        def step(carry: Any, key: Any) -> Any:
            parameters, moments = carry
            updates, moments = optimizer.update(jax.grad(loss)(parameters, key), moments)
            return (optax.apply_updates(parameters, updates), moments), None

        fit_key, draw_key = jax.random.split(jax.random.key(seed))
        parameters = (jnp.zeros(size), jnp.full(size, -2.0), jnp.zeros((size, size)))
        carry = (parameters, optimizer.init(parameters))
        (parameters, _), _ = jax.lax.scan(step, carry, jax.random.split(fit_key, STEPS))
        flats = spread_out(parameters, jax.random.normal(draw_key, (DRAWS, size)))
        constrain = lambda flat: constrain_fn(model, cells, {}, sites(flat), return_deterministic=True)  # noqa: E731
        return jax.vmap(lambda flat: everywhere(constrain(flat), state))(flats)

    found = on_host(run)
    found(np.uint32(0), np.int32(0), np.zeros((CELLS, sum(SIZES))), *np.zeros((3, len(OUTCOMES), CELLS)))
    return found


@cache
def prepare() -> threading.Thread:
    """Compiles in the background; `draw` would wait for it."""
    # Not a daemon: a process that ends in the middle of a compilation would crash.
    thread = threading.Thread(target=program)
    thread.start()
    return thread
