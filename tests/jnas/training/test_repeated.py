"""Modules that are alike are traced once, and the network stays what it is."""

from __future__ import annotations

from contextlib import nullcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jnas.training.channels_last import channels_last
from jnas.training.repeated import traced_once
from translators.runtime import nn
from translators.runtime.construction import constructing, randomness

X = np.random.default_rng(0).normal(size=(2, 4, 6, 6)).astype(np.float32)
calls: list[str] = []


class Block(nn.Module):
    def __init__(self, width=4, kernel=3):
        super().__init__()
        self.conv = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        calls.append(type(self).__name__)
        return x + jax.nn.relu(self.norm(self.conv(x)))


class Dropping(Block):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), 0.5, self.training)


class Counting(Block):
    count = 0

    def forward(self, x):
        self.count = self.count + 1
        return super().forward(x) * self.count


class Keeping(Block):
    def __init__(self):
        super().__init__()
        self.kept = {}

    def forward(self, x):
        self.kept["last"] = x
        return super().forward(x)


class Naming(Block):
    def forward(self, x):
        return {"x": super().forward(x), "name": "x"}


class Scaled(Block):
    def forward(self, x, scale=1.0):
        return super().forward(x) * scale


class Network(nn.Module):
    def __init__(self, *blocks, **options):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.options = options

    def forward(self, x):
        for block in self.blocks:
            x = block(x, **self.options)
            x = x["x"] if isinstance(x, dict) else x
        return x


def outcome(network, once, drawing=False, last=False):
    """(loss, gradients and statistics after it, calls of forward in Python)."""
    calls.clear()
    graph, *states = nnx.split(network.train(), nnx.Param, ...)

    def forward(parameters, rest, x):
        model = nnx.merge(graph, parameters, rest, copy=True)
        with traced_once(model) if once else nullcontext(), randomness(jax.random.key(0)) if drawing else nullcontext():
            y = model(x)
        return y, nnx.state(model, nnx.Not(nnx.Param))

    def loss(parameters, rest, x):
        y, after = (channels_last(forward) if last else forward)(parameters, rest, x)
        return jnp.sum(jnp.sin(y)), after

    result = jax.jit(jax.value_and_grad(loss, has_aux=True))(*states, X)
    return jax.tree.map(np.asarray, result), len(calls)


def network(*classes, **options):
    with constructing(3):
        return Network(*[make() for make in classes], **options)


def assert_equal(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("last", [False, True])
def test_three_that_are_alike_are_traced_once_and_another_by_itself(last):
    made = network(Block, Block, Block, lambda: Block(kernel=5))
    (plain, four), (once, two) = (outcome(made, once, last=last) for once in (False, True))
    assert (four, two) == (4, 2)
    assert_equal(plain, once)


def test_each_keeps_its_own_statistics():
    (((_, rest), _), _) = outcome(network(Block, Block, Block), once=True)
    means = [np.asarray(leaf) for leaf in jax.tree.leaves(rest) if np.shape(leaf) == (4,)]
    assert len({mean.tobytes() for mean in means}) == len(means) == 6


@pytest.mark.parametrize(
    ("kind", "options"),
    [(Dropping, {}), (Counting, {}), (Naming, {}), (Scaled, {"scale": 2.0})],
)
def test_what_no_program_can_say_is_called_as_it_was(kind, options):
    made = network(kind, kind, kind, **options)
    (plain, _), (once, _) = (outcome(made, once, drawing=kind is Dropping) for once in (False, True))
    assert_equal(plain, once)


def test_what_a_forward_keeps_ends_with_its_program():
    made = network(Keeping, Keeping)
    assert_equal(*(outcome(made, once)[0] for once in (False, True)))
    assert all(not jax.tree.leaves(block.kept) for block in made.blocks)


def test_an_error_is_that_of_the_module():
    class Failing(Block):
        def forward(self, x):
            raise ValueError("too few channels")

    with pytest.raises(ValueError, match="too few channels"):
        outcome(network(Failing, Failing), once=True)


def test_a_deep_network_has_one_program_for_its_blocks():
    def size(once):
        graph, state = nnx.split(network(*[Block] * 6).train())

        def forward(state, x):
            model = nnx.merge(graph, state, copy=True)
            with traced_once(model) if once else nullcontext():
                return model(x)

        def loss(state, x):
            return jnp.sum(channels_last(forward)(state, x))

        return jax.jit(jax.grad(loss, allow_int=True)).lower(state, X).as_text().count("stablehlo.convolution")

    assert size(once=True) < size(once=False) / 2
