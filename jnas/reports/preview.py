"""What a search would ask and cost, before it does: reckoned from its first rounds, gone through without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jnas.reports.text import count, duration
from jnas.resolving.prices import AS_OF, Price
from jnas.resolving.questions import INSTRUCTIONS
from jnas.runs.configuration import Configuration
from jnas.runs.database import Choice

CHARACTERS_PER_TOKEN = 3.5  # of questions about networks; prose has more


@dataclass(frozen=True)
class Preview:
    """Of the `candidates` of a whole run. Thoughts, where a model has them, come on top of the output tokens."""

    candidates: int
    questions: int
    input_tokens: int
    output_tokens: int
    thoughts: int
    example: str  # the longest question

    def dollars(self, price: Price) -> tuple[float, float]:
        """Without thoughts, and with all that are allowed."""
        least = price.dollars(self.input_tokens, self.output_tokens)
        return least, price.dollars(self.input_tokens, self.output_tokens + self.thoughts)


def preview(choices: Sequence[Choice], candidates: int, budget: int, thinking: int) -> Preview:
    """What `budget` candidates ask when the first `candidates` ask these questions; `thinking` tokens a question."""
    factor = budget / max(1, candidates)
    asked = sum(len(INSTRUCTIONS) + len(choice.question) for choice in choices) / CHARACTERS_PER_TOKEN
    answered = sum(len(str(dict(choice.answer))) for choice in choices) / CHARACTERS_PER_TOKEN
    questions = round(factor * len(choices))
    example = max((choice.question for choice in choices), key=len, default="")
    return Preview(budget, questions, round(factor * asked), round(factor * answered), questions * thinking, example)


def print_preview(
    found: Preview,
    configuration: Configuration,
    model: str,
    price: Price | None,
    phases: Mapping[str, float],
    console: Console | None = None,
) -> None:
    """`phases` are the seconds of the rounds that were gone through, for `found.candidates` candidates."""
    console = console or Console()
    if found.example:
        console.print(Text("The longest question of the first rounds:", "bold"))
        console.print(Text(found.example), soft_wrap=True)
    limits, settings = configuration.evaluation, configuration.search
    table = Table(
        show_header=False, box=None, padding=(0, 2), title=f"\n{settings.budget} candidates", title_justify="left"
    )
    table.add_row("model", model)
    table.add_row("questions", f"{found.questions:,}")
    table.add_row("input tokens", f"{found.input_tokens:,}")
    table.add_row(
        "output tokens", f"{found.output_tokens:,}" + (f", thoughts up to {found.thoughts:,}" * (found.thoughts > 0))
    )
    table.add_row("dollars", _dollars(found, price))
    table.add_row(
        "proposing, gate", duration(phases.get("proposing", 0.0) + phases.get("gate", 0.0)) + ", without the answers"
    )
    most = limits.time_limit * -(-settings.budget // settings.workers)
    table.add_row(
        "training", f"at most {duration(most)} ({count(limits.time_limit)} s a candidate, {settings.workers} at a time)"
    )
    console.print(table)


def _dollars(found: Preview, price: Price | None) -> str:
    if price is None:
        return f"the price of this model is not known ({AS_OF})"
    least, most = found.dollars(price)
    if most == 0:
        return "none"
    return f"{least:.3f}" + (f" to {most:.3f}" if most > least else "") + f" at prices of {AS_OF}"
