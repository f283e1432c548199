"""Searches of real trees on made-up landscapes: quality is a formula of the tree, so that nothing is trained.

Start tree, blocks and edits are those of the main job; accuracies and costs are made up. A landscape is drawn from a
seed (ours): every block has a worth, partly that of its family, and so have its settings, its place and the families
that follow each other; the n-th copy of anything adds less than the one before; there is a best depth, and capacity
pays ever less. How much each part counts is drawn as well, so that no two landscapes ask for the same thing. Costs are
those of one 3x3 convolution in place of every block, and have caps.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jnas.benchmarks.jobs import done
from jnas.benchmarks.rows import Row
from jnas.evaluation.gate import judge, judge_start
from jnas.evaluation.outcomes import Verdict
from jnas.evaluation.pool import Reply
from jnas.library.mining import mine
from jnas.library.store import Library, open_library
from jnas.models.starts import named_tree
from jnas.planning.features import family_of, tree_features
from jnas.planning.history import Infeasible, Record, candidate
from jnas.planning.plan import Settings
from jnas.planning.planners import PLANNERS
from jnas.resolving.choosers import UniformChooser
from jnas.resolving.resolve import NothingPossible, resolve
from jnas.runs.configuration import Caps
from jnas.runs.randomness import folded_seed, generator
from jnas.trees.node import Node, Value, canonical, children, tree_hash
from jnas.trees.shapes import Inference, ShapeError

START, SHAPE, CLASSES = "resnet8", (1, 28, 28), 10
CAPS = Caps(300_000, 20_000_000)  # as in the quickstart
LOWEST, SPAN = 0.55, 0.4  # of accuracies
COPIES = 0.6  # what the next copy adds, of what the one before did
NOISE = 0.005  # standard deviation of an accuracy that the search sees
PARTS = ("blocks", "settings", "places", "neighbours", "depth", "capacity")
TRIES, REDRAWS = 10, 20  # of a plan, and of plans, as in the main job


AFTER = (30, 60, 100)  # candidates at which regret is told
PLANNED = ("hierarchical", "thompson", "evolution", "wl_gp", "random")
RESAMPLES = 2000


def measure(seeds: int = 10, queries: int = 100, sources: str = "", results: Path | None = None) -> Sequence[Row]:
    """Median regret of planners on `seeds` landscapes, a search of `queries` candidates each. Raises UserError.

    Regret is how far the candidate that looks best is, without noise, behind the best that any of the planners found
    on that landscape. `results` keeps what is done, see jobs.py.
    """
    folders = [str(folder) for folder in mine(sources.split(",")).folders] if sources else []
    jobs = [(folders, name, seed, queries) for seed in range(seeds) for name in PLANNED]
    courses = np.array(done(course, jobs, results), float).reshape(seeds, len(PLANNED), queries + 1)
    regrets = 100 * (courses.max((1, 2))[:, None, None] - courses)
    drawn = generator(0, "bootstrap").integers(seeds, size=(RESAMPLES, seeds))
    rows = []
    for after in [after for after in AFTER if after <= queries]:
        of = dict(zip(PLANNED, regrets[:, :, after].T, strict=True))
        for name, values in of.items():
            interval = _interval(np.median(values[drawn], axis=1))
            rows.append(Row(f"{name}: regret after {after}", float(np.median(values)), "points", note=interval))
        for name in ("thompson", "random"):
            ahead = of[name] - of["hierarchical"]
            note = f"mean over landscapes, {_interval(ahead[drawn].mean(1))}; ahead on {(ahead > 0).sum()} of {seeds}"
            rows.append(
                Row(f"hierarchical before {name} after {after}", float(ahead.mean()), "points", low=0, note=note)
            )
    return rows


def course(folders: Sequence[str], planner: str, seed: int, budget: int) -> list[float]:
    """The true accuracy of what looks best after each candidate, on the landscape of the seed."""
    landscape = Landscape(seed, open_library([Path(folder) for folder in folders]))
    found = Trial(landscape, planner, seed).run(budget)
    return found + found[-1:] * (budget + 1 - len(found))


def _interval(values: NDArray[np.float64]) -> str:
    low, high = np.quantile(values, (0.05, 0.95))
    return f"90 % interval {low:.2f} to {high:.2f}"


@dataclass(frozen=True)
class Landscape:
    """A formula of trees; the same seed is the same formula."""

    seed: int
    library: Library

    @cached_property
    def weights(self) -> Mapping[str, float]:
        """How much each part counts; log-normal."""
        drawn = np.exp(0.5 * generator(self.seed, "weights").normal(size=len(PARTS)))
        return dict(zip(PARTS, drawn.tolist(), strict=True))

    @cached_property
    def shared(self) -> float:
        """Share of a block's worth that is its family's."""
        return float(generator(self.seed, "shared").uniform(0.2, 0.8))

    def accuracy(self, tree: Node, parameters: int, multiply_adds: int) -> float:
        """Without noise, between LOWEST and LOWEST + SPAN."""
        parts = self.parts(tree, parameters, multiply_adds)
        total = sum(self.weights[name] * value for name, value in parts.items())
        return LOWEST + SPAN / (1 + math.exp(2 - total / 4))

    def seen(self, tree: Node, accuracy: float) -> float:
        """What a search is told: the same for the same tree."""
        noise = generator(self.seed, "noise", tree_hash(tree, self.library)).normal()
        return min(1.0, max(0.0, accuracy + NOISE * float(noise)))

    def inspect(self, tree: Node) -> Reply:
        """Costs for the gate."""
        parameters = multiply_adds = 0
        try:
            inference = Inference(self.library)
            for _, node, shape in inference.edges(tree, SHAPE):
                if not node.is_container:
                    width, *pixels = inference.out(node, shape)
                    parameters += 9 * shape[0] * width
                    multiply_adds += 9 * shape[0] * width * math.prod(pixels)
        except ShapeError as error:
            return Reply("shape", message=str(error))
        return Reply("ok", {"parameters": parameters, "multiply_adds": multiply_adds, "shapes": {}})

    def parts(self, tree: Node, parameters: int, multiply_adds: int) -> dict[str, float]:
        """What each of PARTS adds, before its weight."""
        blocks: Counter[str] = Counter()
        settings: Counter[tuple[str, Value]] = Counter()
        places: Counter[str] = Counter()
        neighbours: Counter[str] = Counter()
        order = [leaf for leaf in _leaves(tree) if leaf[0].block in self.library]
        for i, (node, stage) in enumerate(order):
            family = self.library[node.block].family
            blocks[node.block] += 1
            places[f"{family} in stage {min(stage, 3)}"] += 1
            if i:
                neighbours[f"{self.library[order[i - 1][0].block].family} before {family}"] += 1
            for name, value in node.args.items():
                if not isinstance(value, (Node, tuple)):
                    settings[f"{node.block}.{name}", value] += 1
        common, own = self.shared**0.5, (1 - self.shared) ** 0.5
        worth = {name: common * self._normal(self.library[name].family) + own * self._normal(name) for name in blocks}
        best_depth = 6 + 18 * float(generator(self.seed, "depth").uniform())
        return {
            "blocks": sum(worth[name] * _times(count) for name, count in blocks.items()),
            "settings": 0.3 * sum(self._setting(*key) * _times(count) for key, count in settings.items()),
            "places": 0.5 * sum(self._normal(key) * _times(count) for key, count in places.items()),
            "neighbours": 0.5 * sum(self._normal(key) * _times(count) for key, count in neighbours.items()),
            "depth": -(math.log2((1 + len(order)) / best_depth) ** 2),
            "capacity": 1 - math.exp(-multiply_adds / 4e6) + 1 - math.exp(-parameters / 6e4),
        }

    def _setting(self, name: str, value: Value) -> float:
        """Of a number a slope over its logarithm, of anything else a worth of its own."""
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            return self._normal(name) * math.log2(value) / 3
        return self._normal(f"{name}={value}")

    def _normal(self, name: str) -> float:
        return _normal(self.seed, name)


@cache
def _normal(seed: int, name: str) -> float:
    return float(np.random.default_rng(folded_seed(seed, "worth", name)).normal())


def _times(count: int) -> float:
    """Of copies that add ever less."""
    return (1 - COPIES**count) / (1 - COPIES)


def _leaves(node: Node, stage: int = 0, inside: bool = False) -> Iterator[tuple[Node, int]]:
    """Every block in data-flow order, copies one by one, with the stage that it is in."""
    if not node.is_container:
        yield node, stage
    copies = int(node.args["times"]) if node.block == "repeat" else 1
    for _ in range(copies):
        for step, child in children(node):
            number = int(step[1]) if step[0] == "stages" and not inside else stage
            yield from _leaves(child, number, inside or step[0] == "stages")


@dataclass
class Trial:
    """One search on a landscape, proposed and judged as in the main job, with nobody to ask."""

    landscape: Landscape
    planner: str
    seed: int
    settings: Settings = field(default_factory=Settings)
    history: list[Record] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)  # without noise, of `history`

    def run(self, budget: int) -> list[float]:
        """For the start tree and up to `budget` candidates: the true accuracy of the one that looks best by then."""
        library = self.landscape.library
        start = canonical(named_tree(START, library, SHAPE, CLASSES), library)
        self._add(start, judge_start(start, self.landscape.inspect, CAPS))
        while len(self.history) <= budget and self._step():
            pass
        scores = np.array([record.score for record in self.history], float)
        leaders = [int(np.argmax(scores[: i + 1])) for i in range(len(scores))]
        return [self.accuracies[leader] for leader in leaders]

    def _step(self) -> bool:
        """One candidate more; False where no proposal was possible."""
        number, refused = len(self.history), []
        library, known = self.landscape.library, {record.tree_hash for record in self.history}
        given_up = frozenset[str]()
        for redraw in range(REDRAWS):
            plan = PLANNERS[self.planner](
                self.history, self.settings, generator(self.seed, number, "plan", redraw), given_up
            )
            for attempt in range(TRIES):
                rng = generator(self.seed, number, "resolve", redraw, attempt)
                parent = candidate(self.history, plan.parent).tree
                try:
                    found = resolve(plan, self.history, parent, library, SHAPE, UniformChooser(), rng, known=known)
                except NothingPossible:
                    refused.append(Infeasible(plan.kind, plan.way, "nothing possible"))
                    break
                number_of_parent = plan.parent if found.parent is None else found.parent
                parent = candidate(self.history, number_of_parent).tree
                verdict = judge(parent, found.tree, found.edit, library, self.landscape.inspect, CAPS, known)
                if verdict.feasible:
                    family = family_of(found.edit, parent, library)
                    made = {"kind": plan.kind, "way": plan.way, "parent": number_of_parent, "edit": found.edit}
                    self._add(canonical(found.tree, library), verdict, infeasible=tuple(refused), family=family, **made)
                    return True
                refused.append(Infeasible(plan.kind, plan.way, str(verdict.reason)))
            given_up |= {plan.kind}
        return False

    def _add(self, tree: Node, verdict: Verdict, **made: Any) -> None:
        library, number = self.landscape.library, len(self.history)
        parameters, multiply_adds = int(verdict.parameters or 0), int(verdict.multiply_adds or 0)
        self.accuracies.append(self.landscape.accuracy(tree, parameters, multiply_adds))
        score = self.landscape.seen(tree, self.accuracies[-1])
        if "parent" in made:
            made["improvement"] = score - (candidate(self.history, made["parent"]).score or 0.0)
        name, features = tree_hash(tree, library), tree_features(tree, library)
        record = Record(number, number, 0, tree, name, score, parameters, multiply_adds, features=features, **made)
        self.history.append(record)
