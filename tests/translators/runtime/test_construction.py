"""Drawing parameters: distributions, seeds, abstract mode; randomness of running modules; initialisers."""

import math
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from translators.diagnostics import Refused
from translators.runtime import functional as F
from translators.runtime import init, nn, ops
from translators.runtime.construction import constructing, randomness
from translators.runtime.state import load_state_dict, state_dict


def _net():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 5))


def test_one_seed_one_net_and_layers_differ():
    with constructing(seed=3):
        first = state_dict(_net())
    with constructing(seed=3):
        second = state_dict(_net())
    with constructing(seed=4):
        third = state_dict(_net())
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["0.weight"], third["0.weight"])
    with constructing():
        pair = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    assert not np.array_equal(pair[0].weight[...], pair[1].weight[...])


@pytest.mark.parametrize(("layer", "fan_in"), [(nn.Linear(400, 300), 400), (nn.Conv2d(40, 80, 3, groups=2), 180)])
def test_weights_and_biases_are_uniform_in_one_over_root_fan_in(layer, fan_in):
    bound = 1 / math.sqrt(fan_in)
    for parameter in (layer.weight[...], layer.bias[...]):
        assert abs(parameter).max() <= bound
        assert abs(parameter.std() / (bound / math.sqrt(3)) - 1) < 0.15


