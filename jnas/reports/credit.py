"""What became of the ideas that a search drew: by stage, category and idea, with intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from jnas.planning.fairnad import STAGES
from jnas.planning.thompson import Posterior
from jnas.reports.run import Run
from jnas.reports.text import clean, gain
from jnas.runs.database import Attempt, Candidate

DEVIATIONS = 1.645  # on both sides of a mean: 90 % of a normal


@dataclass(frozen=True)
class Use:
    """One draw: an idea (None: a Pareto-aware candidate has none), in a slot, by a stage.

    `edited`: an edit was found for it; `passed`: the gate let it through; `trained`: the training ended well. `gain` is
    in accuracy over the parent, where both are known.
    """

    idea: str | None
    stage: str
    edited: bool
    passed: bool
    trained: bool
    gain: float | None


@dataclass(frozen=True)
class Credit:
    """What became of some draws."""

    name: str
    uses: tuple[Use, ...]

    def count(self, what: Callable[[Use], object]) -> int:
        return sum(bool(what(use)) for use in self.uses)

    @property
    def passed(self) -> Posterior:
        passed = self.count(lambda use: use.passed)
        return Posterior(passed, len(self.uses) - passed)

    @property
    def better(self) -> Posterior:
        """Of those that passed the gate; a failed training is no gain."""
        better, passed = self.count(lambda use: (use.gain or 0) > 0), self.count(lambda use: use.passed)
        return Posterior(better, passed - better)

    @property
    def mean_gain(self) -> tuple[float, ...]:
        """The mean gain in accuracy and, of several, its 90 % interval; empty of none."""
        gains = [use.gain for use in self.uses if use.gain is not None]
        if len(gains) < 2:
            return tuple(gains)
        middle, half = fmean(gains), DEVIATIONS * stdev(gains) / len(gains) ** 0.5
        return middle, middle - half, middle + half

    @property
    def gain(self) -> str:
        """Mean gain in percentage points with its 90 % interval."""
        middle, *interval = map(gain, self.mean_gain or (None,))
        return f"{middle} [{', '.join(interval)}]" if interval else middle

    def cells(self) -> tuple[str, ...]:
        """Under COLUMNS."""
        passed = f"{self.passed.successes} of {len(self.uses)}"
        return self.name, str(len(self.uses)), passed, _share(self.better), self.gain

    def to_plain(self) -> dict[str, Any]:
        """Shares as (successes, trials, ends of the 90 % interval)."""
        return {
            "name": self.name,
            "drawn": len(self.uses),
            "edits": self.count(lambda use: use.edited),
            "passed": _plain(self.passed),
            "trained": self.count(lambda use: use.trained),
            "better": _plain(self.better),
            "gain": self.mean_gain,
        }


COLUMNS = ("drawn", "passed", "better, 90 %", "mean gain, 90 %")


def uses(run: Run) -> tuple[Use, ...]:
    """Every draw in slot order; none where the planner has no stages. An idea counts once in a slot."""
    found: list[Use] = []
    attempts: dict[tuple[int, int], list[Attempt]] = defaultdict(list)
    for attempt in run.attempts:
        attempts[attempt.round, attempt.slot].append(attempt)
    for row in run.candidates:
        stage = (row.plan or {}).get("way")
        if stage not in STAGES and row.idea is None:
            continue
        before = attempts[row.round, row.slot]
        for idea in dict.fromkeys(attempt.idea for attempt in before):
            if idea is not None and idea != row.idea:
                edited = any(attempt.idea == idea and attempt.description for attempt in before)
                found.append(Use(idea, str(stage), edited, False, False, None))
        found.append(Use(row.idea, str(stage), True, True, _trained(row), run.gain(row)))
    return tuple(found)


def by_stage(found: Iterable[Use]) -> tuple[Credit, ...]:
    return _grouped(found, lambda use: use.stage)


def by_category(found: Iterable[Use]) -> tuple[Credit, ...]:
    return _grouped((use for use in found if use.idea), lambda use: str(use.idea).partition("/")[0])


def by_idea(found: Iterable[Use]) -> tuple[Credit, ...]:
    return _grouped((use for use in found if use.idea), lambda use: str(use.idea))


def by_arm(run: Run) -> tuple[Credit, ...]:
    """What became of every proposal, by kind of edit and way."""
    found: dict[tuple[str, str], list[Use]] = defaultdict(list)
    for attempt in run.attempts:
        use = Use(attempt.idea, attempt.way, bool(attempt.description), False, False, None)
        found[attempt.kind, attempt.way].append(use)
    for row in run.candidates:
        if row.plan:
            arm = row.plan["kind"], row.plan["way"]
            found[arm].append(Use(row.idea, arm[1], True, True, _trained(row), run.gain(row)))
    return tuple(Credit(", ".join(arm), tuple(found[arm])) for arm in sorted(found))


def tables(run: Run) -> list[Table]:
    """For the terminal: stages and categories."""
    found = uses(run)
    if not found:
        return []
    named = (("Stages of the rounds", "stage", by_stage(found)), ("Ideas by category", "category", by_category(found)))
    return [_table(title, head, credits) for title, head, credits in named if credits]


def _table(title: str, head: str, credits: Sequence[Credit]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, collapse_padding=True)
    table.add_column(head, ratio=1)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for credit in credits:
        table.add_row(*(Text(clean(cell), no_wrap=True, overflow="ellipsis") for cell in credit.cells()))
    return table


def _grouped(found: Iterable[Use], name: Callable[[Use], str]) -> tuple[Credit, ...]:
    groups: dict[str, list[Use]] = defaultdict(list)
    for use in found:
        groups[name(use)].append(use)
    return tuple(Credit(key, tuple(group)) for key, group in groups.items())


def _plain(found: Posterior) -> tuple[float, ...]:
    return found.successes, found.successes + found.failures, *found.interval


def _share(found: Posterior) -> str:
    total = found.successes + found.failures
    if not total:
        return "-"
    low, high = found.interval
    return f"{found.successes} of {total} [{100 * low:.0f}, {100 * high:.0f} %]"


def _trained(row: Candidate) -> bool:
    return row.result is not None and row.result.status == "ok"
