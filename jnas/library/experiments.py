"""A class under probing: guesses are executed and remembered; the first that works is the starting point."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from jnas.library.binding import Shape
from jnas.library.execution import Example, Failure, Place, execute, read_shape
from jnas.library.hypotheses import (
    Constant,
    Extent,
    Guess,
    Share,
    Symbol,
    guesses,
    optional_guess,
    role_of,
    value_at,
    whole_window,
)
from translators import Argument
from translators.spelling import function_making

LAYOUTS_TRIED = ("NCHW", "NHWC", "NLC")
OTHER_LAYOUTS = ("NCDHW", "NCL", "NDHWC")  # what executes on these alone has no place in a tree
BASE_SHAPE = (64, 16, 16)
IMAGE = (32, 32)  # the size of images that whole networks take, tried at widths that layers ask for
IMAGES = (3, 32, 32)
OTHER_SHAPES = ((64, 14, 14), (128, 16, 16), (64, 28, 28), IMAGES, (3, 224, 224))
GUESSES_TRIED = 24
GUESSES_TRIED_ELSEWHERE = 3
CALLS_TRIED = 3
HINTS_TRIED = 6  # places of another width, where a layer has said which width it takes
WIDEST_HINT = 4096


@dataclass(frozen=True)
class Output:
    """What came out: layout and (channels, height, width)."""

    layout: str
    shape: Shape


@dataclass
class Experiment:
    """A class, its constructor arguments, what call sites pass, and every outcome so far.

    `assumed` are values of optional arguments that are not given; `traces` counts what was executed.
    """

    cls: type
    arguments: tuple[Argument, ...]
    calls: tuple[Mapping[str, Any], ...] = ()
    assumed: Mapping[str, Any] = field(default_factory=dict)
    outcomes: dict[str, tuple[int, ...] | Failure] = field(default_factory=dict)
    traces: int = 0

    def run(self, values: Mapping[str, Any], place: Place, layout: str | None = None) -> Output | Failure:
        """The output of the class with constructor `values` at `place`, read in `layout`."""
        values = {**self.assumed, **values}
        given = {(name, repr(value)) for name, value in values.items()}
        defaults = {
            (argument.name, repr(argument.default)) for argument in self.arguments if argument.default is not None
        }
        key = repr((sorted(given - defaults), place))  # a default that is given changes nothing
        if key not in self.outcomes:
            self.traces += 1
            self.outcomes[key] = execute(self.cls, values, place)
        outcome = self.outcomes[key]
        if isinstance(outcome, Failure):
            return outcome
        reading = read_shape(outcome, place, layout) if place.layout in LAYOUTS_TRIED else None
        if reading is None:
            why = f"returns shape {outcome} for an input of {place.tensor}: no image and no tokens"
            return Failure("output", why, example=Example(values, place.tensor))
        if 0 in reading[1]:
            return Failure("forward", f"leaves nothing of an input of {place.tensor}")
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
    hints: dict[Place, Guess] = {}
    tried = list(_limited(_ordered_guesses(experiment), GUESSES_TRIED))
    for shape, some in ((BASE_SHAPE, tried), *((s, tried[:GUESSES_TRIED_ELSEWHERE]) for s in OTHER_SHAPES)):
        for guess in some:
            for layout in LAYOUTS_TRIED:
                place = Place(shape, layout)
                try:
                    outcome = experiment.guess(guess, place)
                except MemoryError:
                    if shape == BASE_SHAPE:
                        raise
                    return _telling(failures)  # too large an image says nothing about the class
                if isinstance(outcome, Output):
                    return _improved(experiment, Start(guess, place, outcome))
                failures.append(outcome)
                if outcome.stage == "construction":
                    break
                width = _wanted_width(outcome.message, place)
                if width is not None:
                    hints.setdefault(place.at(shape=(width, *shape[1:])), guess)
            if failures[-1].stage == "output":
                break
        if shape == BASE_SHAPE:
            found = _at_hints(experiment, hints, failures)
            if found is not None:
                return found
    return _in_one_window(experiment, tried[0]) or _telling(
        [*failures, *_with_lists(experiment, tried[0]), *_on_others(experiment, tried)]
    )


def _with_lists(experiment: Experiment, guess: Guess) -> Iterator[Failure]:
    """The outcome with lists in place of tuples, which sources that change their arguments need and trees lack."""
    lists = {
        name: Constant(list(symbol.value))
        if isinstance(symbol, Constant) and isinstance(symbol.value, tuple)
        else symbol
        for name, symbol in guess.items()
    }
    for layout in LAYOUTS_TRIED if lists != guess else ():
        place = Place(BASE_SHAPE, layout)
        if isinstance(experiment.guess(lists, place), Output):
            values = {name: value_at(symbol, place.shape) for name, symbol in lists.items()}
            yield Failure("output", "takes lists, which a tree does not hold", example=Example(values, place.tensor))
            return


def _on_others(experiment: Experiment, tried: Sequence[Guess]) -> Iterator[Failure]:
    """Outcomes of the guesses that can be constructed on inputs that are neither images nor tokens."""
    constructed = (g for g in tried if _stage(experiment.guess(g, Place(BASE_SHAPE))) != "construction")
    for guess in _limited(constructed, GUESSES_TRIED_ELSEWHERE):
        for layout in OTHER_LAYOUTS:
            outcome = experiment.guess(guess, Place(BASE_SHAPE, layout))
            if _stage(outcome) == "output":
                assert isinstance(outcome, Failure)
                yield outcome
                return


def _stage(outcome: Output | Failure) -> str:
    return outcome.stage if isinstance(outcome, Failure) else ""


def _in_one_window(experiment: Experiment, guess: Guess) -> Start | None:
    """A start whose optional windows are the whole input, as where a block works within one."""
    windows = {a.name: symbol for a in experiment.arguments if (symbol := whole_window(a)) is not None}
    for layout in LAYOUTS_TRIED if windows else ():
        place = Place(BASE_SHAPE, layout)
        outcome = experiment.guess({**guess, **windows}, place)
        if isinstance(outcome, Output):
            return Start({**guess, **windows}, place, outcome)
    return None


def _at_hints(experiment: Experiment, hints: Mapping[Place, Guess], failures: list[Failure]) -> Start | None:
    """The first start at a width that some layer asked for."""
    places = list(hints.items())
    places += [(place.at(shape=(place.shape[0], *IMAGE)), guess) for place, guess in places]
    for place, guess in places[:HINTS_TRIED]:
        outcome = experiment.guess(guess, place)
        if isinstance(outcome, Output):
            return _improved(experiment, Start(guess, place, outcome))
        failures.append(outcome)
    return None


def _wanted_width(message: str, place: Place) -> int | None:
    """The incoming width that the first layer takes, as the runtime's convolution and JAX's product tell it."""
    convolution = re.search(r"convolution of input (\(.*?\)) with weight \(\d+, (\d+),.* in (\d+) groups", message)
    product = re.search(r"same shape, got \((\d+),\) and \((\d+),\)", message)
    width = None
    if convolution and convolution[1] == str(place.tensor):
        width = int(convolution[2]) * int(convolution[3])
    elif product and int(product[1]) == place.shape[0] and place.layout != "NCHW":
        width = int(product[2])
    return width if width is not None and 0 < width <= WIDEST_HINT else None


def _improved(experiment: Experiment, start: Start) -> Start:
    return _padded(experiment, _without_needless(experiment, start))


def _padded(experiment: Experiment, start: Start) -> Start:
    """The start with padding, or else a kernel of one, where the border is lost without."""
    if _divides(start):
        return start
    named = [a for a in experiment.arguments if "pad" in a.name.lower()]
    changes = [(a.name, value) for a in named for value in (1, 2, 3)]
    changes += [(a.name, 1) for a in experiment.arguments if role_of(a) == "kernel"]
    for name, value in changes:
        guess = {**start.guess, name: Constant(value)}
        outcome = experiment.guess(guess, start.place)
        if isinstance(outcome, Output) and _divides(found := Start(guess, start.place, outcome)):
            return found
    return start


def _divides(start: Start) -> bool:
    """Whether the outgoing height is a whole part of the incoming one, or a multiple."""
    before, after = start.place.shape[1], start.output.shape[1]
    return before % after == 0 or after % before == 0


def _telling(failures: list[Failure]) -> Failure:
    """An output that cannot be read says most, then a refusal, then the furthest stage; ties: the likeliest guess."""
    order = {"output": 0, "forward": 2, "construction": 3}
    return min(failures, key=lambda f: 1 if f.code and f.stage != "output" else order[f.stage])


def _ordered_guesses(experiment: Experiment) -> Iterator[Guess]:
    """All first choices, then whole calls, then one argument changed, then two; without and with optional ones."""
    arguments = experiment.arguments
    choices = {a.name: guesses(a, _passed(experiment, a.name)) for a in arguments if a.required}
    optional = {a.name: symbol for a in arguments if not a.required and (symbol := optional_guess(a)) is not None}
    bound = any(role_of(a) == "input width" for a in arguments if a.required)
    widths: Guess = {name: symbol for name, symbol in optional.items() if isinstance(symbol, Share)}
    places: Guess = {name: symbol for name, symbol in optional.items() if isinstance(symbol, (Share, Extent))}
    additions: list[Guess] = [{}, optional] if bound else [optional, {}]
    additions += [places, widths]
    additions = [a for i, a in enumerate(additions) if a not in additions[:i]]
    changed = _changed(choices)
    first = next(changed)
    for addition in additions:
        yield {**first, **addition}
    functions = _as_functions(first)
    if functions != first:
        yield {**functions, **additions[0]}
    for call in experiment.calls[:CALLS_TRIED]:
        if call:
            yield {**first, **_symbols(experiment.arguments, call)}
    for guess in changed:
        for addition in additions:
            yield {**guess, **addition}


def _as_functions(guess: Guess) -> dict[str, Symbol]:
    """The guess with functions that make layers in place of their classes: some sources take these apart."""
    return {
        name: Constant(function_making(symbol.value))
        if isinstance(symbol, Constant) and re.fullmatch(r"nn\.\w+", str(symbol.value))
        else symbol
        for name, symbol in guess.items()
    }


def _passed(experiment: Experiment, name: str) -> tuple[Any, ...]:
    """What call sites pass for an argument, each value once."""
    return tuple(dict.fromkeys(call[name] for call in experiment.calls if call.get(name) is not None))


def _symbols(arguments: Sequence[Argument], call: Mapping[str, Any]) -> Guess:
    """A call as a guess: the incoming width and what sets the outgoing one follow from the place."""
    roles = {argument.name: role_of(argument) for argument in arguments}
    width = next((value for name, value in call.items() if roles.get(name) == "input width"), None)
    symbols: dict[str, Symbol] = {}
    for name, value in call.items():
        number = isinstance(value, int) and not isinstance(value, bool)
        if roles.get(name) == "input width" and number:
            symbols[name] = Share(Fraction(1))
        elif roles.get(name) == "output width" and number and isinstance(width, int) and width > 0:
            symbols[name] = Share(Fraction(value, width).limit_denominator(8))
        elif name in roles:
            symbols[name] = Constant(value)
    return symbols


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
