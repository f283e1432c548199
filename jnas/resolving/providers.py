"""What every language model is asked and what it gives back, whoever serves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from jnas.resolving.questions import INSTRUCTIONS, Question

ANSWER_TOKENS = 256  # of an answer that names options


@dataclass(frozen=True)
class Request:
    """One call. `fields` are the options of each field of the answer (see Question); none: the answer is free text."""

    prompt: str
    seed: int
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    instructions: str = INSTRUCTIONS
    answer_tokens: int = ANSWER_TOKENS

    @property
    def question(self) -> Question:
        return Question(self.prompt, self.fields, self.instructions)

    def to_plain(self) -> dict[str, Any]:
        return {**vars(self), "fields": {name: list(options) for name, options in self.fields.items()}}


@dataclass(frozen=True)
class Reply:
    """`text` is the answer; `problem` says why there is none, or none that is whole (time, refusal, token cap)."""

    text: str = ""
    problem: str = ""
    calls: int = 1
    input_tokens: int = 0
    output_tokens: int = 0  # thoughts included
    seconds: float = 0.0

    def to_plain(self) -> dict[str, Any]:
        return asdict(self)


class Trouble(Exception):
    """A call without a reply. `passing`: another try may fare better, after `delay` seconds where that was said."""

    def __init__(self, problem: str, passing: bool = True, delay: float | None = None) -> None:
        super().__init__(problem)
        self.problem, self.passing, self.delay = problem, passing, delay


class Provider(Protocol):
    """A model that can be asked. `parameters` are those that all requests share; with `model` they identify it.

    One of them is "reads_source": whether questions shall show the source of the blocks that they offer.
    """

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def parameters(self) -> Mapping[str, Any]: ...

    def ask(self, request: Request, seconds: float) -> Reply:
        """One call within `seconds`. Raises Trouble, and UserError where no later call would fare better."""
