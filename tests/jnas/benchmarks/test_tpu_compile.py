from __future__ import annotations

from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

from jnas.benchmarks import tpu_compile
from jnas.benchmarks.__main__ import main
from jnas.library.store import open_library
from jnas.trees.node import Node, network

TREE = network(Node("jnas.ConvNormAct", {"out_channels": 4, "stride": 2}), [Node("jnas.MaxPool")])


def test_without_libtpu_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tpu_compile, "find_spec", lambda name: None)
    assert main(["tpu-compile"]) == 2
    error = capsys.readouterr().err
    assert "pip install libtpu" in error and error.count("\n") == 1


def test_the_step_is_that_of_an_accelerator_and_its_costs_are_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled for a device of this machine in the place of a TPU that is not there."""
    import jax

    monkeypatch.setattr(tpu_compile, "topology", lambda chips: SimpleNamespace(devices=jax.devices()[:1]))
    monkeypatch.setattr(tpu_compile, "IMAGES", 300)
    rows = tpu_compile._rows("small, 1 chip", TREE, open_library(), 1)
    values = {row.name.partition(": ")[2]: row.value for row in rows}
    assert values.keys() == {"compiled in", "flops", "bytes", "memory", "roofline"}
    assert all(np.isfinite(value) and value > 0 for value in values.values())


@pytest.mark.slow
@pytest.mark.skipif(find_spec("libtpu") is None, reason="needs libtpu")
def test_a_small_tree_compiles_for_v5e() -> None:
    assert all(row.met for row in tpu_compile._rows("small, 1 chip", TREE, open_library(), 1))
