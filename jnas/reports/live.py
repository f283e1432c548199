"""What a search shows while it runs: a status that stays below a scrolling log, or plain lines without a terminal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jnas.reports.text import clean, count, duration, gain, percent

_HEARTBEAT = 30.0  # seconds between epoch lines where nothing is live: often enough to see that it is alive


@dataclass(frozen=True)
class _Active:
    """A candidate between its proposal and its result."""

    parent: int | None = None
    edit: str = ""
    verdict: str = ""
    fraction: float = 0.0
    training: str = ""


class _SteadyConsole(Console):
    """A console whose reader may leave (`| head`): rich would end the program there, and hours of search with it."""

    def on_broken_pipe(self) -> None:
        with contextlib.suppress(SystemExit):
            super().on_broken_pipe()


class LiveView:
    """A context manager that turns the events of a search into a display; every event is plain data.

    `budget` counts trained candidates, `finished` those of earlier starts of this run; candidate 0 (the start tree) is
    shown but not counted. A closed pipe or a vanished terminal costs the display, never the run.
    """

    def __init__(
        self,
        title: str,
        budget: int,
        *,
        finished: int = 0,
        best: tuple[int, float] | None = None,
        quiet: bool = False,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title, self._budget, self._finished, self._best = clean(title), budget, finished, best
        self._console = console or _SteadyConsole()
        self._plain = quiet or not self._console.is_terminal
        self._clock, self._started = clock, clock()
        self._phase, self._phase_detail = "", ""
        self._rejected, self._search_started, self._finished_before = 0, self._started, finished
        self._active: dict[int, _Active] = {}
        self._last_line = self._started
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if not self._plain:
            self._live = Live(console=self._console, get_renderable=self.render, refresh_per_second=4, transient=True)
            self._safely(self._live.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._safely(self._live.stop)

    # Events

    def phase(self, name: str, detail: str = "") -> None:
        """The run begins something else: mining, search, final training ..."""
        self._phase, self._phase_detail, self._active = clean(name), clean(detail), {}
        if self._finished == self._finished_before:
            self._search_started = self._clock()  # time left is judged by candidates alone, not by mining
        self._print(Text.assemble((self._phase, "bold"), f"  {self._phase_detail}" if detail else ""))

    def detail(self, text: str) -> None:
        """How far the phase has come; shown in the status only."""
        self._phase_detail = clean(text)

    def note(self, text: str) -> None:
        """Something worth a line of the log."""
        self._print(Text(clean(text, 400)))

    def proposal(self, number: int, parent: int | None, edit: str) -> None:
        """Candidate `number` is `edit` (in words) of candidate `parent`; None: the start tree."""
        self._set(number, _Active(parent=parent, edit=clean(edit)))
        if self._plain:
            self._print(Text(f"{_lineage(number, parent)}: {clean(edit)}"))

    def verdict(
        self, number: int, reason: str | None, *, parameters: float | None = None, multiply_adds: float | None = None
    ) -> None:
        """The gate's word: `reason` is None for a candidate that will be trained."""
        if reason is None:
            text = f"passed: {count(parameters)} parameters, {count(multiply_adds)} multiply-adds"
            self._set(number, replace(self._active.get(number, _Active()), verdict=text))
        else:
            self._rejected += 1
            text = f"turned down: {clean(reason)}"
            self._set(number, None)
        if self._plain:
            self._print(Text(f"#{number}: {text}"))

    def epoch(
        self, number: int, epoch: float, epochs: int, *, loss: float | None = None, accuracy: float | None = None
    ) -> None:
        """Of the training of candidate `number`, `epoch` of `epochs` are done (fractions are welcome)."""
        words = [f"epoch {epoch:.3g}/{epochs}"]
        words += [f"loss {loss:.3f}"] if loss is not None else []
        words += [percent(accuracy)] if accuracy is not None else []
        training = ", ".join(words)
        known = self._active.get(number, _Active())
        self._set(number, replace(known, fraction=epoch / max(epochs, 1), training=training))
        if self._plain and self._clock() - self._last_line >= _HEARTBEAT:
            self._print(Text(f"#{number}: {training}"))

    def result(
        self,
        number: int,
        status: str,
        *,
        accuracy: float | None = None,
        parent_accuracy: float | None = None,
        seconds: float | None = None,
    ) -> None:
        """Candidate `number` is finished; a `status` other than "ok" names the kind of failure."""
        known = self._active.get(number, _Active())
        self._set(number, None)
        self._finished += number > 0
        best = self._best
        if accuracy is not None and (best is None or accuracy > best[1]):
            self._best = (number, accuracy)
        line = Text(_lineage(number, known.parent) + "  ")
        if status == "ok" and accuracy is not None:
            line.append(percent(accuracy), "bold")
            if parent_accuracy is not None:
                difference = accuracy - parent_accuracy
                line.append(f"  {gain(difference)}", "green" if difference > 0 else "dim")
            if best is not None and self._best != best:
                line.append("  best so far", "bold green")
        else:
            line.append(f"failed: {clean(status)}", "yellow")
        line.append(f"  {duration(seconds)}" if seconds is not None else "", "dim")
        line.append(f"  {known.edit}" if known.edit else "")
        self._print(line)

    # Display

    def seconds_left(self) -> float | None:
        """Time to the end of the budget at the pace of this start; None before the first result and after the last."""
        done, left = self._finished - self._finished_before, self._budget - self._finished
        return (self._clock() - self._search_started) / done * left if done and left > 0 else None

    def render(self) -> RenderableType:
        """The status as it is now; at most a handful of lines."""
        now, left = self._clock(), self.seconds_left()
        head = Table.grid(expand=True, padding=(0, 2))
        head.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        head.add_column(justify="right", no_wrap=True)
        head.add_row(
            Text.assemble((self._title, "bold"), f"  {self._phase}", (f"  {self._phase_detail}", "dim")),
            Text(f"{duration(now - self._started)} elapsed" + (f", {duration(left)} left" if left is not None else "")),
        )
        tally = Table.grid(padding=(0, 2))
        best = f"best {percent(self._best[1])} (#{self._best[0]})" if self._best else "best -"
        tally.add_row(
            Text(f"{self._finished}/{self._budget} trained"),
            ProgressBar(total=max(self._budget, 1), completed=self._finished, width=20),
            Text(best, "bold"),
            Text(f"{self._rejected} turned down", "dim"),
        )
        lines: list[RenderableType] = [Text(""), head, tally]
        for number, active in sorted(self._active.items()):
            lines.append(Text(f"{_lineage(number, active.parent)}  {active.edit}", no_wrap=True, overflow="ellipsis"))
            if active.training:
                row = Table.grid(padding=(0, 2))
                row.add_row("  ", ProgressBar(total=1.0, completed=active.fraction, width=20), Text(active.training))
                lines.append(row)
            elif active.verdict:
                lines.append(Text(f"    {active.verdict}", "dim"))
        return Group(*lines)

    def _set(self, number: int, active: _Active | None) -> None:
        # A new dict each time: the display's own thread may be reading the old one.
        rest = {key: value for key, value in self._active.items() if key != number}
        self._active = rest if active is None else {**rest, number: active}

    def _print(self, line: Text) -> None:
        self._last_line = self._clock()
        self._safely(lambda: self._console.print(line, soft_wrap=self._plain))

    def _safely(self, action: Callable[[], None]) -> None:
        try:
            action()
        except (OSError, ValueError):  # the terminal is gone; I/O on a closed file
            self._console = Console(quiet=True)


def _lineage(number: int, parent: int | None) -> str:
    return f"#{number}" + (f" from #{parent}" if parent is not None else "")
