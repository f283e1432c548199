"""Data-parallel training over virtual devices: what one device computes, eight compute together."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jnas.training import weights
from jnas.training.sharding import data_mesh
from jnas.trees.node import Node, network, to_json
from translators.diagnostics import UserError

PROGRAM = """
import numpy as np
from jnas.library.store import open_library
from jnas.models.build import build
from jnas.training import loop
from jnas.training.data import open_dataset
from jnas.training.recipes import Recipe
from jnas.trees.node import Node, network

tree = network(Node("jnas.ConvNormAct", {"out_channels": 8, "stride": 2}), [Node("jnas.BasicResidual", {"stride": 2})])
dataset = open_dataset("fashion_mnist_small", validation=4872)
recipe = Recipe(epochs=5, batch_size=32, learning_rate=0.05)  # 20 steps
fits = []
for devices in (1, 8):
    model = build(tree, open_library(), dataset.shape, dataset.classes)
    fits.append(loop.fit(model, dataset, recipe, seed=0, devices=devices))
one, eight = fits
assert np.isfinite(one.loss) and abs(one.loss - eight.loss) < 1e-5, (one.loss, eight.loss)
for name, array in one.state.items():
    difference = np.abs(array - eight.state[name]).max()
    assert difference <= 1e-5, (name, difference)
"""


def environment(devices: int, **more: str) -> dict[str, str]:
    flags = f"--xla_force_host_platform_device_count={devices}"
    return {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", **more}


def test_eight_devices_train_like_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment(8), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_two_processes_train_as_one_launch(tmp_path: Path) -> None:
    """Each with two devices, joined by what a launcher puts into their environments."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    tree = network(Node("jnas.ConvNormAct", {"out_channels": 8, "stride": 2}), [Node("jnas.MaxPool")])
    (tmp_path / "tree.json").write_text(json.dumps(to_json(tree)))
    command = [sys.executable, "-m", "jnas.train", "--tree", str(tmp_path / "tree.json")]
    command += ["--recipe", "quick", "--epochs", "1"]
    command += ["--validation", "0.97", "--score-on", "validation", "--out", str(tmp_path / "out")]
    launch = [
        subprocess.Popen(
            command,
            env=environment(2, JAX_COORDINATOR_ADDRESS=address, JAX_NUM_PROCESSES="2", JAX_PROCESS_ID=str(process)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for process in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=120) for process in launch]
    finally:
        for process in launch:
            process.kill()
    assert [process.returncode for process in launch] == [0, 0], outputs
    assert "on validation" in outputs[0][0] and "on validation" not in outputs[1][0]
    assert weights.load(tmp_path / "out" / "weights" / "seed-777")


def test_impossible_numbers_of_devices_are_refused() -> None:
    with pytest.raises(UserError, match="devices = 99: expected 1 to"):
        data_mesh(64, 99)
    with pytest.raises(UserError, match="devices = 0: expected 1 to"):
        data_mesh(64, 0)
