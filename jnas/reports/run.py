"""A run as the reports see it: one frozen value, read once from the run directory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, Self

import numpy as np

from jnas.knowledge.ideas import Idea, read_ideas
from jnas.library.store import Library, open_library
from jnas.planning.fairnad import objectives
from jnas.planning.pareto import front
from jnas.runs import configuration
from jnas.runs.archive import winner
from jnas.runs.configuration import Configuration
from jnas.runs.database import Attempt, Candidate, Choice, Final, RunDatabase, Usage
from jnas.runs.directory import RunDirectory
from jnas.trees.node import Node, from_json
from translators.diagnostics import UserError


@dataclass(frozen=True)
class Run:
    """Everything that a report says, in slot order. `library` holds those of the run's blocks that are still here."""

    directory: RunDirectory
    configuration: Configuration
    candidates: tuple[Candidate, ...]
    attempts: tuple[Attempt, ...] = ()
    choices: tuple[Choice, ...] = ()
    finals: tuple[Final, ...] = ()
    phases: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    library: Library = field(default_factory=open_library)
    ideas: tuple[Idea, ...] = ()  # that the search could draw
    usage: tuple[Usage, ...] = ()  # of language models

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The run that lies in `folder`, finished or not. Raises UserError where there is none."""
        directory = RunDirectory(folder)
        with RunDatabase.read(directory.database) as database:
            return cls(
                directory=directory,
                configuration=configuration.load(str(directory.configuration)),
                candidates=database.candidates(),
                attempts=database.attempts(),
                choices=database.choices(),
                finals=database.finals(),
                phases=database.phases(),
                versions=database.fact("versions") or {},
                library=_open_what_is_there(database.fact("libraries") or []),
                usage=database.usage(),
                ideas=read_ideas(str(directory.knowledge)) if directory.knowledge.is_file() else (),
            )

    @cached_property
    def by_number(self) -> Mapping[int, Candidate]:
        return {candidate.number: candidate for candidate in self.candidates}

    @cached_property
    def trained(self) -> int:
        """Candidates that count towards the budget."""
        return sum(candidate.result is not None for candidate in self.candidates if candidate.number)

    @cached_property
    def best(self) -> Candidate | None:
        """The tree that was reported on the test split; before that, the highest validation accuracy."""
        tested = {final.number for final in self.finals if final.split == "test"}
        best = winner(self.candidates, self.finals, self.configuration.final.candidates)
        if best is not None and best.number in tested:
            return best
        scored = [candidate for candidate in self.candidates if accuracy(candidate) is not None]
        return max(scored, key=lambda candidate: (accuracy(candidate), -candidate.number), default=None)

    @property
    def objectives(self) -> tuple[str, ...]:
        """What the planner traded off."""
        planner = self.configuration.planner
        return objectives(planner.objectives) if planner.name == "fairnad" else planner.objectives

    @cached_property
    def front(self) -> tuple[Candidate, ...]:
        """Candidates that no other one beats in every objective, the most accurate first; none for one objective."""
        objectives = self.objectives
        known = [(row, tuple(OF_CANDIDATE[name](row) for name in objectives)) for row in self.candidates]
        values = np.array([values for _, values in known if None not in values], float)
        if len(objectives) < 2 or not len(values):
            return ()
        rows = [row for row, values in known if None not in values]
        return tuple(sorted((rows[i] for i in front(values)), key=lambda row: (-(accuracy(row) or 0.0), row.number)))

    def gain(self, candidate: Candidate) -> float | None:
        """Validation accuracy above the parent's."""
        own = accuracy(candidate)
        parents = None if candidate.parent is None else accuracy(self.by_number[candidate.parent])
        return None if own is None or parents is None else own - parents

    def lineage(self, candidate: Candidate) -> tuple[Candidate, ...]:
        """From the start tree to `candidate`."""
        line = [candidate]
        while line[-1].parent is not None:
            line.append(self.by_number[line[-1].parent])
        return tuple(reversed(line))

    def final_accuracy(self, number: int, split: str = "test") -> float | None:
        """After the longer training, averaged over its seeds."""
        results = [final.result for final in self.finals if (final.number, final.split) == (number, split)]
        scores = [result.accuracy for result in results if result.accuracy is not None]
        return fmean(scores) if scores and len(scores) == len(results) else None

    def turned_down(self, candidate: Candidate) -> int:
        """Proposals of this candidate's slot that the gate turned down before it."""
        return self._refusals[candidate.round, candidate.slot]

    @cached_property
    def _refusals(self) -> Counter[tuple[int, int]]:
        return Counter((attempt.round, attempt.slot) for attempt in self.attempts)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: the budget is spent and a tree was tested."""
        tested = any(final.split == "test" for final in self.finals)
        return tested and self.trained >= self.configuration.search.budget

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image, as the gate saw it for the start tree. Raises UserError."""
        channels, height, width = self._ends[0]
        return channels, height, width

    @property
    def classes(self) -> int:
        """How many logits the start tree gives. Raises UserError."""
        return self._ends[1][0]

    @property
    def _ends(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if not self.candidates or "" not in self.candidates[0].verdict.shapes:
            raise UserError(f"{self.directory.database}: does not say what the start tree receives and returns")
        return self.candidates[0].verdict.shapes[""]

    def tree(self, candidate: Candidate) -> Node:
        """Raises UserError when a block of the tree is not in `library`."""
        return from_json(candidate.tree, self.library)

    def command(self) -> str:
        """What continues this run; a run whose budget is spent goes on to twice as many candidates."""
        budget = self.configuration.search.budget
        more = f" --budget {2 * budget}" if self.trained >= budget else ""
        return f"python -m jnas.search --config {self.directory.configuration} --run-dir {self.directory.root}{more}"


def accuracy(candidate: Candidate) -> float | None:
    """On validation; None for a candidate that failed or is not trained yet."""
    result = candidate.result
    return result.accuracy if result is not None and result.status == "ok" else None


OF_CANDIDATE: Mapping[str, Callable[[Candidate], float | None]] = {  # pareto.OBJECTIVES, of what is stored
    "accuracy": accuracy,
    "parameters": lambda row: None if row.verdict.parameters is None else -row.verdict.parameters,
    "multiply_adds": lambda row: None if row.verdict.multiply_adds is None else -row.verdict.multiply_adds,
    "latency": lambda row: None if row.result is None or row.result.latency is None else -row.result.latency,
}


def blocks_of(tree: Any) -> Iterator[str]:
    """The names of a stored tree's blocks, containers left out, in the order of data flow."""
    if isinstance(tree, Mapping):
        if "." in tree.get("block", ""):
            yield tree["block"]
        tree = tree.values()
    elif not isinstance(tree, list | tuple):
        return
    for value in tree:
        yield from blocks_of(value)


def _open_what_is_there(folders: list[str]) -> Library:
    """A report must be readable where the cache was cleared or the run directory was copied to another machine."""
    present = []
    for folder in map(Path, folders):
        try:
            open_library([folder])
        except UserError:
            continue
        present.append(folder)
    return open_library(present)
