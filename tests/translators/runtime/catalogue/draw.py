"""Cases of operations, drawn at random: PyTorch source, and the arrays that it works on.

A line of a table is one operation over its parameters, written as PyTorch code. It begins with the spellings to draw:
`t` is `torch.name(x, ...)`, `m` is `x.name(...)`, `i` is `x.name_(...)`, `f` is `F.name(x, ...)`, `p` is the text as it
stands; `-` leaves out gradients. In the text `{a|b|c}` is one of the alternatives, and single letters are arrays.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """The body of a forward: an expression, or statements. `layer` is what the constructor assigns to self.layer."""

    body: str
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    layer: str = ""
    training: bool = False
    gradient: bool = True
    tolerance: float = 3e-5
    constant: bool = False  # compared on NumPy arrays too, as in a constructor
    random: bool = False  # only shapes and dtypes can be compared
    refused: str = ""  # the code of the refusal that is expected

    def source(self, name: str) -> str:
        """A module class that runs the case."""
        lines = self.body.split("\n")
        if not any(line.lstrip().startswith("return ") for line in lines):
            lines[-1] = f"return {lines[-1]}"
        body = "\n".join(f"        {line}" for line in lines)
        layer = f"        self.layer = {self.layer}\n" if self.layer else ""
        return (
            f"class {name}(nn.Module):\n    def __init__(self):\n        super().__init__()\n{layer}\n"
            f"    def forward({', '.join(['self', *self.arrays])}):\n{body}\n"
        )


class Draw:
    """Random choices for one case."""

    def __init__(self, seed: Sequence[int]):
        self.rng = np.random.default_rng(seed)

    def of(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def flag(self) -> bool:
        return bool(self.rng.integers(2))

    def number(self, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        return int(self.rng.integers(low, high + 1))

    def numbers(self, count: int, low: int, high: int) -> tuple[int, ...]:
        return tuple(self.number(low, high) for _ in range(count))

    def each(self, count: int, low: int, high: int) -> Any:
        """One number for all axes, or one per axis."""
        return self.number(low, high) if self.flag() else self.numbers(count, low, high)

    def normal(self, *shape: int) -> np.ndarray:
        return self.rng.standard_normal(shape).astype(np.float32)

    def index(self, size: int, *shape: int) -> np.ndarray:
        return self.rng.integers(0, size, shape)

    def options(self, **choices: Any) -> str:
        """Keyword arguments, of which each is left out now and then."""
        return "".join(f", {name}={value!r}" for name, value in choices.items() if self.rng.random() < 0.7)


def _letters(draw: Draw) -> dict[str, Callable[[], np.ndarray]]:
    a, b, c, k = (draw.number(2, 4) for _ in range(4))
    rng = draw.rng

    def whole(low: int, high: int, kind: Any, *shape: int) -> np.ndarray:
        return rng.integers(low, high, shape).astype(kind)

    return {
        "x": lambda: draw.normal(a, b, c),
        "y": lambda: draw.normal(a, b, c),
        "s": lambda: draw.normal(1, b, 1),  # broadcasts against x
        "v": lambda: draw.normal(c),
        "w": lambda: draw.normal(c),
        "m": lambda: draw.normal(c, k),
        "q": lambda: draw.normal(3, 3),
        "r": lambda: draw.normal(2, 3, 3),
        "o": lambda: draw.normal(),
        "z": lambda: draw.normal(a, 6, 4),  # sizes that divide
        "u": lambda: rng.random((a, b, c)).astype(np.float32) * 0.96 + 0.02,
        "n": lambda: whole(-7, 8, np.int64, a, b, c),
        "d": lambda: whole(-7, 8, np.int32, a, b, c) * 2 + 1,  # never zero
        "e": lambda: whole(0, 200, np.uint8, a, b, c),
        "b": lambda: whole(0, 2, np.bool_, a, b, c),
        "g": lambda: whole(0, 2, np.bool_, a, b, c),
        "i": lambda: whole(0, b, np.int64, a, b, c),  # indices of axis 1
        "j": lambda: np.stack([np.stack([rng.permutation(b) for _ in range(c)], -1) for _ in range(a)]),  # unique ones
        "k": lambda: rng.permutation(b)[:2],  # some of axis 1, each once
        "h": lambda: rng.integers(0, 2, (a,)),  # a class of two for each row
        "a": lambda: rng.choice([-30, -6, -3, -1, -0.5, 0, 0.5, 1, 6, 30], (3, 4)).astype(np.float32),  # bounds
        "l": lambda: np.sort(draw.normal(5)),
        "f": lambda: draw.normal(a, b, c).astype(np.float16),
        "c": lambda: (draw.normal(a, b, c) + 1j * draw.normal(a, b, c)).astype(np.complex64),
    }


def _spell(kind: str, text: str) -> str:
    if kind in "ptf":
        return {"p": "", "t": "torch.", "f": "F."}[kind] + text
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name), text
    receiver, *rest = map(ast.unparse, [*call.args, *call.keywords])
    name, arguments = call.func.id, ", ".join(rest)
    if kind == "m":
        return f"{receiver if receiver.isidentifier() else f'({receiver})'}.{name}({arguments})"
    return f"out = ({receiver}) * 1\nout.{name}_({arguments})\nreturn out"


_CHOICE = re.compile(r"\{([^{}]*)\}")
_BAR = re.compile(r"(?<! )\|(?! )")  # with blanks around it, it is Python's operator


def _lines(text: str) -> list[str]:
    """The lines of a table; one that begins with blanks continues the one before."""
    return [line for line in text.strip().replace("\n    ", "").split("\n") if line]


def table(text: str, draws: int, seed: int, **options: Any) -> Iterator[Case]:
    """`draws` cases for each spelling of each line, and at least one for each alternative."""
    for number, line in enumerate(_lines(text)):
        kinds, _, template = line.partition(" ")
        spellings = kinds.replace("-", "")
        longest = max([1, *(len(_BAR.split(choices)) for choices in _CHOICE.findall(template))])
        for position in range(max(draws * len(spellings), longest)):
            draw = Draw((seed, number, position))
            body = _spell(spellings[position % len(spellings)], _chosen(template, position, draw)).replace("\\n", "\n")
            letters = _letters(draw)
            tree = ast.parse(body.replace("return ", "", 1))
            used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            arrays = {name: make() for name, make in letters.items() if name in used}
            yield Case(body, arrays, gradient="-" not in kinds, **options)


def _chosen(template: str, position: int, draw: Draw) -> str:
    """The template with one alternative each: the first draws see them in turn, later ones at random."""

    def choose(found: re.Match[str]) -> str:
        choices = _BAR.split(found[1])
        return choices[position] if position < len(choices) else draw.of(*choices)

    return _CHOICE.sub(choose, template)


_INPUTS = {"vector": 0, "sequence": 1, "image": 2, "volume": 3}


def layers(text: str, draws: int, seed: int, channels: int = 4, width: int = 8, **options: Any) -> Iterator[Case]:
    """Cases of `INPUT Layer(arguments)` lines, each layer of torch.nn run on one input in evaluation mode.

    Inputs are (N, C), (N, C, L), (N, C, H, W), (N, C, D, H, W), or "tokens" (N, L, C); `-` after the name leaves out N,
    and `+` adds a case in training mode.
    """
    for number, line in enumerate(_lines(text)):
        given, _, template = line.partition(" ")
        kind = given.rstrip("+-")
        longest = max([1, *(len(_BAR.split(choices)) for choices in _CHOICE.findall(template))])
        for position in range(max(draws, longest)):
            draw = Draw((seed, number, position))
            layer = f"nn.{_chosen(template, position, draw)}"
            lead = () if "-" in given else (draw.number(2 if "+" in given else 1, 3),)
            if kind == "tokens":
                shape = (*lead, draw.number(2, 5), width)
            else:
                shape = (*lead, channels, *draw.numbers(_INPUTS[kind], 5, 8))
            for training in (False, True) if "+" in given else (False,):
                yield Case("self.layer(x)", {"x": draw.normal(*shape)}, layer, training, **options)
