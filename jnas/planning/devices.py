"""Compiled programs of the planners: on the CPU, whatever else there is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np


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
