"""What can be said about a network before it is trained, from one forward pass over a batch or from its size alone.

NASWOT (Mellor et al. 2021, arXiv 2006.04647): networks that tell the images of a batch apart by the signs in front of
their activations train better. Its code counts ReLU layers; here every elementwise non-linearity counts, wherever it is
in the program: a maximum with a constant, a logistic function, a hyperbolic tangent or an error function (ours). A hard
swish bends at -3, which few values reach before training: of such networks the code says little.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.extend import core

from jnas.training.processor import forward_options
from translators.runtime.module import Module

PROXIES = ("naswot", "parameters", "multiply_adds")
BATCH = 64  # images whose signs are compared
BENDS = {"logistic", "tanh", "erf", "erfc"}


def naswot(model: Module, images: np.ndarray) -> float:
    """log |K| of the kernel K (B, B) of shared signs over a batch (B, C, H, W); -inf where two images look alike.

    Runs in training mode, so that batch normalisation has the statistics of the batch.
    """
    graph, state = nnx.split(model.train())

    def forward(state: Any, x: jax.Array) -> jax.Array:
        return nnx.merge(graph, state, copy=True)(x)

    program = jax.jit(lambda state, x: sign_kernel(forward, state, x)).lower(state, images)
    kernel = np.asarray(program.compile(forward_options(jax.default_backend()))(state, images))
    sign, value = np.linalg.slogdet(kernel.astype(np.float64))
    return float(value) if sign > 0 else float("-inf")


def sign_kernel(forward: Callable[..., Any], state: Any, x: jax.Array) -> jax.Array:
    """Sum over all activations of the number of entries in which two examples have the same sign, float32 (B, B)."""
    batch = x.shape[0]
    found = [jnp.zeros((batch, batch), jnp.float32)]

    def see(value: jax.Array) -> None:
        if value.ndim > 1 and value.shape[0] == batch:
            code = (value.reshape(batch, -1) > 0).astype(jnp.float32)
            found[0] += code @ code.T + (1 - code) @ (1 - code).T

    closed = jax.make_jaxpr(forward)(state, x)
    _run(closed, jax.tree.leaves((state, x)), see)
    return found[0]


def _run(closed: core.ClosedJaxpr, arguments: list[Any], see: Callable[[jax.Array], None]) -> list[Any]:
    """Runs a program operation by operation, into the calls it makes, and shows what enters its non-linearities."""
    jaxpr = closed.jaxpr
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, closed.consts)) | dict(zip(jaxpr.invars, arguments))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, core.Literal) else values[atom]

    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        name = equation.primitive.name
        inner = next((p for p in equation.params.values() if isinstance(p, core.ClosedJaxpr)), None)
        if inner is not None and name not in ("scan", "while", "cond"):
            outputs = _run(inner, inputs, see)
        else:
            if name in BENDS or (name == "max" and any(np.ndim(read(atom)) == 0 for atom in equation.invars)):
                see(next(value for value in inputs if np.ndim(value)))
            outputs = equation.primitive.bind(*inputs, **equation.params)
            outputs = outputs if equation.primitive.multiple_results else [outputs]
        values |= dict(zip(equation.outvars, outputs))
    return [read(atom) for atom in jaxpr.outvars]
