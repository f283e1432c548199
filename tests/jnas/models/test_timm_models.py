"""Whole models of timm as trees: the same function in evaluation and in training, and the costs that PyTorch counts."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jnas.library.binding import bind, contract_of
from jnas.library.block import Block
from jnas.library.exact import bind_exact
from jnas.library.execution import KEY, Place, lowering_plainly
from jnas.library.mining import mine
from jnas.library.models import find_model
from jnas.library.store import Library, load_class, open_library, runtime_class
from jnas.models.assembly import assemble
from jnas.models.build import build, construct
from jnas.models.carrying import carry, placements
from jnas.models.costs import inspect
from jnas.models.evaluation import evaluating_here
from jnas.models.lifting import built, lift
from translators.runtime.construction import constructing, randomness
from translators.runtime.state import load_state_dict, state_dict

pytestmark = [
    pytest.mark.slow,  # mines timm where the cache has none of it
    pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed"),
]
CLASSES = 10
MODELS = {
    "resnet18": ({"channels": (8, 16, 24, 32)}, 64),
    "mobilenetv3_small_050": ({}, 64),
    "convnext_atto": ({"depths": (1, 1, 2, 1), "dims": (8, 16, 24, 32)}, 64),
    "deit_tiny_patch16_224": ({"patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}, 32),
    "vit_tiny_patch16_224": ({"patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}, 32),
    "efficientnet_b0": ({}, 64),
    "poolformer_s12": ({"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)}, 64),
    "mixer_s32_224": ({"patch_size": 8, "embed_dim": 32, "num_blocks": 2}, 32),
}
# Counted by PyTorch itself, attention as its two matrix products; torchvision without its compiled part will do.
COUNT = """
import sys, torch
for name in ("nms", "qnms", "deform_conv2d", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool"):
    for operation in (name, f"_{name}_backward"):
        try:
            torch.library.define(f"torchvision::{operation}", "(Tensor x) -> Tensor")
        except RuntimeError:
            pass
import timm
from timm.layers import set_fused_attn
from torch.utils.flop_counter import FlopCounterMode
set_fused_attn(False)
model = timm.create_model(sys.argv[1], num_classes=10).eval()
with FlopCounterMode(display=False) as counter:
    model(torch.zeros(1, 3, 224, 224))
print(counter.get_total_flops() // 2, sum(p.numel() for p in model.parameters()))
"""


@pytest.fixture(scope="module")
def library() -> Library:
    return evaluating_here(open_library(mine(["timm"]).folders))


def pair(name: str, library: Library):
    """(the model, the network of its tree with the same state, (model name, network name) of every array, images)."""
    options, size = MODELS[name]
    shape, block = (3, size, size), find_model(f"timm:{name}", library)
    lifted = lift(block, options, library, shape, CLASSES)
    made, values, _ = built(block, options, library, shape, CLASSES)
    model = construct(made, bind_exact(values, shape, CLASSES), library)
    rng = np.random.default_rng(0)
    state = {key: np.asarray(x) for key, x in state_dict(model).items()}
    state = {
        key: x + (0.1 * np.abs(rng.standard_normal(x.shape))).astype(x.dtype) if x.dtype.kind == "f" else x
        for key, x in state.items()
    }
    load_state_dict(model, state)
    assembly = assemble(lifted.tree, library, shape, CLASSES)
    network = build(lifted.tree, library, shape, CLASSES)
    carry(state, lifted.origins, assembly, network)
    places = sorted(zip(placements(assembly), lifted.origins, strict=True), key=lambda both: -len(both[0]))
    names = {}
    for key in state_dict(network):
        place, origin = next(both for both in places if key.startswith(f"{both[0]}."))
        inside = key.removeprefix(f"{place}.")
        names[key] = f"{origin}.{inside}" if origin else inside
    return model, network, names, jnp.asarray(rng.standard_normal((4, *shape)), jnp.float32)


def trained(module, images):
    """(gradients, state afterwards) of one step in training mode, by PyTorch names."""
    graph, parameters, rest = nnx.split(module.train(), nnx.Param, ...)

    def loss(parameters, rest):
        merged = nnx.merge(graph, parameters, rest, copy=True)
        with randomness(jax.random.key(0)):
            logits = merged(images)
        return jnp.mean((logits - 1.0) ** 2), nnx.split(merged, nnx.Param, ...)[2]

    gradients, after = jax.jit(jax.grad(loss, has_aux=True))(parameters, rest)
    found = (nnx.merge(graph, gradients, rest), nnx.merge(graph, parameters, after))
    return tuple({key: np.asarray(x) for key, x in state_dict(each).items()} for each in found)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_lifted_model_computes_and_learns_the_same(name: str, library: Library) -> None:
    model, network, names, images = pair(name, library)
    theirs, ours = (np.asarray(each.eval()(images)) for each in (model, network))
    assert np.abs(theirs).max() > 1e-3
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * max(1.0, float(np.abs(theirs).max())))
    for mine_, original in zip(trained(network, images), trained(model, images), strict=True):
        for key, origin in names.items():
            scale = 1e-4 * max(1e-3, float(np.abs(original[origin]).max()))
            np.testing.assert_allclose(mine_[key], original[origin], atol=scale, err_msg=f"{key} of {origin}")


@pytest.mark.parametrize("name", ["deit_tiny_patch16_224", "mobilenetv3_small_100", "resnet18"])
def test_costs_are_those_that_pytorch_counts(name: str, library: Library) -> None:
    pytest.importorskip("torch")
    answer = subprocess.run([sys.executable, "-c", COUNT, name], capture_output=True, text=True)
    if answer.returncode:
        pytest.skip(f"timm does not run here: {answer.stderr.strip().splitlines()[-1]}")
    multiply_adds, parameters = map(int, answer.stdout.split())
    tree = lift(find_model(f"timm:{name}", library), {}, library, (3, 224, 224), CLASSES).tree
    found = inspect(tree, library, (3, 224, 224), CLASSES, batch=1)
    assert found.parameters == parameters
    assert abs(found.multiply_adds - multiply_adds) <= 0.005 * multiply_adds


def test_what_can_be_placed_can_be_trained(library: Library) -> None:
    """A step and two evaluations of one module leave the structure of its state as it was."""
    kept = {}
    for block in library.values():
        if block.mined and block.placeable:
            kept[block.name] = _keeps_its_state(block)
    assert len(kept) > 350 and [name for name, keeps in kept.items() if not keeps] == []


def _keeps_its_state(block: Block) -> bool:
    contract = contract_of(block)
    width = contract.exact_width or max(
        contract.width_multiple * -(-64 // contract.width_multiple), contract.minimum_width
    )
    size = max(contract.size_multiple * -(-16 // contract.size_multiple), contract.minimum_size)
    place = Place((width, size, size), contract.layout)
    arguments = {name: runtime_class(value) for name, value in bind(block, {}, place.shape).items()}
    with constructing(abstract=True), lowering_plainly():
        module = load_class(block)(**arguments)
        for training in (True, False, False):
            module.train(training)
            graph, parameters, rest = nnx.split(module, nnx.Param, ...)

            def run(x, key, parameters, rest, graph=graph):
                merged = nnx.merge(graph, parameters, rest)
                with randomness(key):
                    merged(x)
                return nnx.split(merged, nnx.Param, ...)[2]

            image = jax.ShapeDtypeStruct(place.tensor, jnp.float32)
            after = jax.eval_shape(run, image, KEY, parameters, rest)
            if jax.tree.structure(after) != jax.tree.structure(rest):
                return False
    return True
