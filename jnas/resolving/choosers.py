"""Who answers the questions: nobody (uniform), the local model, Gemini, or a recording of an earlier run."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from jnas.resolving import local
from jnas.resolving.asking import ModelChooser
from jnas.resolving.budget import NO_LIMITS, Limits
from jnas.resolving.gemini import DEFAULT_MODEL, KEY_VARIABLES, Gemini
from jnas.resolving.keys import find_key
from jnas.resolving.prices import FREE, PRICES, Price
from jnas.resolving.providers import Reply, Request
from jnas.resolving.questions import Choice, Question, draw
from jnas.resolving.transcript import Transcript
from translators.diagnostics import UserError

NAMES = ("auto", "none", "local", "local:PATH", "gemini", "gemini:MODEL", "replay:RUN")
REPLAY = "replay:"


class Chooser(Protocol):
    """Answers questions. What it gives is checked against the options (see questions.settle), whoever it is."""

    @property
    def name(self) -> str: ...

    @property
    def reads_source(self) -> bool:
        """Whether questions shall show the source of the blocks that they offer."""

    @property
    def price(self) -> Price | None:
        """None where it is not known."""

    @property
    def thinking(self) -> int:
        """Tokens that may be thought before an answer."""

    @property
    def spent(self) -> str:
        """By this run so far, in words; empty when nothing is asked."""

    def choose(self, question: Question, seed: int) -> Choice: ...


class UniformChooser:
    """Every option equally likely; no model is asked."""

    name = "none"
    spent = ""
    price = FREE
    thinking = 0

    def __init__(self, reads_source: bool = False) -> None:
        self.reads_source = reads_source

    def choose(self, question: Question, seed: int) -> Choice:
        return Choice(draw(question, np.random.default_rng(seed)), "uniform")


class Recorded:
    """The model of a recording that is not there itself: what it was not asked then, it cannot be asked now."""

    def __init__(self, transcript: Transcript, run: str) -> None:
        """Raises UserError when nothing is recorded."""
        identity = next((exchange.identity for exchange in transcript.exchanges), None)
        if identity is None:
            raise UserError(f"llm '{REPLAY}{run}': no answers are recorded there; give a run that asked a model")
        self._transcript, self._run = transcript, run
        self.model: str = identity["model"]
        self.parameters: Mapping[str, Any] = identity["parameters"]

    @property
    def name(self) -> str:
        return f"replay ({self.model})"

    def ask(self, request: Request, seconds: float) -> Reply:
        raise UserError(
            f"llm '{REPLAY}{self._run}': this question is not recorded there: "
            f"{self._transcript.difference(request.to_plain())}; replay with the configuration and blocks of that run"
        )


def make_chooser(
    name: str,
    transcript: Transcript | None = None,
    limits: Limits = NO_LIMITS,
    calls_per_minute: float | None = None,
    thinking: int = 1024,
) -> Chooser:
    """The chooser of a configuration (see NAMES). Its `name` says which one "auto" came to.

    "auto" is Gemini when a key is set, else the local model when it is installed, else none. Nothing is loaded
    or called before the first question. `transcript` is the run's own, or the recording to replay. Raises UserError for
    an unknown name, a missing key, package or file, and a cap in dollars that cannot be kept.
    """
    kind, _, detail = name.partition(":")
    if name == "auto":
        kind = "gemini" if find_key(KEY_VARIABLES) else "local" if local.installed() else "none"
    if kind == "none" and not detail:
        return UniformChooser()
    if name.startswith(REPLAY) and detail:
        transcript = transcript or Transcript()
        return ModelChooser(Recorded(transcript, detail), FREE, transcript)
    if kind == "local":
        return ModelChooser(local.LocalModel(local.find_model(detail)), FREE, transcript, limits)
    if kind == "gemini":
        model = Gemini(detail or DEFAULT_MODEL, thinking)
        return ModelChooser(model, PRICES.get(model.model), transcript, limits, calls_per_minute)
    near = difflib.get_close_matches(kind, ("auto", "none", "local", "gemini", "replay"), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UserError(f"llm {name!r}: expected one of {', '.join(NAMES)}{hint}")
