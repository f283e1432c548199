"""Programs compiled side by side: while XLA compiles one, which needs no interpreter, the next one is traced."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import jax

Wanted = tuple[Callable[[], jax.stages.Lowered], Mapping[str, Any]]  # what lowers a program, and compiler options


def side_by_side(wanted: Sequence[Wanted]) -> list[jax.stages.Compiled]:
    """What each lowering gives, compiled; they are called in turn."""
    with collecting_later(), ThreadPoolExecutor(len(wanted)) as compilers:
        waited = [compilers.submit(lower().compile, compiler_options=dict(options)) for lower, options in wanted]
        return [program.result() for program in waited]


@contextmanager
def collecting_later() -> Iterator[None]:
    """Tracing makes a million objects that are needed until its end: looking for garbage among them is in vain."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
