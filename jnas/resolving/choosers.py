"""Who answers the questions: nobody (uniform), the local model, or Gemini."""

from __future__ import annotations

import difflib
from typing import Protocol

import numpy as np

from jnas.resolving import gemini, local
from jnas.resolving.questions import Choice, Question, draw
from translators.diagnostics import UserError

NAMES = ("auto", "none", "local", "local:PATH", "gemini", "gemini:MODEL")


class Chooser(Protocol):
    """Answers questions. What it gives is checked against the options (see questions.settle), whoever it is."""

    @property
    def name(self) -> str: ...

    def choose(self, question: Question, rng: np.random.Generator) -> Choice: ...


class UniformChooser:
    """Every option equally likely; no model is asked."""

    name = "none"

    def choose(self, question: Question, rng: np.random.Generator) -> Choice:
        return Choice(draw(question, rng), "uniform")


def make_chooser(name: str) -> Chooser:
    """The chooser of a configuration (see NAMES). Its `name` says which one "auto" came to.

    "auto" is Gemini when a key is set, else the local model when it is installed, else none. Nothing is loaded
    or called before the first question. Raises UserError for an unknown name, and a missing key, package or file.
    """
    kind, _, detail = name.partition(":")
    if name == "auto":
        kind = "gemini" if gemini.find_key() else "local" if local.installed() else "none"
    if kind == "none" and not detail:
        return UniformChooser()
    if kind == "local":
        return local.LocalChooser(local.find_model(detail))
    if kind == "gemini":
        return gemini.GeminiChooser(detail or gemini.DEFAULT_MODEL)
    near = difflib.get_close_matches(kind, ("auto", "none", "local", "gemini"), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UserError(f"llm {name!r}: expected one of {', '.join(NAMES)}{hint}")
