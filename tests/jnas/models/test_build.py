"""From trees to networks: shapes, seeds, containers, costs, failures."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from jnas.library import primitives, store
from jnas.library.block import Block, Contract
from jnas.library.store import Library, open_library
from jnas.models.build import BuildError, build
from jnas.models.costs import inspect
from jnas.trees.edits import KINDS, apply
from jnas.trees.node import Node, branches, canonical, network, repeat, residual, sequence
from jnas.trees.options import Options
from jnas.trees.shapes import infer
from jnas.trees.starts import START_TREES
from translators.diagnostics import Refused
from translators.runtime import nn

LIBRARY = open_library()
SHAPE = (3, 16, 16)
STEM = Node("jnas.ConvNormAct", {"out_channels": 16})
BLOCK, POOL, MLP = Node("jnas.BasicResidual"), Node("jnas.MaxPool"), Node("jnas.Mlp")


def images(batch: int = 2, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(batch, *shape)).astype(np.float32)


def logits(tree: Node, seed: int = 0) -> np.ndarray:
    return np.asarray(build(tree, LIBRARY, SHAPE, 10, seed=seed).eval()(images()))


@pytest.mark.parametrize("start", sorted(START_TREES))
def test_start_trees_train_and_evaluate(start: str) -> None:
    tree = START_TREES[start]()
    assert canonical(tree, LIBRARY) == tree
    model = build(tree, LIBRARY, SHAPE, 10)
    graph, parameters, rest = nnx.split(model, nnx.Param, ...)

    def loss(parameters: nnx.State, rest: nnx.State) -> jax.Array:
        return jnp.sum(nnx.merge(graph, parameters, rest, copy=True)(images()) ** 2)

    gradients = jax.eval_shape(jax.grad(loss), parameters, rest)
    assert len(jax.tree.leaves(gradients)) == len(jax.tree.leaves(parameters))
    assert infer(tree, LIBRARY, SHAPE)[()][1][0] == model.classifier.weight.shape[1]


def test_known_sizes() -> None:
    """0.27 M parameters and 41 M multiply-adds for ResNet-20, 0.46 M for ResNet-32 (He et al. 2016, table 6)."""
    resnet20 = inspect(START_TREES["resnet20"](), LIBRARY, (3, 32, 32), 10)
    assert resnet20.parameters == 272_474 and 40e6 < resnet20.multiply_adds < 42e6
    assert inspect(START_TREES["resnet32"](), LIBRARY, (3, 32, 32), 10).parameters == 466_906


def test_the_same_seed_and_place_give_the_same_parameters() -> None:
    tree, other = START_TREES["resnet8"](), START_TREES["resnet20"]()
    first, second = build(tree, LIBRARY, SHAPE, 10, seed=3), build(other, LIBRARY, SHAPE, 10, seed=3)
    assert np.array_equal(first.stem.conv.weight[...], second.stem.conv.weight[...])
    assert np.array_equal(logits(tree, 3), logits(tree, 3))
    assert not np.array_equal(logits(tree, 3), logits(tree, 4))


def test_copies_of_a_repeat_start_different_and_longer_repeats_start_the_same() -> None:
    three = build(network(STEM, [repeat(BLOCK, 3)]), LIBRARY, SHAPE, 10)
    two = build(network(STEM, [repeat(BLOCK, 2)]), LIBRARY, SHAPE, 10)
    weights = [copy.conv1.conv.weight[...] for copy in three.stages]
    assert not np.array_equal(weights[0], weights[1])
    assert np.array_equal(weights[1], two.stages[1].conv1.conv.weight[...])


def test_containers_compute_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    class Twice(nn.Module):
        def forward(self, x: jax.Array) -> jax.Array:
            return 2 * x

    monkeypatch.setattr(primitives, "Twice", Twice, raising=False)
    library = Library(MappingProxyType({**LIBRARY.blocks, "jnas.Twice": Block("jnas.Twice", "other", (), Contract())}))
    twice, x = Node("jnas.Twice"), images()
    for body, expected in [
        (sequence(twice, twice), 4 * x),
        (repeat(twice, 3), 8 * x),
        (residual(twice, twice), 5 * x),
        (branches(twice, twice, twice), 6 * x),
        (branches(twice, sequence(twice, twice), join="concat"), np.concatenate([2 * x, 4 * x], 1)),
        (branches(twice, twice, join="gate"), 2 * x / (1 + np.exp(-2 * x))),
    ]:
        model = build(network(twice, [body]), library, SHAPE, 10)
        np.testing.assert_allclose(model.stages(x), expected, rtol=1e-5, atol=1e-6)


def test_layouts_meet_at_channels_first() -> None:
    """A block that normalises channels does so wherever its own layout has them."""
    tree = network(STEM, [sequence(Node("jnas.LayerNorm"), MLP, Node("jnas.TokenMixer"))])
    assert "Layout" in {type(module).__name__ for module in build(tree, LIBRARY, SHAPE, 10).stages}
    norm = build(network(Node("jnas.LayerNorm"), [POOL]), LIBRARY, SHAPE, 10).stem
    x = images()
    centred = x - x.mean(1, keepdims=True)
    np.testing.assert_allclose(norm(x), centred / np.sqrt(x.var(1, keepdims=True) + 1e-5), rtol=1e-4, atol=1e-5)
    assert logits(tree).shape == (2, 10)


NODES = st.recursive(
    st.sampled_from([BLOCK, POOL, MLP, Node("jnas.MaxPool", {"stride": 1}), Node("jnas.SqueezeExcite")]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=2).map(lambda b: sequence(*b)),
        st.lists(inner, min_size=1, max_size=2).map(lambda b: residual(*b)),
        st.tuples(inner, st.integers(1, 2)).map(lambda b: repeat(*b)),
        st.tuples(st.lists(inner, min_size=1, max_size=2), st.sampled_from(("add", "gate"))).map(
            lambda b: branches(*b[0], join=b[1])
        ),
    ),
    max_leaves=4,
)


@given(st.lists(NODES, min_size=1, max_size=2).map(lambda stages: network(STEM, stages)))
@settings(max_examples=15, deadline=None)
def test_the_canonical_form_computes_the_same(tree: Node) -> None:
    def constant(tree: Node) -> np.ndarray:  # parameters by shape, for the canonical form may order them anew
        model = build(tree, LIBRARY, (3, 4, 4), 10)
        for parameter in model.parameters():
            parameter[...] = np.random.default_rng(parameter.shape).normal(0, 0.1, parameter.shape).astype(np.float32)
        return np.asarray(model.eval()(images(shape=(3, 4, 4))))

    np.testing.assert_allclose(constant(tree), constant(canonical(tree, LIBRARY)), rtol=1e-4, atol=1e-4)


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_every_offered_edit_builds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tree = START_TREES["resnet8"]()
    for _ in range(3):
        kind = KINDS[rng.integers(len(KINDS))]
        options = Options(tree, LIBRARY, SHAPE)
        path = next(options.draw_places(kind, rng), None)
        if path is None:
            continue
        block = next(options.draw_blocks(kind, path, rng), None)
        name, chosen = None, {}
        if kind == "set":
            offered = options.arguments(kind, path, None)
            name = sorted(offered)[rng.integers(len(offered))]
            chosen = {name: offered[name][rng.integers(len(offered[name]))]}
        elif block is not None:
            name = block.name
            offered = options.arguments(kind, path, name)
            changed = sorted(offered)[rng.integers(len(offered))] if offered else None
            chosen = {changed: offered[changed][rng.integers(len(offered[changed]))]} if changed else {}
        edit = options.make_edit(kind, path, name, chosen)
        tree = canonical(apply(tree, edit), LIBRARY)
        inspection = inspect(tree, LIBRARY, SHAPE, 10, batch=2)
        assert inspection.nodes[""].out_shape == (10, 1, 1)
        model = build(tree, LIBRARY, SHAPE, 10, abstract=True)
        assert sum(np.prod(p.shape, dtype=int) for p in model.parameters()) == inspection.parameters


def test_abstract_parameters_cost_no_memory() -> None:
    model = build(START_TREES["resnet20"](), LIBRARY, SHAPE, 10, abstract=True)
    arrays = [np.asarray(parameter[...]) for parameter in model.parameters()]
    assert all(set(array.strides) == {0} for array in arrays if array.size > 1)


def test_costs_of_nodes_add_up() -> None:
    tree = network(STEM, [repeat(BLOCK, 3), branches(BLOCK, MLP, join="concat")])
    found = inspect(tree, LIBRARY, SHAPE, 10)
    nodes = found.nodes
    assert nodes["stages.0"].parameters == 3 * nodes["stages.0.body"].parameters
    assert nodes["stages.1"].out_shape == (32, 16, 16)
    total = sum(nodes[name].multiply_adds for name in ("stem", "stages.0", "stages.1", "classifier"))
    assert found.multiply_adds == total
    assert nodes["stem"].multiply_adds == 16 * 16 * 16 * 3 * 9
    assert nodes["stages.1.body.1"].multiply_adds == 2 * 16 * 16 * 16 * 64
    assert inspect(tree, LIBRARY, SHAPE, 10, batch=8).multiply_adds == total


def test_a_depthwise_convolution_counts_as_one() -> None:
    depthwise = Node("jnas.ConvNormAct", {"groups": 8})
    found = inspect(network(STEM, [depthwise]), LIBRARY, SHAPE, 10)
    assert found.nodes["stages.0"].multiply_adds == 16 * 16 * 16 * 9 * 2


class Broken(nn.Module):
    def __init__(self, how: str):
        super().__init__()
        self.how = how
        if how == "constructor":
            raise ZeroDivisionError("no width")

    def forward(self, x: jax.Array) -> jax.Array:
        if self.how == "refuses":
            raise Refused("R10", "torch.svd is not supported")
        if self.how == "raises":
            raise ValueError("bad\nshape")
        if self.how == "has no gradient":
            return jax.lax.while_loop(lambda y: jnp.sum(y) < 0, lambda y: y + 1, x)
        return x[:, :1]


@pytest.mark.parametrize(
    "how, reason, message",
    [
        ("constructor", "error", "jnas.Broken: ZeroDivisionError: no width"),
        ("refuses", "refused", "R10: torch.svd is not supported"),
        ("raises", "error", "jnas.Broken: ValueError: bad"),
        ("has no gradient", "error", "jnas.Broken: ValueError: Reverse-mode differentiation does not work"),
        ("lies", "shape", r"jnas.Broken gives \(64, 1, 16, 16\), its contract says \(64, 16, 16, 16\)"),
    ],
)
def test_a_failing_block_is_named(monkeypatch: pytest.MonkeyPatch, how: str, reason: str, message: str) -> None:
    block = Block("jnas.Broken", "other", (), Contract(supplied=MappingProxyType({"how": how})))
    library = dataclasses.replace(LIBRARY, blocks=MappingProxyType({**LIBRARY.blocks, "jnas.Broken": block}))
    monkeypatch.setattr(
        store,
        "load_class",
        lambda block: Broken if block.name == "jnas.Broken" else getattr(primitives, block.name[5:]),
    )
    for _ in range(2):  # the second time from memory
        with pytest.raises(BuildError, match=message) as caught:
            inspect(network(STEM, [sequence(BLOCK, Node("jnas.Broken"))]), library, SHAPE, 10)
        assert caught.value.reason == reason and caught.value.path == ("stages", 0, "body", 1)


def test_a_tree_that_does_not_fit_is_a_shape_error() -> None:
    tree = network(STEM, [residual(Node("jnas.BasicResidual", {"out_channels": 32}))])
    for attempt in (inspect, build):
        with pytest.raises(BuildError, match=r"stages.0: shape: a residual keeps its shape") as caught:
            attempt(tree, LIBRARY, SHAPE, 10)
        assert caught.value.reason == "shape"
