"""The module base: PyTorch's attribute rules, Flax's graph, names, modes."""

import copy
from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from translators.diagnostics import Refused
from translators.runtime import functional as F
from translators.runtime import nn, ops
from translators.runtime.module import Frozen


class Block(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.norm = None
        self.conv = nn.Conv2d(width, width, 1)
        self.norm = nn.BatchNorm2d(width)
        self.scale = nn.Parameter(ops.ones(width))
        self.register_buffer("order", ops.arange(width))
        self.register_buffer("mean", ops.zeros(width))
        self.register_buffer("table", ops.ones(2), persistent=False)
        self.register_buffer("absent", None)
        self.settings = {"device": None, "kernel": [1, 1]}
        self.constants = [ops.ones(2), ops.zeros(3)]

    def forward(self, x):
        return self.norm(self.conv(x))[:, self.order] * self.scale.reshape(-1, 1, 1)


def test_an_attribute_may_be_none_first_and_a_module_later():
    graph, state = nnx.split(Block())
    assert nnx.merge(graph, state).norm.weight.shape == (4,)


def test_the_state_has_three_kinds_and_integer_buffers_are_constants():
    _, parameters, statistics, rest = nnx.split(Block(), nnx.Param, nnx.BatchStat, ...)
    assert {path[-1] for path, _ in nnx.to_flat_state(parameters)} == {"weight", "bias", "scale"}
    assert {path[-1] for path, _ in nnx.to_flat_state(statistics)} == {
        "running_mean", "running_var", "num_batches_tracked", "mean", "table"
    }  # fmt: skip
    assert not nnx.to_flat_state(rest)


def test_equal_modules_have_equal_graphs():
    first, second, other = (nnx.split(Block(width))[0] for width in (4, 4, 5))
    assert first == second and hash(first) == hash(second)
    assert first != other


def test_running_in_jit_updates_statistics_only_in_training():
    block = Block()
    x = np.random.default_rng(0).standard_normal((8, 4, 3, 3)).astype(np.float32)
    for training in (True, False):
        graph, parameters, rest = nnx.split(block.train(training), nnx.Param, ...)

        @jax.jit
        def run(parameters, rest, x, graph=graph):
            model = nnx.merge(graph, parameters, rest, copy=True)
            model(x)
            return nnx.split(model, nnx.Param, ...)[2]

        after = nnx.merge(graph, parameters, run(parameters, rest, x))
        assert (int(after.norm.num_batches_tracked[...]) == 1) == training
        assert bool(np.any(np.asarray(after.norm.running_mean[...]))) == training


def test_gradients_leave_out_buffers_and_frozen_parameters():
    block = Block()
    block.conv.requires_grad_(False)
    graph, parameters, rest = nnx.split(block.eval(), nnx.Param, ...)
    gradient = jax.grad(lambda p: nnx.merge(graph, p, rest, copy=True)(jnp.ones((1, 4, 2, 2))).sum())(parameters)
    assert {".".join(map(str, path)) for path, _ in nnx.to_flat_state(gradient)} == {
        "norm.weight",
        "norm.bias",
        "scale",
    }
    assert isinstance(block.conv.weight, Frozen) and isinstance(block.conv.weight, nn.Parameter)
    assert "conv.weight" in dict(block.named_parameters())


def test_names_as_in_pytorch():
    block = nn.Sequential(OrderedDict(a=Block(2), b=nn.ModuleList([nn.ReLU(), nn.Linear(2, 2)])))
    assert [name for name, _ in block.named_modules()] == ["", "a", "a.conv", "a.norm", "b", "b.0", "b.1"]
    assert [name for name, _ in block.a.named_parameters()] == [
        "scale", "conv.weight", "conv.bias", "norm.weight", "norm.bias"
    ]  # fmt: skip
    assert [name for name, _ in block.a.named_buffers(recurse=False)] == ["order", "mean", "table"]
    assert block.get_submodule("b.1") is block.b[1]
    assert block.get_parameter("a.conv.bias") is block.a.conv.bias


def test_children_keep_their_order_through_a_merge():
    container = nn.ModuleDict({name: nn.Linear(1, 1) for name in "zebra"})
    stack = nn.Sequential(*(nn.Linear(1, 1) for _ in range(12)))
    assert list(nnx.merge(*nnx.split(container))) == list("zebra")
    assert [n for n, _ in nnx.merge(*nnx.split(stack)).named_children()] == [str(i) for i in range(12)]


def test_a_shared_module_is_one_module():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(2, 2)
            self.second = self.first
            self.loose = [self.first]

    merged = nnx.merge(*nnx.split(Tied()))
    assert merged.first is merged.second is merged.loose[0]
    assert len(list(merged.parameters())) == 2


def test_containers_behave_like_lists_and_dictionaries():
    layers = nn.ModuleList([nn.Linear(1, n) for n in (1, 2, 3)])
    layers.append(nn.Linear(1, 4)).extend([nn.Linear(1, 5)])
    layers.insert(0, nn.Identity())
    layers[1] = nn.ReLU()
    del layers[2]
    assert [type(layer).__name__ for layer in layers] == ["Identity", "ReLU", "Linear", "Linear", "Linear"]
    assert len(layers) == 5 and layers[-1].out_features == 5 and isinstance(layers[1:], nn.ModuleList)
    assert [name for name, _ in layers.named_children()] == list("01234")
    holes = nn.ModuleList([None, nn.ReLU(), None])
    holes.append(nn.Linear(1, 1))
    holes[0] = nn.Tanh()
    assert [type(layer).__name__ for layer in holes] == ["Tanh", "ReLU", "NoneType", "Linear"] and len(holes) == 4
    assert [name for name, _ in holes.named_children()] == ["0", "1", "3"]
    pair = nn.Sequential(nn.ReLU(), nn.Linear(2, 3), nn.ReLU())
    assert isinstance(pair[:2], nn.Sequential) and pair[:2](np.ones((1, 2), np.float32)).shape == (1, 3)
    names = nn.ModuleDict({"a": nn.ReLU()})
    names["b"] = nn.Linear(1, 1)
    assert "a" in names and list(names.keys()) == ["a", "b"] and names.pop("a") and len(names) == 1
    numbers = nn.ParameterList([ops.ones(2), nn.Parameter(ops.zeros(3))])
    assert [p.shape for p in numbers] == [(2,), (3,)] and len(list(numbers.parameters())) == 2


def test_reassigning_a_buffer_writes_into_it_and_an_integer_one_is_refused():
    class Counter(nn.Module):
        def __init__(self, dtype):
            super().__init__()
            self.register_buffer("seen", ops.zeros(2, dtype=dtype))

        def forward(self, x):
            self.seen = self.seen + x
            return x

    counter = Counter(ops.float32)
    counter(jnp.ones(2))
    assert counter.seen[...].tolist() == [1.0, 1.0]
    with pytest.raises(Refused, match="R09"):
        Counter(ops.long)(jnp.ones(2, jnp.int32))
    with pytest.raises(Refused, match="changes shape"):
        counter(jnp.ones((3, 2)))


def test_a_parameter_created_in_forward_is_refused():
    class Late(nn.Module):
        def forward(self, x):
            return nn.Linear(2, 2)(x)

    with pytest.raises(Refused, match="R09"):
        Late()(jnp.ones((1, 2)))


def test_parameters_and_buffers_are_arrays_in_expressions():
    block = Block()
    assert (np.ones(4, np.float32) * block.scale).shape == (4,)
    assert (2 - block.mean).shape == (4,) and (block.scale @ block.scale).shape == ()
    assert ops.view(block.scale, 2, 2).shape == (2, 2)
    block.scale.data = np.full(4, 3.0, np.float32)
    assert ops.sum(block.scale) == 12


def test_methods_of_other_objects_stay_theirs():
    assert ops.split("a,b", ",") == ["a", "b"]
    assert ops.sort([2, 1]) is None
    assert ops.repeat(Repeater(), 3) == 3
    assert ops.size(np.zeros((2, 3)), -1) == 3 and ops.numel((2, 3)) == 6


class Repeater:
    def repeat(self, n):
        return n


def test_a_deep_copy_is_independent():
    layer = nn.Linear(2, 2)
    twin = copy.deepcopy(layer)
    ops.zero_(twin.weight)
    assert np.any(layer.weight[...]) and not np.any(twin.weight[...])


def test_subclasses_of_layers_see_their_geometry():
    class Standardised(nn.Conv2d):
        def forward(self, x):
            weight = (self.weight - ops.mean(self.weight, (1, 2, 3), keepdim=True)) / 2
            return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    layer = Standardised(2, 4, 3, stride=2, padding=1)
    assert isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3) and layer.padding == (1, 1)
    assert layer(np.ones((1, 2, 8, 8), np.float32)).shape == (1, 4, 4, 4)