def test_abstract_construction_allocates_nothing_and_ignores_writes():
    class Large(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(20_000, 20_000)
            self.norm = nn.BatchNorm2d(20_000)
            self.table = nn.Parameter(ops.zeros(20_000, 5_000))
            init.trunc_normal_(self.table, std=0.02)
            init.kaiming_normal_(self.layer.weight, nonlinearity="relu")
            ops.fill_(self.layer.bias, 1)
            init.orthogonal_(self.layer.weight)

        def forward(self, x):
            return self.layer(x)

    tracemalloc.start()
    with constructing(abstract=True):
        model = Large()
    touched = sum(
        array.nbytes for array in jax.tree.leaves(nnx.state(model, nnx.Param)) if any(s for s in array.strides)
    )
    tracemalloc.stop()
    assert touched == 0
    shape = jax.ShapeDtypeStruct((2, 20_000), jnp.float32)
    assert jax.eval_shape(model, shape).shape == (2, 20_000)


def test_construction_touches_no_device():
    before = len(jax.live_arrays())
    net = nn.Sequential(_net(), nn.MultiheadAttention(8, 2), nn.Embedding(5, 4), nn.LSTM(3, 4), nn.GroupNorm(2, 4))
    assert all(isinstance(x, np.ndarray) for x in jax.tree.leaves(nnx.state(net)))
    assert len(jax.live_arrays()) == before


def test_dropout_needs_a_key_only_when_it_draws():
    x = jnp.ones((4, 1000))
    layer = nn.Dropout(0.25)
    with pytest.raises(Refused, match="R06"):
        layer(x)
    with randomness(jax.random.key(0)):
        first, second = layer(x), layer(x)
    with randomness(jax.random.key(0)):
        again = layer(x)
    assert jnp.array_equal(first, again) and not jnp.array_equal(first, second)
    assert abs(float(jnp.mean(first)) - 1) < 0.05 and set(np.unique(first)) == {0.0, np.float32(1 / 0.75)}
    assert nn.Dropout(0.0)(x) is x and layer.eval()(x) is x


def test_channel_dropout_drops_whole_channels():
    with randomness(jax.random.key(1)):
        kept = np.asarray(nn.Dropout2d(0.5)(jnp.ones((8, 16, 3, 3)))).reshape(128, 9)
    assert all(len(set(row)) == 1 for row in kept) and 0.3 < (kept[:, 0] > 0).mean() < 0.7


def test_random_tensors_of_a_running_module_come_from_the_key():
    class Noisy(nn.Module):
        def forward(self, x):
            return x + ops.rand_like(x) + ops.bernoulli_(ops.new_empty(x, (x.shape[0], 1)), 0.5)

    noisy = Noisy()
    with pytest.raises(Refused, match="R06"):
        noisy(jnp.zeros((2, 2)))

    @jax.jit
    def run(key):
        with randomness(key):
            return noisy(jnp.zeros((2, 2)))

    assert not jnp.array_equal(run(jax.random.key(0)), run(jax.random.key(1)))


@pytest.mark.parametrize(
    ("fill", "mean", "std"),
    [
        (lambda p: init.xavier_uniform_(p), 0, math.sqrt(2 / 500)),
        (lambda p: init.xavier_normal_(p, gain=2.0), 0, 2 * math.sqrt(2 / 500)),
        (lambda p: init.kaiming_uniform_(p, a=math.sqrt(5)), 0, 1 / math.sqrt(3 * 300)),
        (lambda p: init.kaiming_normal_(p, mode="fan_out", nonlinearity="relu"), 0, math.sqrt(2 / 200)),
        (lambda p: init.kaiming_normal_(p), 0, math.sqrt(2 / 300)),
        (lambda p: init.trunc_normal_(p, std=0.02), 0, 0.02),
        (lambda p: init.trunc_normal_(p, std=1.0), 0, 0.8796),
        (lambda p: init.normal_(p, 1.0, 0.5), 1, 0.5),
        (lambda p: init.uniform_(p, 1.0, 3.0), 2, 1 / math.sqrt(3)),
        (lambda p: ops.uniform_(p, -1, 1), 0, 1 / math.sqrt(3)),
        (lambda p: init.orthogonal_(p), 0, 1 / math.sqrt(300)),
    ],
)
def test_initialisers(fill, mean, std):
    parameter = nn.Parameter(ops.zeros(200, 300))
    assert fill(parameter) is parameter
    numbers = parameter[...]
    assert abs(numbers.mean() - mean) < 0.01 * max(1, std * 5) and abs(numbers.std() / std - 1) < 0.02


def test_exact_initialisers():
    square = nn.Parameter(ops.zeros(4, 4))
    assert np.array_equal(init.eye_(square)[...], np.eye(4))
    assert np.array_equal(init.constant_(square, 2.5)[...], np.full((4, 4), 2.5))
    kernel = nn.Parameter(ops.zeros(4, 4, 3, 3))
    init.dirac_(kernel)
    x = np.random.default_rng(0).standard_normal((1, 4, 5, 5)).astype(np.float32)
    np.testing.assert_allclose(F.conv2d(x, kernel, padding=1), x, rtol=1e-6)
    matrix = nn.Parameter(ops.zeros(3, 5))
    init.orthogonal_(matrix)
    np.testing.assert_allclose(matrix[...] @ matrix[...].T, np.eye(3), atol=1e-6)


def test_state_is_copied_both_ways_or_not_at_all():
    net = _net()
    state = state_dict(net)
    assert sorted(state) == [
        "0.bias", "0.weight", "1.bias", "1.num_batches_tracked", "1.running_mean", "1.running_var", "1.weight",
        "3.bias", "3.weight",
    ]  # fmt: skip
    changed = {name: np.ones_like(array) for name, array in state.items()}
    load_state_dict(net, changed)
    assert all(np.array_equal(state_dict(net)[name], changed[name]) for name in changed)
    wrong = dict(state)
    wrong["9.weight"] = wrong.pop("0.weight")
    wrong["3.bias"] = np.ones(6)
    with pytest.raises(
        ValueError, match=r"missing: 0\.weight; unexpected: 9\.weight; wrong shape: 3\.bias \(6,\) for \(5,\)"
    ):
        load_state_dict(net, wrong)
    assert np.array_equal(state_dict(net)["1.weight"], changed["1.weight"])


def test_bfloat16_stays_bfloat16():
    net = nn.Sequential(
        nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.BatchNorm2d(4), nn.GELU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 1),
        nn.GroupNorm(2, 8), nn.Hardswish(), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Flatten(2),
        nn.LayerNorm(64), nn.AvgPool1d(2, 1, 1), nn.Softmax(-1),
    )  # fmt: skip
    graph, state = nnx.split(net.eval())
    half = jax.tree.map(lambda x: x.astype(jnp.bfloat16) if x.dtype == np.float32 else x, state)
    model = nnx.merge(graph, half)
    assert jax.eval_shape(model, jax.ShapeDtypeStruct((2, 4, 8, 8), jnp.bfloat16)).dtype == jnp.bfloat16
