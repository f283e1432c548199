"""How parameters are drawn while a module is constructed, and where a running module takes its randomness from.

Construction is NumPy only: drawing through JAX would compile a program per shape, at more than a training step each.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from translators.diagnostics import Refused

BUILDING, RUNNING = "building", "running"

phase: ContextVar[str | None] = ContextVar("phase", default=None)


@dataclass(frozen=True)
class Construction:
    """Where parameters come from: a NumPy generator, or nothing at all in abstract mode."""

    generator: np.random.Generator
    abstract: bool


class RandomStream:
    """A JAX key that gives a fresh key per draw by folding in a counter: the order of draws fixes the numbers."""

    def __init__(self, key: jax.Array):
        self._key = key
        self._draws = 0

    def next_key(self) -> jax.Array:
        self._draws += 1
        return jax.random.fold_in(self._key, self._draws)


class Observer:
    """Hears of modules as they are made and called in its context, may call them itself and change what they return."""

    def made(self, module: Any, args: tuple, kwargs: dict[str, Any]) -> None:
        """`module` is what its class made of the arguments."""

    def enters(self, module: Any, args: tuple, kwargs: dict[str, Any]) -> None:
        """`module` is called; what is called before it leaves is called by it."""

    def calls(self, module: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """What the module that was entered last makes of its arguments."""
        return module._called(*args, **kwargs)

    def leaves(self, module: Any, result: Any) -> Any:
        """What the call that was entered last returns."""
        return result


observer: ContextVar[Observer | None] = ContextVar("observer", default=None)

_construction: ContextVar[Construction | None] = ContextVar("construction", default=None)
_stream: ContextVar[RandomStream | None] = ContextVar("stream", default=None)


@contextlib.contextmanager
def constructing(seed: int | Sequence[int] = 0, abstract: bool = False) -> Iterator[None]:
    """Modules made inside draw their parameters from `seed`; with `abstract` they get shapes and dtypes at no cost."""
    token = _construction.set(Construction(np.random.default_rng(seed), abstract))
    try:
        yield
    finally:
        _construction.reset(token)


def construction() -> Construction:
    """The construction in force; outside any, a fresh one with seed 0."""
    return _construction.get() or Construction(np.random.default_rng(0), False)


@contextlib.contextmanager
def entering(name: str) -> Iterator[None]:
    """Marks that constructors (`BUILDING`) or forwards (`RUNNING`) are executing.

    The outermost constructor without a `constructing` context opens one with seed 0: its layers share one stream.
    """
    token = phase.set(name)
    opened = _construction.set(construction()) if name == BUILDING and _construction.get() is None else None
    try:
        yield
    finally:
        phase.reset(token)
        if opened is not None:
            _construction.reset(opened)


@contextlib.contextmanager
def randomness(key: jax.Array | None) -> Iterator[None]:
    """Dropout, drop-path and random tensors of the modules that run inside draw from `key`; without one they cannot."""
    token = _stream.set(None if key is None else RandomStream(key))
    try:
        yield
    finally:
        _stream.reset(token)


def next_key() -> jax.Array:
    """A fresh key for one random draw of a running module. Raises Refused (R06) when no key was given."""
    stream = _stream.get()
    if stream is None:
        raise Refused(
            "R06", "a random draw needs a key: run the module inside `with randomness(key):` or call .eval() first"
        )
    return stream.next_key()


def drawing_with_numpy() -> bool:
    """Whether a random draw happens now for construction (NumPy) and not for a running module (JAX)."""
    if phase.get() == RUNNING:
        return False
    return phase.get() == BUILDING or _construction.get() is not None or _stream.get() is None


def placeholder(shape: Sequence[int], dtype: Any = np.float32) -> np.ndarray:
    """An array with shape and dtype and no memory: one zero, broadcast. Read-only."""
    return np.broadcast_to(np.zeros((), dtype), tuple(shape))


def is_placeholder(array: object) -> bool:
    """Whether writes into `array` have no effect because it is abstract."""
    return isinstance(array, np.ndarray) and not array.flags.writeable and construction().abstract


def draw_uniform(
    shape: tuple[int, ...], low: float = 0.0, high: float = 1.0, dtype: Any = np.float32
) -> np.ndarray | jax.Array:
    if not drawing_with_numpy():
        return jax.random.uniform(next_key(), shape, dtype, low, high)
    if construction().abstract:
        return placeholder(shape, dtype)
    numbers = construction().generator.random(shape, np.float32)
    numbers *= np.float32(high - low)
    numbers += np.float32(low)
    return numbers.astype(dtype, copy=False)


def draw_normal(
    shape: tuple[int, ...], mean: float = 0.0, std: float = 1.0, dtype: Any = np.float32
) -> np.ndarray | jax.Array:
    if not drawing_with_numpy():
        return jax.random.normal(next_key(), shape, dtype) * std + mean
    if construction().abstract:
        return placeholder(shape, dtype)
    numbers = construction().generator.standard_normal(shape, np.float32)
    numbers *= np.float32(std)
    numbers += np.float32(mean)
    return numbers.astype(dtype, copy=False)
