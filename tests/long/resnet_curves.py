"""A ResNet of ours beside PyTorch: the losses of its first steps from the same weights, batches, crops and flips.

    python tests/long/resnet_curves.py --tree resnet32 --dataset cifar10 --data-dir PREPARED --steps 50

Needs torch. Prints the largest difference and exits with 1 where it is over 1e-3. Rounding grows step by step, the more
the higher the rate: at that of a recipe PyTorch leaves itself by as much when its weights are moved by 1e-7.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from jnas.library.store import open_library
from jnas.models.build import build
from jnas.training.batches import epoch_batches
from jnas.training.data import Dataset, open_dataset
from jnas.training.loop import fit
from jnas.training.recipes import RECIPES, Recipe
from jnas.trees.starts import START_TREES
from translators.runtime.state import state_dict

TOLERANCE = 1e-3


class Enough(Exception):
    pass


def our_losses(tree: str, dataset: Dataset, recipe: Recipe, steps: int) -> tuple[dict[str, np.ndarray], list[float]]:
    """(weights before, loss of each step)."""
    model = build(START_TREES[tree](), open_library(), dataset.shape, dataset.classes, seed=0)
    before = {name: np.array(array) for name, array in state_dict(model).items()}
    losses: list[float] = []

    def record(epoch: int, step: int, total: int, loss: float) -> None:
        losses.append(loss)
        if step == steps:
            raise Enough

    with contextlib.suppress(Enough):
        fit(model, dataset, recipe, seed=0, devices=1, progress=record)
    return before, losses


def pytorch_losses(weights: Mapping[str, np.ndarray], dataset: Dataset, recipe: Recipe, steps: int) -> list[float]:
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(1)  # more would wait for each other where cores are shared

    state = {name: torch.tensor(array) for name, array in weights.items() if "tracked" not in name}
    learned = [value for name, value in state.items() if "running" not in name]
    for value in learned:
        value.requires_grad_()

    def conv(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        kernel = state[f"{name}.conv.weight"]
        x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        running = state[f"{name}.norm.running_mean"], state[f"{name}.norm.running_var"]
        return F.batch_norm(x, *running, state[f"{name}.norm.weight"], state[f"{name}.norm.bias"], training=True)

    blocks = [name.removesuffix(".conv1.conv.weight") for name in state if name.endswith(".conv1.conv.weight")]

    def network(x: torch.Tensor) -> torch.Tensor:
        x = F.relu(conv(x, "stem"))
        for block in blocks:
            projects = f"{block}.shortcut.project.conv.weight" in state
            inner = F.relu(conv(x, f"{block}.conv1", 2 if projects else 1))
            x = F.relu(conv(inner, f"{block}.conv2") + (conv(x, f"{block}.shortcut.project", 2) if projects else x))
        return F.linear(x.mean((2, 3)), state["classifier.weight"], state["classifier.bias"])

    optimiser = torch.optim.SGD(
        learned, lr=1.0, momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=recipe.weight_decay
    )
    train, losses = dataset.train, []
    per_epoch = len(train) // recipe.batch_size
    rates = recipe.learning_rates(per_epoch)
    for step in range(steps):
        batches = epoch_batches(train, recipe, rates, 0, step // per_epoch)
        row = {name: values[step % per_epoch] for name, values in batches.items()}
        images = augmented(train.images[row["indices"]], row["moves"], row["mirrored"])
        x = (torch.tensor(images.astype(np.float32)) - torch.tensor(dataset.mean)) / torch.tensor(dataset.std)
        loss = F.cross_entropy(
            network(x.permute(0, 3, 1, 2)),
            torch.tensor(train.labels[row["indices"]]).long(),
            label_smoothing=recipe.label_smoothing,
        )
        optimiser.param_groups[0]["lr"] = float(row["rate"])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def augmented(images: np.ndarray, moves: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Padded with black, cut out again and flipped, an image at a time."""
    _, height, width, _ = images.shape
    pad = int(np.abs(moves).max())
    padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    out = np.empty_like(images)
    for index, ((down, right), flip) in enumerate(zip(moves, mirrored, strict=True)):
        cut = padded[index, pad - down : pad - down + height, pad - right : pad - right + width]
        out[index] = cut[:, ::-1] if flip else cut
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", default="resnet32", choices=sorted(name for name in START_TREES if "resnet" in name))
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--data-dir")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=2e-5)
    options = parser.parse_args()
    dataset = open_dataset(options.dataset, options.data_dir)
    recipe = replace(RECIPES["nasbench201"], batch_size=options.batch_size, learning_rate=options.learning_rate)
    weights, ours = our_losses(options.tree, dataset, recipe, options.steps)
    theirs = pytorch_losses(weights, dataset, recipe, options.steps)
    worst = float(np.abs(np.subtract(ours, theirs)).max())
    print(f"{options.steps} steps, loss from {ours[0]:.4f} to {ours[-1]:.4f}; largest difference {worst:.2e}")
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
