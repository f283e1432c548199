"""A module run abstractly, with what is called inside it: outgoing shape, places where other modules may stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import isqrt
from typing import Any

import jax
import jax.numpy as jnp

from jnas.library.binding import BindError, Shape
from jnas.library.exact import Slot, Traced
from jnas.library.execution import KEY, first_line, lowering_plainly
from translators.diagnostics import Refused
from translators.runtime import nn
from translators.runtime.construction import Observer, constructing, observer, randomness

BATCH = 2


@dataclass
class Call:
    """One call of a module: what it received and returned, and the calls that it made itself, in order.

    `path` is the attribute path from the root, None for a module that the root does not hold. `plain`: it received one
    array and nothing else that matters.
    """

    module: Any
    path: str | None
    received: Any
    plain: bool
    returned: Any = None
    inner: list[Call] = field(default_factory=list)

    def walk(self) -> Iterator[Call]:
        yield self
        for call in self.inner:
            yield from call.walk()


@dataclass(frozen=True)
class Recording:
    """A module, the arguments of every module made with it (by identity), and its call."""

    module: Any
    made: Mapping[int, tuple[tuple, dict[str, Any]]]
    call: Call


class _Recorder(Observer):
    def __init__(self) -> None:
        self.arguments: dict[int, tuple[tuple, dict[str, Any]]] = {}
        self.kept: list[Any] = []  # so that no identity is used twice
        self.names: dict[int, str] = {}
        self.stack: list[Call] = []
        self.root: Call | None = None

    def made(self, module: Any, args: tuple, kwargs: dict[str, Any]) -> None:
        self.arguments[id(module)] = (args, kwargs)
        self.kept.append(module)

    def enters(self, module: Any, args: tuple, kwargs: dict[str, Any]) -> None:
        others = [*args[1:], *kwargs.values()]
        plain = bool(args) and _is_array(args[0]) and all(other is None or other is False for other in others)
        call = Call(module, self.names.get(id(module)), args[0] if args else None, plain)
        if self.stack:
            self.stack[-1].inner.append(call)
        elif self.root is None:
            self.root = call
        self.stack.append(call)

    def leaves(self, module: Any, result: Any) -> Any:
        self.stack.pop().returned = result
        return result


def record(make: Callable[[], Any], tensor: Sequence[int], training: bool = False) -> Recording:
    """`make()` built and called on an abstract array of shape `tensor`. Raises whatever translated code raises."""
    recorder = _Recorder()
    module: Any = None

    def run(x: jax.Array, key: jax.Array) -> Any:
        nonlocal module
        module = make()
        module.train(training)
        recorder.names = {id(part): path for path, part in module.named_modules()}
        with randomness(key):
            module(x)

    token = observer.set(recorder)
    try:
        with constructing(abstract=True), lowering_plainly():
            jax.eval_shape(run, jax.ShapeDtypeStruct(tuple(tensor), jnp.float32), KEY)
    finally:
        observer.reset(token)
    assert recorder.root is not None
    return Recording(module, recorder.arguments, recorder.root)


def trace(make: Callable[[], Any], layouts: tuple[str, str], shape: Shape) -> Traced:
    """What `make()` is at incoming `shape`: outgoing shape and slots. Raises BindError where it does not run."""
    try:
        recording = record(make, to_tensor(shape, layouts[0]))
    except Refused as refused:
        raise BindError(str(refused)) from refused
    except Exception as error:  # whatever translated code raises
        raise BindError(f"{type(error).__name__}: {first_line(error)}") from error
    returned = recording.call.returned
    if not _is_array(returned):
        raise BindError(f"returns {type(returned).__name__}, not one array")
    after = read(returned.shape, shape, layouts[1])
    if after is None:
        raise BindError(f"returns an array of shape {returned.shape}, which is no feature map, tokens or logits")
    return Traced(after[1], slots(recording, shape, layouts))


def slots(recording: Recording, shape: Shape, layouts: tuple[str, str]) -> dict[str, Slot]:
    """The places of a recorded module in the order of calls."""
    calls = [call for call in recording.call.walk() if call.path]
    times: dict[str | None, int] = {}
    for call in calls:
        times[call.path] = times.get(call.path, 0) + 1
    found: dict[str, Slot] = {}
    for call in calls:
        if not call.plain or times[call.path] > 1 or not _is_array(call.returned):
            continue
        before = read(call.received.shape, shape, layouts[0])
        after = read(call.returned.shape, shape, before[0] if before else layouts[0])
        if before and after:
            owner = (call.path or "").rpartition(".")[0]
            if owner and owner not in times and owner not in found and _walked(recording, owner, calls):
                found[owner] = _list_slot(recording, owner, calls, shape, layouts)
            found[call.path or ""] = Slot(
                before[1], after[1], before[0], after[0], _walked(recording, call.path, calls)
            )
    return found


def _walked(recording: Recording, path: str | None, calls: Sequence[Call]) -> bool:
    """Whether the module at `path` is a list whose members are called in order, each with what the last one gave."""
    module = recording.module.get_submodule(path or "")
    if type(module) not in (nn.Sequential, nn.ModuleList) or not len(module):
        return False
    members = [[call for call in calls if call.path == f"{path}.{name}"] for name, _ in module.named_children()]
    if any(len(found) != 1 or not found[0].plain for found in members):
        return False
    chain = [found[0] for found in members]
    return all(a.returned is b.received for a, b in pairwise(chain))


def _list_slot(recording: Recording, path: str, calls: Sequence[Call], shape: Shape, layouts: tuple[str, str]) -> Slot:
    members = [name for name, _ in recording.module.get_submodule(path).named_children()]
    first = next(call for call in calls if call.path == f"{path}.{members[0]}")
    last = next(call for call in calls if call.path == f"{path}.{members[-1]}")
    before = read(first.received.shape, shape, layouts[0])
    after = read(last.returned.shape, shape, before[0] if before else layouts[0])
    assert before is not None and after is not None
    return Slot(before[1], after[1], before[0], after[0], many=True)


# Edges


def to_tensor(shape: Shape, layout: str) -> tuple[int, ...]:
    """The array shape of an edge, batch first."""
    channels, height, width = shape
    return {
        "NCHW": (BATCH, channels, height, width),
        "NHWC": (BATCH, height, width, channels),
        "NLC": (BATCH, height * width, channels),
        "NC": (BATCH, channels),
    }[layout]


def read(tensor: Sequence[int], image: Shape, layout: str) -> tuple[str, Shape] | None:
    """(layout, (channels, height, width)) of an array in a network for `image`s; `layout` is preferred in doubt.

    Maps keep the ratio of height to width, and tokens in such a ratio form a grid.
    """
    rest = tuple(tensor[1:])
    _, height, width = image

    def similar(h: int, w: int) -> bool:
        return h == w if height == width else abs(h * width - w * height) < max(height, width)

    if len(rest) == 3:
        readings = {"NCHW": (rest[0], rest[1], rest[2]), "NHWC": (rest[2], rest[0], rest[1])}
        order = sorted(readings, key=lambda name: (not similar(*readings[name][1:]), name != layout))
        return order[0], readings[order[0]]
    if len(rest) == 2:
        tokens, channels = rest
        high = isqrt(tokens * height // max(width, 1))
        if high and tokens % high == 0 and similar(high, tokens // high):
            return "NLC", (channels, high, tokens // high)
        return "NLC", (channels, tokens, 1)
    return ("NC", (rest[0], 1, 1)) if len(rest) == 1 else None


def _is_array(x: Any) -> bool:
    return isinstance(x, jax.Array)
