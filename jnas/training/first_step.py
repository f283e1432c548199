"""The first training step of a network, compiled and run on noise: does it give numbers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from translators.runtime.construction import randomness
from translators.runtime.module import Module


def first_step(model: Module, shape: tuple[int, int, int], classes: int, batch: int, seed: int) -> tuple[bool, bool]:
    """(loss is finite, all gradients are) for a batch of normal noise with random labels, in training mode, float32."""
    generator = np.random.default_rng(seed)
    images = generator.normal(size=(batch, *shape)).astype(np.float32)
    labels = generator.integers(classes, size=batch)
    graph, *states = nnx.split(model.train(), nnx.Param, ...)
    parameters, rest = states

    def loss_of(parameters: Any, rest: Any, images: jax.Array) -> jax.Array:
        with randomness(jax.random.key(seed)):
            logits = nnx.merge(graph, parameters, rest, copy=True)(images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    @jax.jit
    def step(parameters: Any, rest: Any, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        loss, gradients = jax.value_and_grad(loss_of)(parameters, rest, images)
        finite = [jnp.isfinite(gradient).all() for gradient in jax.tree.leaves(gradients)]
        return jnp.isfinite(loss), jnp.all(jnp.array(finite))

    loss, gradients = step(parameters, rest, images)
    return bool(loss), bool(gradients)
