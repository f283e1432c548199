"""What the engine benchmark compares is the same network in every form."""

from __future__ import annotations

import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from flax import nnx

from jnas.benchmarks.engine import NETWORKS
from jnas.benchmarks.engine_child import SOURCE
from jnas.benchmarks.stock import linen_network, nnx_network
from translators.emission import standalone
from translators.sources import open_source
from translators.translation import translate_class


@pytest.fixture(scope="module")
def emitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine")
    for network in NETWORKS:
        translation = translate_class(open_source(str(SOURCE)), network.title())
        (name,) = translation.outcomes
        (folder / f"{network.title()}.py").write_text(standalone(translation, name))
    return folder


def _count(tree):
    return sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("network", NETWORKS)
def test_all_forms_have_the_same_number_of_parameters(network, emitted):
    stock = nnx.eval_shape(lambda: nnx_network(network, nnx.Rngs(0)))
    linen = linen_network(network)
    variables = jax.eval_shape(lambda: linen.init(jax.random.key(0), np.zeros((1, 32, 32, 3), np.float32), False))
    namespace: dict = {"__name__": network}
    exec(compile((emitted / f"{network.title()}.py").read_text(), network, "exec"), namespace)
    ours = _count(nnx.state(namespace[network.title()](), nnx.Param))
    assert ours == _count(nnx.state(stock, nnx.Param)) == _count(variables["params"])


def test_a_tool_trains_and_says_its_times(emitted):
    command = [sys.executable, "-m", "jnas.benchmarks.engine_child", "jnas", "attention", "4", "2", str(emitted)]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert len(said["steps"]) == 2 and said["first"] > 0
    assert all(map(np.isfinite, said["losses"]))
