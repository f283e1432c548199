from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnas.training.proxies import naswot, sign_kernel
from translators.runtime import nn
from translators.runtime.construction import constructing

IMAGES = np.random.default_rng(0).standard_normal((6, 3, 8, 8)).astype(np.float32)


def network(activation: Any, width: int = 8) -> nn.Module:
    with constructing(0):
        return nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.BatchNorm2d(width),
            activation(),
            nn.Conv2d(width, width, 3, padding=1),
            activation(),
            nn.Flatten(),
            nn.Linear(64 * width, 10),
        )


def test_the_kernel_is_that_of_shared_signs() -> None:
    def forward(state: Any, x: jax.Array) -> jax.Array:
        return jax.nn.relu(x @ state) @ state.T

    state = jnp.asarray(np.random.default_rng(1).standard_normal((4, 7)), jnp.float32)
    x = jnp.asarray(np.random.default_rng(2).standard_normal((5, 4)), jnp.float32)
    signs = np.asarray(x @ state) > 0
    expected = [[(a == b).sum() for b in signs] for a in signs]
    np.testing.assert_array_equal(sign_kernel(forward, state, x), expected)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.SiLU, nn.GELU, nn.Sigmoid, nn.Tanh])
def test_every_activation_has_signs(activation: Any) -> None:
    assert np.isfinite(naswot(network(activation), IMAGES))


def test_images_that_look_alike_count_for_nothing_and_width_for_much() -> None:
    same = np.repeat(IMAGES[:1], 6, axis=0)
    assert naswot(network(nn.ReLU), same) == float("-inf")
    assert naswot(network(nn.ReLU, 32), IMAGES) > naswot(network(nn.ReLU), IMAGES)
    assert naswot(network(nn.Identity), IMAGES) == float("-inf")
