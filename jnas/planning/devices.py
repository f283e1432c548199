"""What planners compute with: compiled programs on the CPU, whatever else there is, and one core for linear algebra."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")


def on_one_core(function: Callable[P, R]) -> Callable[P, R]:
    """`function` with linear algebra by one thread, until it returns.

    Of matrices of a hundred rows further threads have nothing, and they keep a core busy while they wait for more. The
    sums are also the same wherever it runs.
    """

    @wraps(function)
    def run(*arguments: P.args, **named: P.kwargs) -> R:
        with _pools().limit(limits=1, user_api="blas"):
            return function(*arguments, **named)

    return run


@cache
def _pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def on_host(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` compiled for the CPU: NumPy arrays in, floats as float32. `.compilations()` counts its programs."""
    fresh = "jax" not in sys.modules
    import jax

    if fresh:
        # The process that plans has no other use for JAX: an accelerator belongs to the processes that train.
        jax.config.update("jax_platforms", "cpu")
    jitted = jax.jit(function)

    def run(*arguments: Any) -> Any:
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            return jitted(*(_narrow(argument) for argument in arguments))

    run.compilations = jitted._cache_size  # type: ignore[attr-defined]
    return run


def _narrow(argument: Any) -> Any:
    return np.asarray(argument, np.float32) if getattr(argument, "dtype", None) == np.float64 else argument