def test_apply_visits_children_first_and_hidden_attributes_stay_out_of_the_state():
    seen = []
    block = Block()
    block.apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Conv2d", "BatchNorm2d", "Block"]
    block.settings["kernel"].append(2)
    assert block.settings["kernel"] == [1, 1, 2] and block.constants[1].shape == (3,)


def test_a_part_with_a_train_of_its_own_decides_for_itself():
    class Steady(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(2)
            self.act = nn.ReLU()

        def train(self, mode=True):
            super().train(mode)
            self.norm.eval()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.steady = Steady()
            self.more = nn.Sequential(nn.Identity())

    net = Net().train()
    modes = {name for name, module in net.named_modules() if module.training}
    assert modes == {"", "steady", "steady.act", "more", "more.0"}
    assert not any(module.training for module in net.eval().modules())


def test_what_a_traced_forward_keeps_in_containers_ends_with_its_program():
    class Caches(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(ops.ones(3))
            self.cache = {}
            self.known = {"zero": ops.zeros(3)}
            self.seen = []

        def forward(self, x):
            if "bias" not in self.cache:
                self.cache["bias"] = self.bias * 2
            self.known["bias"] = self.cache["bias"] + self.known["zero"]
            self.seen.append([x])
            return {"out": x + self.known["bias"], **self.cache}

    graph, state = nnx.split(Caches())
    before = hash(graph)

    def run(state, x, more):
        module = nnx.merge(graph, state)
        return module(x)["out"] + more, nnx.split(module)[1]

    for more in (0, 1):  # a second program finds nothing of the first
        out, after = jax.jit(run, static_argnums=2)(state, jnp.zeros(3), more)
        np.testing.assert_array_equal(out, [2 + more] * 3)
        assert jax.tree.structure(after) == jax.tree.structure(state) and hash(graph) == before
    module = nnx.merge(graph, state)
    assert set(module(jnp.zeros(3))) == {"out", "bias"} and set(module.cache) == {"bias"}  # as in PyTorch


def test_a_size_may_be_an_attribute():
    class Sized(nn.Module):
        def __init__(self):
            super().__init__()
            self.shape = ops.Size((2, 3))
            self.weight = nn.Parameter(ops.ones(self.shape))

    graph, parameters, rest = nnx.split(Sized(), nnx.Param, ...)
    assert nnx.merge(graph, parameters, rest).shape == (2, 3)
