"""A class under probing: guesses are executed and remembered; the first that works is the starting point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jnas.library.binding import Shape
from jnas.library.execution import Example, Failure, Place, execute, read_shape
from jnas.library.hypotheses import Extent, Guess, Share, guesses, optional_guess, role_of, value_at
from jnas.library.store import runtime_class
from translators import Argument

LAYOUTS_TRIED = ("NCHW", "NHWC", "NLC")
BASE_SHAPE = (64, 16, 16)
OTHER_SHAPES = ((64, 14, 14), (128, 16, 16), (64, 28, 28))
GUESSES_TRIED = 24
GUESSES_TRIED_ELSEWHERE = 3


@dataclass(frozen=True)
class Output:
    """What came out: layout and (channels, height, width)."""

    layout: str
    shape: Shape


@dataclass
class Experiment:
    """A class, its constructor arguments and every outcome so far. `traces` counts what was executed."""

    cls: type
    arguments: tuple[Argument, ...]
    outcomes: dict[str, tuple[int, ...] | Failure] = field(default_factory=dict)
    traces: int = 0

    def run(self, values: Mapping[str, Any], place: Place, layout: str | None = None) -> Output | Failure:
        """The output of the class with constructor `values` at `place`, read in `layout`."""
        key = repr((sorted(values.items(), key=lambda item: item[0]), place))
        if key not in self.outcomes:
            self.traces += 1
            resolved = {name: runtime_class(value) for name, value in values.items()}
            self.outcomes[key] = execute(self.cls, resolved, place)
        outcome = self.outcomes[key]
        if isinstance(outcome, Failure):
            return outcome
        reading = read_shape(outcome, place, layout)
        if reading is None:
            why = f"returns shape {outcome} for an input of {place.tensor}: no image and no tokens"
            return Failure("output", why, example=Example(values, place.tensor))
        return Output(*reading)

    def guess(self, guess: Guess, place: Place, layout: str | None = None) -> Output | Failure:
        """The same for symbols."""
        return self.run({name: value_at(symbol, place.shape) for name, symbol in guess.items()}, place, layout)


@dataclass(frozen=True)
class Start:
    """The first guess that executed, and where."""

    guess: Guess
    place: Place
    output: Output


def find_start(experiment: Experiment) -> Start | Failure:
    """The likeliest guess that executes, without optional arguments that it does not need; else the telling failure."""
    failures: list[Failure] = []
    tried = list(_limited(_ordered_guesses(experiment.arguments), GUESSES_TRIED))
    for shape, some in ((BASE_SHAPE, tried), *((s, tried[:GUESSES_TRIED_ELSEWHERE]) for s in OTHER_SHAPES)):
        for guess in some:
            for layout in LAYOUTS_TRIED:
                place = Place(shape, layout)
                outcome = experiment.guess(guess, place)
                if isinstance(outcome, Output):
                    return _without_needless(experiment, Start(guess, place, outcome))
                failures.append(outcome)
                if outcome.stage == "construction":
                    break
            if failures[-1].stage == "output":
                break
    return _telling(failures)


def _telling(failures: list[Failure]) -> Failure:
    """An output that cannot be read says most, then a refusal, then the furthest stage; ties: the likeliest guess."""
    order = {"output": 0, "forward": 2, "construction": 3}
    return min(failures, key=lambda f: 1 if f.code and f.stage != "output" else order[f.stage])


def _ordered_guesses(arguments: tuple[Argument, ...]) -> Iterator[Guess]:
    """All first choices, then one argument changed, then two; each without and with the optional widths and sizes."""
    choices = {a.name: guesses(a) for a in arguments if a.required}
    optional = {a.name: symbol for a in arguments if not a.required and (symbol := optional_guess(a)) is not None}
    bound = any(role_of(a) == "input width" for a in arguments if a.required)
    widths: Guess = {name: symbol for name, symbol in optional.items() if isinstance(symbol, Share)}
    places: Guess = {name: symbol for name, symbol in optional.items() if isinstance(symbol, (Share, Extent))}
    additions: list[Guess] = [{}, optional] if bound else [optional, {}]
    additions += [places, widths]
    additions = [a for i, a in enumerate(additions) if a not in additions[:i]]
    for guess in _changed(choices):
        for addition in additions:
            yield {**guess, **addition}


def _changed(choices: Mapping[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    first = {name: symbols[0] for name, symbols in choices.items()}
    yield first
    changes = [(name, symbol) for name, symbols in choices.items() for symbol in symbols[1:]]
    for name, symbol in changes:
        yield first | {name: symbol}
    for i, (name, symbol) in enumerate(changes):
        for other, another in changes[i + 1 :]:
            if other != name:
                yield first | {name: symbol, other: another}


def _without_needless(experiment: Experiment, start: Start) -> Start:
    required = {a.name for a in experiment.arguments if a.required}
    guess = dict(start.guess)
    for name in [name for name in guess if name not in required]:
        smaller = {key: symbol for key, symbol in guess.items() if key != name}
        outcome = experiment.guess(smaller, start.place)
        if isinstance(outcome, Output) and outcome == start.output:
            guess = smaller
    return Start(guess, start.place, start.output)


def _limited(items: Iterator[Guess], count: int) -> Iterator[Guess]:
    for _, item in zip(range(count), items, strict=False):
        yield item
