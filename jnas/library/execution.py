"""Runs a class abstractly: construction that allocates nothing, then a trace of its forward."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any

import jax
import jax.numpy as jnp

from jnas.library.binding import Shape
from jnas.library.store import runtime_class
from translators import Refused
from translators.limits import LimitExceeded
from translators.runtime.construction import constructing, randomness
from translators.runtime.functional.convolution import platform

DEPTH = 8  # of volumes, or frames of clips


@dataclass(frozen=True)
class Place:
    """Where a block is tried: incoming (channels, height, width), layout, batch, and the mode."""

    shape: Shape
    layout: str = "NCHW"
    batch: int = 2
    training: bool = False

    def at(self, **changes: Any) -> Place:
        return dataclasses.replace(self, **changes)

    @property
    def tensor(self) -> tuple[int, ...]:
        channels, height, width = self.shape
        return {
            "NCHW": (self.batch, channels, height, width),
            "NHWC": (self.batch, height, width, channels),
            "NLC": (self.batch, height * width, channels),
            "NCL": (self.batch, channels, height * width),
            "NCDHW": (self.batch, channels, DEPTH, height, width),
            "NDHWC": (self.batch, DEPTH, height, width, channels),
        }[self.layout]


@dataclass(frozen=True)
class Example:
    """Constructor arguments and an input shape that execute."""

    arguments: Mapping[str, Any]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Failure:
    """Why nothing came out. `stage` is construction, forward or output; `code` is that of unsupported source."""

    stage: str
    message: str
    code: str | None = None
    example: Example | None = None  # of an output that could not be read, or of what was refused

    def __str__(self) -> str:
        return self.message


def execute(cls: type, arguments: Mapping[str, Any], place: Place) -> tuple[int, ...] | Failure:
    """Shape of the tensor that `cls(**arguments)` makes of an input at `place`, or the failure.

    Arguments that spell runtime classes or modules ("nn.GELU") become them.
    """
    stage = "construction"

    def run(x: jax.Array, key: jax.Array) -> jax.Array:
        nonlocal stage
        module = cls(**{name: runtime_class(value) for name, value in arguments.items()})
        module.train(place.training)  # a class of its own may return nothing
        stage = "forward"
        with randomness(key):
            result = module(x)
        stage = "output"
        if not isinstance(result, jax.Array):
            raise TypeError(f"returns {type(result).__name__}, not one tensor")
        return result

    try:
        with constructing(abstract=True), lowering_plainly():
            # Constructed inside the trace, with arguments that are modules, for only variables of the same trace can be
            # reassigned (statistics).
            result = jax.eval_shape(run, jax.ShapeDtypeStruct(place.tensor, jnp.float32), KEY)
    except Refused as refused:
        return Failure(stage, str(refused), refused.code, Example(arguments, place.tensor))
    except (MemoryError, LimitExceeded):
        raise  # other guesses would fill it again
    except Exception as error:  # whatever translated code raises is an answer
        return Failure(stage, f"{type(error).__name__}: {first_line(error)}")
    if not jnp.issubdtype(result.dtype, jnp.floating):
        return Failure("output", f"returns {result.dtype}, not floating point")
    return result.shape


def executes_eagerly(cls: type, example: Example) -> bool:
    """Whether an instance runs outside of a trace, on zeros: what branches on numbers that it draws does."""
    try:
        with constructing():
            module = cls(**{name: runtime_class(value) for name, value in example.arguments.items()})
        with randomness(jax.random.PRNGKey(0)):
            return isinstance(module(jnp.zeros(example.shape)), jax.Array)
    except (MemoryError, LimitExceeded):
        raise
    except Exception:  # whatever translated code raises is an answer
        return False


@contextlib.contextmanager
def lowering_plainly() -> Iterator[None]:
    """Convolutions stay single operations, as on accelerators: cheaper to trace and plain to read."""
    token = platform.set("gpu")
    try:
        yield
    finally:
        platform.reset(token)


KEY = jax.ShapeDtypeStruct((2,), jnp.uint32)  # the form of jax.random.PRNGKey


def first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200] if text else ""


def read_shape(tensor: tuple[int, ...], place: Place, layout: str | None = None) -> tuple[str, Shape] | None:
    """(layout, (channels, height, width)) of an output tensor for a square input; None where it has no such reading.

    Without `layout` the input's own is preferred.
    """
    batch, *rest = tensor
    if batch != place.batch:
        return None
    _, height, width = place.shape
    if len(rest) == 3:
        readings = {"NCHW": (rest[0], rest[1], rest[2]), "NHWC": (rest[2], rest[0], rest[1])}
    elif len(rest) == 2:
        length, channels = rest
        if length == height * width:
            readings = {"NLC": (channels, height, width)}
        elif height == width and isqrt(length) ** 2 == length:
            readings = {"NLC": (channels, isqrt(length), isqrt(length))}
        else:
            return None
    else:
        return None
    for name in (layout,) if layout else (place.layout, *readings):
        shape = readings.get(name)
        if shape is not None and (height != width or shape[1] == shape[2]):
            return name, shape
    return None
