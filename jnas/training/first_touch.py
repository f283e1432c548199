"""Memory for the first step, touched while the compiler still works, which leaves a core idle half of the time.

A virtual machine may get memory from its host when it is touched first, half a gigabyte in a second, and give back
what lies free for seconds. What was touched and freed just now is got next (ours; measured: docs/training.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jax.extend import core

MOST = 512 << 20  # bytes: as much as is touched while a network of that size is compiled
PIECE = 16 << 20
PAGE = 4096


def most_held(jaxpr: core.Jaxpr) -> int:
    """Bytes that the values of a program take at most, besides its arguments, if its equations are done one by one."""
    given = {*jaxpr.invars, *jaxpr.constvars}
    live = {value for value in jaxpr.outvars if isinstance(value, core.Var)} - given
    held = most = sum(map(_bytes, live))
    for equation in reversed(jaxpr.eqns):
        made = live.intersection(equation.outvars)
        read = {value for value in equation.invars if isinstance(value, core.Var)} - live - given
        live -= made
        live |= read
        held += sum(map(_bytes, read)) - sum(map(_bytes, made))
        most = max(most, held)
    return most


def touched(size: int, enough: Callable[[], bool]) -> np.ndarray:
    """So many bytes (at most `MOST`; none where they are not to be had), touched until `enough()`; to be freed then."""
    try:
        memory = np.empty(min(size, MOST), np.uint8)
    except MemoryError:
        return np.empty(0, np.uint8)
    for start in range(0, len(memory), PIECE):
        if enough():
            break
        memory[start : start + PIECE : PAGE] = 0
    return memory


def _bytes(value: core.Var) -> int:
    shape: Any = value.aval
    return shape.size * shape.dtype.itemsize if hasattr(shape, "size") else 0
