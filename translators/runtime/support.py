"""What translated code calls besides PyTorch's names: refusals that wait until reached, and item assignment."""

from __future__ import annotations

import operator as operators
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from translators.diagnostics import Refused
from translators.runtime.arrays import ARRAYS, value
from translators.runtime.construction import is_placeholder
from translators.runtime.nn import Hardtanh, Identity, ReLU, ReLU6, Sequential
from translators.runtime.registry import Registry as Registry
from translators.runtime.registry import later as later

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operators.add, "-": operators.sub, "*": operators.mul, "/": operators.truediv, "//": operators.floordiv,
    "%": operators.mod, "**": operators.pow, "@": operators.matmul, "&": operators.and_, "|": operators.or_,
    "^": operators.xor, "<<": operators.lshift, ">>": operators.rshift,
}  # fmt: skip
_IDEMPOTENT = (ReLU, ReLU6, Hardtanh)


def refuse(code: str, message: str) -> NoReturn:
    """Stands for a construct that is not supported, where it may never be reached."""
    raise Refused(code, message)


def require(condition: Any, message: Any = "") -> None:
    """Raises AssertionError when `condition` is known not to hold; what depends on traced data is not checked."""
    known = value(condition)
    if not isinstance(known, jax.core.Tracer) and not known:
        raise AssertionError(message() if callable(message) else message)


class unsupported:
    """Stands for a foreign value in a constant or default: any use raises `Refused`."""

    def __init__(self, code: str, message: str):
        self._reason = (code, message)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise Refused(*self._reason)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Refused(*self._reason)


def refuse_alias(x: Any, message: str) -> Any:
    """`x` before a write that another live name would see: fine for NumPy, which shares; R05 for traced arrays."""
    if isinstance(value(x), jax.Array):
        raise Refused("R05", message)
    return x


def refuse_same(x: Any, others: tuple[Any, ...], message: str) -> Any:
    """`x` before a write that each of `others` would see if it were the same tensor, which raises R05."""
    array = value(x)
    if isinstance(array, jax.Array) and any(value(other) is array for other in others):
        raise Refused("R05", message)
    return x


def unless_in_place(module: Any, message: str) -> Any:
    """The module, unless it (or the first of a sequence) writes into what it is given: that raises Refused R05."""
    first = module
    while isinstance(first, Sequential) and len(first):
        first = first[0]
    if getattr(first, "inplace", False) is True:
        raise Refused("R05", message)
    return module


def activated(module: Any, x: Any, message: str) -> Any:
    """`x` as a sequence leaves it that begins with an activation in place and returns something else. Raises Refused
    R05 for other modules that write into what they are given."""
    first = module
    while isinstance(first, Sequential) and len(first):
        first = first[0]
    if getattr(first, "inplace", False) is not True:
        return x
    if not isinstance(first, _IDEMPOTENT) or all(map(_hands_on, module.modules())):
        raise Refused("R05", message)
    return first(x)  # the sequence applies it once more, which changes nothing


def _hands_on(module: Any) -> bool:
    """Whether a module may return the memory of what it is given."""
    return isinstance(module, (Sequential, Identity)) or hasattr(module, "inplace")


def unless_written(inplace: Any, message: str) -> Any:
    """The flag of a function that writes into what it is given where it is true, which raises Refused R05."""
    if inplace:
        raise Refused("R05", message)
    return inplace


def look_up(module: ModuleType, name: str) -> Any:
    """`getattr(nn, name)`, among the public names of a runtime module. Raises Refused R10 for others."""
    if name not in module.__all__:
        raise Refused("R10", f"{module.__name__.rpartition('.')[2]}.{name} is not supported")
    return getattr(module, name)


def set_item(x: Any, index: Any, new: Any) -> Any:
    """`x[index] = new`: NumPy arrays, variables and containers are written and returned, of others the new array is."""
    if not isinstance(x, ARRAYS):
        x[index] = new
        return x
    array, index, new = value(x), _index(index), value(new)
    if is_placeholder(array):
        return x
    if isinstance(array, np.ndarray) and array.flags.writeable and not _traced(new) and not _traced(index):
        array[index] = new
        return x
    new = jnp.asarray(new).astype(array.dtype)
    if getattr(index, "dtype", None) == np.bool_:
        result = _where(jnp.asarray(array), index, new)
    else:
        result = jnp.asarray(array).at[index].set(new)
    if isinstance(x, nnx.Variable):
        x.set_value(result)
        return x
    return result


def update_item(x: Any, index: Any, operator: str, new: Any) -> Any:
    """`x[index] = x[index] operator new`; where a traced mask is the index, as a choice of old and new values."""
    if isinstance(x, ARRAYS) and getattr(value(index), "dtype", None) == np.bool_ and _traced((value(x), value(index))):
        array, mask, new = value(x), value(index), value(new)
        if np.ndim(new) > array.ndim - mask.ndim:
            raise Refused("R04", "several values are written where a mask is true")
        changed = _OPERATORS[operator](jnp.asarray(array), new)
        return set_item(x, ..., jnp.where(mask.reshape(mask.shape + (1,) * (array.ndim - mask.ndim)), changed, array))
    return set_item(x, index, _OPERATORS[operator](get_item(x, index), new))


def _where(array: jax.Array, mask: Any, new: jax.Array) -> jax.Array:
    """`array[mask] = new` for one new value: how many are written depends on data, so several have no fixed shape."""
    if new.ndim:
        raise Refused("R04", "several values are written where a mask is true")
    return jnp.where(mask.reshape(mask.shape + (1,) * (array.ndim - mask.ndim)), new, array)


def get_item(x: Any, index: Any) -> Any:
    """`x[index]` where the index holds lists, which JAX declines."""
    return value(x)[_index(index)] if isinstance(x, ARRAYS) else x[index]


def _index(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_index(part) for part in index)
    return np.asarray(index) if isinstance(index, list) else value(index)


def _traced(x: Any) -> bool:
    return any(isinstance(part, jax.Array) for part in (x if isinstance(x, tuple) else (x,)))
