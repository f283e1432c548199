"""One tool trains one network on noise: python -m jnas.benchmarks.engine_child TOOL NETWORK BATCH STEPS.

Prints a line of JSON: seconds from the first line of building the network to the end of its first training step, and
of each later step. Everything that the tool needs is imported before.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).parents[1] / "data" / "engine_networks.py"
RATE, MOMENTUM, DECAY = 0.1, 0.9, 5e-4


def _module(path: Path) -> Any:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _ours(network: str, images: np.ndarray, labels: np.ndarray, folder: Path) -> Any:
    """The translated network under jnas' own steps: augmentation included, which the others do without."""
    import jax

    from jnas.training.batches import epoch_batches
    from jnas.training.data import Dataset, Split
    from jnas.training.programs import LONG, Programs
    from jnas.training.recipes import Recipe
    from jnas.training.sharding import data_mesh

    cls = getattr(_module(folder / f"{network.title()}.py"), network.title())
    split = Split(images, labels)
    statistics = (125.0,) * 3, (60.0,) * 3
    dataset = Dataset("noise", split, split, tuple("0123456789"), *statistics, lambda: split)
    recipe = Recipe(epochs=LONG, batch_size=len(images), learning_rate=RATE, momentum=MOMENTUM, weight_decay=DECAY)
    (batch,) = jax.tree.map(
        lambda values: values[:1], [epoch_batches(split, recipe, recipe.learning_rates(1), seed=0, epoch=0)]
    )

    def start() -> Callable[[], float]:
        programs = Programs([cls()], dataset, recipe, data_mesh(len(images)))
        carry, data = programs.start(), programs.place((split.images, split.labels))
        constants = programs.constants([0])
        (chunk,) = programs.chunks(batch)

        def step() -> float:
            nonlocal carry
            carry, metrics = programs.train(carry, data, chunk, constants)
            return float(np.ravel(metrics["loss"])[-1])

        return step

    return start


def _ours_plain(network: str, images: np.ndarray, labels: np.ndarray, folder: Path) -> Any:
    """The same with every convolution as XLA has it."""
    from jnas.training import programs
    from translators.runtime.functional.convolution import platform

    def unchanged(function: Callable[..., Any], direct: Any = None) -> Callable[..., Any]:
        return function

    platform.set("gpu")
    programs.channels_last = unchanged
    return _ours(network, images, labels, folder)


def _torch(network: str, images: np.ndarray, labels: np.ndarray, compiled: bool) -> Any:
    import torch

    cls = getattr(_module(SOURCE), network.title())
    x = torch.from_numpy((images.transpose(0, 3, 1, 2).astype(np.float32) - 125) / 60)
    x, y = x.contiguous(memory_format=torch.channels_last), torch.from_numpy(labels.astype(np.int64))

    def start() -> Callable[[], float]:
        model = cls().to(memory_format=torch.channels_last)
        optimiser = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, nesterov=True, weight_decay=DECAY)
        forward = torch.compile(model) if compiled else model

        def step() -> float:
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(forward(x), y)
            loss.backward()
            optimiser.step()
            return loss.item()

        return step

    return start


def _noise_for_flax(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.float32) - 125) / 60


def _optimiser() -> Any:
    import optax

    return optax.chain(optax.add_decayed_weights(DECAY), optax.sgd(RATE, MOMENTUM, nesterov=True))


def _nnx(network: str, images: np.ndarray, labels: np.ndarray) -> Any:
    import optax
    from flax import nnx

    from jnas.benchmarks.stock import nnx_network

    x = _noise_for_flax(images)

    @nnx.jit
    def update(model: Any, optimiser: Any, x: Any, y: Any) -> Any:
        def loss_of(model: Any) -> Any:
            return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()

        loss, gradients = nnx.value_and_grad(loss_of)(model)
        optimiser.update(model, gradients)
        return loss

    def start() -> Callable[[], float]:
        model = nnx_network(network, nnx.Rngs(0))
        optimiser = nnx.Optimizer(model, _optimiser(), wrt=nnx.Param)
        return lambda: float(update(model, optimiser, x, labels))

    return start


def _linen(network: str, images: np.ndarray, labels: np.ndarray) -> Any:
    import jax
    import optax

    from jnas.benchmarks.stock import linen_network

    x = _noise_for_flax(images)
    model, optimiser = linen_network(network), _optimiser()

    @jax.jit
    def update(variables: Any, state: Any, x: Any, y: Any) -> Any:
        def loss_of(parameters: Any) -> Any:
            rest = {key: value for key, value in variables.items() if key != "params"}
            logits, changed = model.apply({"params": parameters, **rest}, x, True, mutable=list(rest))
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), changed

        (loss, changed), gradients = jax.value_and_grad(loss_of, has_aux=True)(variables["params"])
        updates, state = optimiser.update(gradients, state, variables["params"])
        return {"params": optax.apply_updates(variables["params"], updates), **changed}, state, loss

    def start() -> Callable[[], float]:
        variables = jax.jit(model.init, static_argnums=2)(jax.random.key(0), x[:1], False)
        state = optimiser.init(variables["params"])

        def step() -> float:
            nonlocal variables, state
            variables, state, loss = update(variables, state, x, labels)
            return float(loss)

        return step

    return start


def main(arguments: Sequence[str]) -> int:
    tool, network, batch, steps, folder = arguments
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (int(batch), 32, 32, 3)).astype(np.uint8)
    labels = generator.integers(0, 10, int(batch)).astype(np.int32)
    given = (network, images, labels)
    start: Any = {
        "jnas": lambda: _ours(*given, Path(folder)),
        "jnas, plain XLA": lambda: _ours_plain(*given, Path(folder)),
        "flax nnx": lambda: _nnx(*given),
        "flax linen": lambda: _linen(*given),
        "PyTorch": lambda: _torch(*given, compiled=False),
        "torch.compile": lambda: _torch(*given, compiled=True),
    }[tool]()
    began = time.perf_counter()
    step = start()
    losses = [step()]
    first = time.perf_counter() - began
    seconds = []
    for _ in range(int(steps)):
        began = time.perf_counter()
        losses.append(step())
        seconds.append(time.perf_counter() - began)
    print(json.dumps({"first": first, "steps": seconds, "losses": losses}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
