from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from jnas.training.data import open_dataset
from jnas.training.recipes import Recipe

SCRIPT = Path(__file__).parents[2] / "long" / "resnet_curves.py"


def test_the_losses_of_fifty_steps_are_those_of_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ResNet-8 from the same weights and batches, with crops, flips, weight decay and Nesterov momentum; float32."""
    pytest.importorskip("torch")
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path))
    spec = importlib.util.spec_from_file_location("resnet_curves", SCRIPT)
    assert spec is not None and spec.loader is not None
    curves = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(curves)
    dataset = open_dataset("fashion_mnist_small", validation=4400)
    # At larger rates PyTorch leaves itself by as much when its weights are moved by 1e-7.
    recipe = Recipe(epochs=3, batch_size=32, learning_rate=0.002, label_smoothing=0.1)
    weights, ours = curves.our_losses("resnet8", dataset, recipe, 50)
    theirs = curves.pytorch_losses(weights, dataset, recipe, 50)
    assert len(ours) == 50 and np.mean(ours[-10:]) < np.mean(ours[:10]) - 0.1
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
