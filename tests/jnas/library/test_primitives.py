"""Our own blocks do what their declared contracts say, by the same means as mined ones."""

import inspect

import jax
import numpy as np
import pytest

from jnas.library.binding import bind, open_arguments, output_shape
from jnas.library.block import FAMILIES, LAYOUTS, ROLES
from jnas.library.contracts import fits
from jnas.library.declarations import OWN_BLOCKS
from jnas.library.execution import Place
from jnas.library.experiments import Experiment
from jnas.library.families import family_of, observe
from jnas.library.store import construct, load_class, runtime_class
from translators.runtime.construction import constructing

NAMES = sorted(OWN_BLOCKS)
SHAPES = [(16, 8, 8), (48, 14, 14), (64, 7, 7)]


@pytest.mark.parametrize("name", NAMES)
def test_declared_arguments_are_those_of_the_constructor(name):
    block = OWN_BLOCKS[name]
    signature = inspect.signature(load_class(block).__init__).parameters
    assert [p.name for p in block.parameters] == list(signature)[1:]
    for parameter in block.parameters:
        default = signature[parameter.name].default
        assert parameter.required == (default is inspect.Parameter.empty)
        if not parameter.required:
            assert runtime_class(parameter.default) == default
        assert parameter.role in ROLES


@pytest.mark.parametrize("name", NAMES)
def test_every_offered_value_executes_as_the_contract_predicts(name):
    block = OWN_BLOCKS[name]
    experiment = Experiment(load_class(block), ())
    executed = 0
    for shape in SHAPES:
        place = Place(shape, block.contract.layout)
        try:
            bind(block, {}, shape)
        except Exception:
            continue
        for training in (False, True):
            assert fits(experiment, block, {}, place.at(training=training))
        for argument, values in open_arguments(block, shape).items():
            assert all(fits(experiment, block, {argument: value}, place) for value in values), (argument, shape)
        executed += 1
    assert executed >= 1


@pytest.mark.parametrize("name", NAMES)
def test_the_declared_family_is_what_the_trace_shows(name):
    block = OWN_BLOCKS[name]
    place = Place((64, 16, 16), block.contract.layout)
    arguments = bind(block, {}, place.shape)
    assert family_of(observe(load_class(block), arguments, place), block.contract, name) == block.family


def test_each_family_and_layout_has_a_block():
    assert {block.family for block in OWN_BLOCKS.values()} == set(FAMILIES)
    assert {block.contract.layout for block in OWN_BLOCKS.values()} == set(LAYOUTS)


def test_a_bound_block_computes_finite_numbers():
    block = OWN_BLOCKS["jnas.InvertedResidual"]
    with constructing(seed=1):
        module = construct(block, bind(block, {"squeeze_excite": True, "stride": 2}, (8, 6, 6))).eval()
    x = np.random.default_rng(0).normal(size=(2, 8, 6, 6)).astype(np.float32)
    y = jax.jit(lambda x: module(x))(x)
    assert y.shape[1:] == output_shape(block, {"stride": 2}, (8, 6, 6))
    assert np.isfinite(y).all() and np.std(y) > 0
