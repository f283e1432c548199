"""What counts as a tensor, and the choice between NumPy (construction, constants) and JAX (everything traced)."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any, TypeGuard, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from translators.diagnostics import Refused

ARRAYS = (np.ndarray, np.generic, jax.Array, nnx.Variable)

Function = TypeVar("Function", bound=Callable[..., Any])

_SPELLINGS = {"axis": "dim", "keepdims": "keepdim"}


def is_array(x: object) -> bool:
    return isinstance(x, ARRAYS)


def is_variable(x: object) -> TypeGuard[nnx.Variable]:
    """Whether `x` is a Parameter or Buffer. Flax's own test of instances also asks what any tracer stands for."""
    return issubclass(type(x), nnx.Variable)


def value(x: Any) -> Any:
    """The array inside a Parameter or Buffer; anything else as it is."""
    return x[...] if is_variable(x) else x


def namespace(*arrays: Any) -> ModuleType:
    """NumPy when no argument is a JAX array, so that constants stay constants under tracing; else jax.numpy."""
    return jnp if any(isinstance(a, jax.Array) for a in arrays) else np


def single(result: Any, *inputs: Any) -> Any:
    """PyTorch computes floats of integers in float32 where NumPy would widen to float64."""
    wide = isinstance(result, (np.ndarray, np.generic)) and result.dtype == np.float64
    if wide and not any(getattr(x, "dtype", None) == np.float64 for x in inputs):
        return result.astype(np.float32)
    return result


def is_floating(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)


_PYTHON: dict[Any, np.dtype] = {float: np.dtype(np.float32), int: np.dtype(np.int64), bool: np.dtype(np.bool_)}


def as_dtype(x: Any) -> np.dtype:
    """The NumPy dtype that a PyTorch, Python or NumPy spelling means."""
    if isinstance(x, type):
        return _PYTHON[x] if x in _PYTHON else np.dtype(x)
    return np.dtype(getattr(x, "dtype", x))


def cast(x: Any, to: Any) -> Any:
    """An array in another dtype; 64-bit numbers are computed in 32 bits once traced, as JAX does by default."""
    target = as_dtype(to)
    if isinstance(x, jax.Array):
        return x.astype(jax.dtypes.canonicalize_dtype(target))
    return np.asarray(x).astype(target)


def pair_of(x: Any, length: int = 2) -> tuple:
    """A number repeated `length` times, or the given sequence (a sequence of one is repeated as PyTorch does)."""
    if isinstance(x, (tuple, list)):
        return tuple(x) if len(x) == length else tuple(x) * length if len(x) == 1 else tuple(x)
    return (x,) * length


def function(f: Function) -> Function:
    """Declares a function of arrays: arguments that are Parameters or Buffers arrive as arrays."""

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        arguments = tuple(map(value, args))
        named = {name: value(x) for name, x in kwargs.items()}
        try:
            return f(*arguments, **named)
        except TypeError as error:
            raise _explained(f, arguments, named, error) from error

    return call  # type: ignore[return-value]


def _explained(f: Any, arguments: tuple, named: dict[str, Any], error: TypeError) -> Exception:
    """The error, or Refused R10 when the function takes no such arguments: `out=` and rarer options of PyTorch."""
    try:
        inspect.signature(f).bind(*arguments, **named)
    except TypeError as mismatch:
        return Refused("R10", f"{f.__name__}: {mismatch}")
    return error


def op(f: Function) -> Function:
    """Declares a function of arrays that is also a tensor method.

    `ops.split(x, 2)` may stand for `x.split(2)` of any object: a first argument that is no array but has a method of
    this name (a string, a dict, a module) is asked itself.
    """
    name = f.__name__

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if args and not isinstance(args[0], ARRAYS):
            method = getattr(args[0], name, None)
            if method is not None:
                return method(*args[1:], **kwargs)
        if kwargs:
            kwargs = {_SPELLINGS.get(key, key): value(x) for key, x in kwargs.items()}
        arguments = tuple(map(value, args))
        try:
            return f(*arguments, **kwargs)
        except TypeError as error:
            raise _explained(f, arguments, kwargs, error) from error

    return call  # type: ignore[return-value]


def public(module: dict[str, Any]) -> list[str]:
    """The names that a module defines itself, for its `__all__`: functions, classes, dtypes, numbers and namespaces."""

    def own(x: object) -> bool:
        return (
            x is np.dtype
            or isinstance(x, (float, np.dtype, SimpleNamespace))
            or getattr(x, "__module__", None) == module["__name__"]
        )

    return [name for name, x in module.items() if not name.startswith("_") and own(x)]
