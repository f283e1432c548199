"""Residual blocks whose shortcut is a module made by the caller where the shape changes (`downsample` of ResNet)."""

from __future__ import annotations

from dataclasses import dataclass

from jnas.library.binding import projection
from jnas.library.experiments import Experiment, Output, Start
from jnas.library.hypotheses import Constant, Share, Symbol, role_of
from translators import Argument

EXPANSIONS = (1, 4, 2)


@dataclass(frozen=True)
class Projected:
    """With a projection as `parameter`, `output` sets the outgoing width over `expansion`, and `stride` the size."""

    parameter: str
    output: str
    expansion: int
    stride: str | None

    def start_at(self, width: int) -> dict[str, Symbol]:
        """Symbols under which the block keeps an incoming width, so that it needs no projection."""
        symbols: dict[str, Symbol] = {self.output: Constant(width // self.expansion), self.parameter: Constant(None)}
        return symbols if self.stride is None else symbols | {self.stride: Constant(1)}


def find_projection(experiment: Experiment, start: Start) -> Projected | None:
    """What a projection frees; None where no argument takes one. Tried where widths are images, as in the source."""
    if start.place.layout != "NCHW":
        return None
    shortcuts = [a.name for a in experiment.arguments if role_of(a) == "module" and _may_be_none(a)]
    strides = [a.name for a in experiment.arguments if role_of(a) == "stride"]
    outputs = [name for name, symbol in start.guess.items() if isinstance(symbol, Share)][1:]
    outputs += [a.name for a in experiment.arguments if role_of(a) == "output width" and a.name not in outputs]
    for shortcut in shortcuts:
        for output in outputs:
            for expansion in EXPANSIONS:
                if not _keeps(experiment, start, shortcut, output, expansion, None):
                    continue
                stride = next((s for s in strides if _keeps(experiment, start, shortcut, output, expansion, s)), None)
                return Projected(shortcut, output, expansion, stride)
    return None


def _may_be_none(argument: Argument) -> bool:
    return argument.required or argument.default_source == "None"


def _keeps(
    experiment: Experiment, start: Start, shortcut: str, output: str, expansion: int, stride: str | None
) -> bool:
    """Whether the block widens by half (and halves its input by `stride`) with a projection as its shortcut."""
    width, height, breadth = start.place.shape
    outgoing, factor = width * 3 // 2, 1 if stride is None else 2
    changes = {output: Constant(outgoing // expansion), shortcut: Constant(projection(width, outgoing, factor))}
    if stride is not None:
        changes[stride] = Constant(factor)
    outcome = experiment.guess({**start.guess, **changes}, start.place)
    return isinstance(outcome, Output) and outcome.shape == (outgoing, height // factor, breadth // factor)
