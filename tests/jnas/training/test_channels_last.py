"""Programs in the order that the CPU convolves in: the same numbers, and nothing is turned between layers."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jnas.training.channels_last import channels_last
from jnas.training.direct_convolution import available, unkept

X = np.random.default_rng(0).normal(size=(2, 4, 6, 8)).astype(np.float32)
W = np.random.default_rng(1).normal(size=(4, 4, 3, 3)).astype(np.float32) / 4
M = np.random.default_rng(3).normal(size=(4, 4)).astype(np.float32)
V = np.random.default_rng(2).normal(size=4).astype(np.float32)


def conv(x, w=W, stride=1):
    return lax.conv_general_dilated(
        x, w, (stride, stride), ((1, 1), (1, 1)), dimension_numbers=("NCHW", "OIHW", "NCHW")
    )


def normed(x):
    mean = x.mean((0, 2, 3), keepdims=True)
    return (x - mean) * lax.rsqrt(jnp.square(x - mean).mean((0, 2, 3), keepdims=True) + 1e-5) * V[:, None, None]


@jax.custom_vjp
def doubled(x):
    return 2 * x


doubled.defvjp(lambda x: (2 * x, None), lambda _, g: (3 * g,))  # a derivative that is its own

PROGRAMS = {
    "stack": lambda x: conv(jax.nn.relu(normed(conv(x)))) + x,
    "derivative of its own": lambda x: doubled(conv(x)) + jax.nn.silu(jax.nn.gelu(conv(x))) + jax.nn.relu6(conv(x)),
    "dead units": lambda x: jax.nn.relu(conv(0 * x)),
    "gate": lambda x: conv(x) * jax.nn.sigmoid(conv(x).mean((2, 3)) @ np.eye(4, dtype=np.float32))[:, :, None, None],
    "channel attention": lambda x: conv(x) * jax.nn.softmax(conv(x), 1) + conv(x).max(1, keepdims=True),
    "max pool": lambda x: lax.reduce_window(conv(x), -jnp.inf, lax.max, (1, 1, 3, 2), (1, 1, 2, 1), "VALID"),
    "average pool": lambda x: lax.reduce_window(
        conv(x), 0.0, lax.add, (1, 1, 2, 2), (1, 1, 2, 2), [(0, 0), (0, 0), (0, 1), (1, 0)]
    ),
    "pad, slice": lambda x: jnp.pad(conv(x), ((0, 0), (1, 0), (2, 1), (0, 3)))[:, 1:, 1:7:2, ::3],
    "join, split, mirror": lambda x: jnp.concatenate([jnp.split(conv(x), [1], 1)[1], conv(x)[:, 1:, :, ::-1]], 1),
    "tokens": lambda x: conv(x).reshape(2, 4, 48).transpose(0, 2, 1) @ np.eye(4, dtype=np.float32),
    "sums that keep the channels": lambda x: conv(x).sum(2) + conv(x).sum(3).mean(-1)[:, :, None],
    "sorted": lambda x: jnp.sort(conv(x), 1).cumsum(2),
    "branch": lambda x: lax.cond(x.sum() > 0, lambda y: conv(y), lambda y: -y, conv(x)),
    "repeated": lambda x: lax.fori_loop(0, 3, lambda _, y: conv(y), conv(x)),
    "strided, dilated, grouped": lambda x: lax.conv_general_dilated(
        conv(x, stride=2), W[:, :2], (1, 1), ((2, 2), (2, 2)), rhs_dilation=(2, 2),
        dimension_numbers=("NCHW", "OIHW", "NCHW"), feature_group_count=2,
    ),
    "masked": lambda x: jnp.where(np.arange(8) % 2 == 0, conv(x), 0) + jnp.clip(conv(x), -0.5, 0.5),
    "no convolution": lambda x: x.sum(1),
    "turned and back": lambda x: conv(x) + (conv(x).transpose(0, 2, 3, 1) * V).transpose(0, 3, 1, 2),
    "turned in another way": lambda x: conv(x).transpose(0, 3, 1, 2) + (conv(x).transpose(0, 2, 3, 1) @ M).mean(),
    "last before the first convolution": lambda x: jax.nn.relu((x.transpose(0, 2, 3, 1) @ M).transpose(0, 3, 1, 2)) + x,
    "several results": lambda x: {"a": conv(x), "b": conv(x).argmax(1), "c": 1.0},
}  # fmt: skip


@pytest.fixture(autouse=True)
def programs_that_cannot_be_kept():
    with unkept():
        yield


@pytest.mark.parametrize("direct", [None, pytest.param(True, marks=pytest.mark.skipif(not available(), reason="none"))])
@pytest.mark.parametrize("name", PROGRAMS)
def test_values_and_gradients_are_the_same(name, direct):
    program, last = PROGRAMS[name], channels_last(PROGRAMS[name], direct)
    plain, changed = program(X), last(X)
    assert jax.tree.structure(plain) == jax.tree.structure(changed)
    for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(changed), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)

    def total(function):
        weights = jax.tree.map(lambda y: np.cos(np.arange(np.size(y), dtype=np.float32)).reshape(np.shape(y)), plain)
        return lambda x: sum(
            jnp.sum(a * b)
            for a, b in zip(jax.tree.leaves(function(x)), jax.tree.leaves(weights), strict=True)
            if jnp.issubdtype(jnp.result_type(a), jnp.floating)
        )

    gradients = (jax.jit(jax.grad(total(f)))(X) for f in (program, last))
    np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-5)


def test_arrays_are_not_turned_between_layers():
    def large_transpositions(function):
        text = jax.jit(function).lower(X).as_text()
        return len(re.findall(r"stablehlo\.transpose .*tensor<2x\d+x\d+x\d+xf32>", text))

    def stack(x):
        for _ in range(4):
            x = x + normed(conv(jax.nn.relu(normed(conv(x)))))
        return x.mean((2, 3))

    def turning(x):
        for _ in range(4):
            x = x + (normed(conv(x)).transpose(0, 2, 3, 1) @ M).transpose(0, 3, 1, 2)
        return x.mean((2, 3))

    assert large_transpositions(channels_last(stack)) == 2, "of the input, at its two uses"
    assert large_transpositions(channels_last(turning)) == 2, "none where the network itself turns them so"


def test_a_mapped_program():
    many = np.stack([X, -X])
    np.testing.assert_allclose(
        jax.vmap(channels_last(PROGRAMS["stack"]))(many), jax.vmap(PROGRAMS["stack"])(many), rtol=1e-5, atol=1e-5
    )
