"""Programs compiled side by side: while XLA compiles one, which needs no interpreter, the next one is traced."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import jax

from jnas.training.first_touch import most_held, touched

Wanted = tuple[Callable[[], jax.stages.Traced], Mapping[str, Any]]  # what traces a program, and compiler options


def side_by_side(wanted: Sequence[Wanted], platform: str) -> list[jax.stages.Compiled]:
    """What each of `wanted` traces, compiled; they are called in turn."""
    waited: list[Future[jax.stages.Compiled]] = []
    size = 0
    with collecting_later(), ThreadPoolExecutor(len(wanted)) as compilers:
        for trace, options in wanted:
            traced = trace()
            waited.append(compilers.submit(traced.lower().compile, compiler_options=dict(options)))
            size = max(size, most_held(traced.jaxpr.jaxpr))
        gc.collect(1)  # looks through all that tracing made, or the first step would
        memory = touched(size, lambda: all(program.done() for program in waited)) if platform == "cpu" else None
        programs = [program.result() for program in waited]
        del memory
    return programs


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
