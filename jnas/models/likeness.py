"""Whether two modules were built alike: same classes, same attributes, same shapes of arrays, all the way down."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from flax import nnx

from translators.runtime.module import Held, Module

_IGNORED = {"training", "_order"}


def same_build(a: Any, b: Any) -> bool:
    """Arrays are compared by shape and type: what they hold was drawn. What Python calls shared is not looked at."""
    return _same(a, b, set())


def _same(a: Any, b: Any, seen: set[tuple[int, int]]) -> bool:
    if a is b or (id(a), id(b)) in seen:
        return True
    if isinstance(a, nnx.Variable) and isinstance(b, nnx.Variable):
        return type(a) is type(b) and np.shape(a[...]) == np.shape(b[...]) and a[...].dtype == b[...].dtype
    if type(a) is not type(b):
        return False
    if isinstance(a, Held):
        return _same(a.content, b.content, seen)
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and (a.dtype.kind == "f" or np.array_equal(a, b))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(_same(x, y, seen) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key], seen) for key in a)
    if isinstance(a, (int, float, str, bytes, bool, set, frozenset, np.dtype)):
        return a == b or (a != a and b != b)
    if isinstance(a, partial):
        return all(_same(x, y, seen) for x, y in ((a.func, b.func), (a.args, b.args), (a.keywords, b.keywords)))
    if isinstance(a, Module):
        seen.add((id(a), id(b)))
        mine, theirs = _attributes(a), _attributes(b)
        return mine.keys() == theirs.keys() and all(_same(mine[name], theirs[name], seen) for name in mine)
    if hasattr(a, "__code__"):
        return a.__code__ is b.__code__  # a function that a constructor defines anew
    if hasattr(a, "__self__"):
        return a.__func__ is b.__func__ if hasattr(a, "__func__") else a == b
    if hasattr(a, "__dict__"):
        seen.add((id(a), id(b)))
        return _same(vars(a), vars(b), seen)
    return bool(a == b)


def _attributes(module: Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if name not in _IGNORED and "__" not in name}
