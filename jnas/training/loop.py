"""Training: one pure jitted step over a model split into its parameters and the rest, compiled before it runs.

On CPU a Python loop over steps, for a convolution inside a scan is 20-100 times slower there; elsewhere a scan over
each epoch, for dispatch is the cost. The data set lies on the device as uint8 and is augmented inside the step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh

from jnas.training import images as pixels
from jnas.training.data import Dataset, Split
from jnas.training.recipes import Recipe
from jnas.training.sharding import data_mesh, replicated, split_over
from translators.diagnostics import UserError
from translators.runtime.construction import randomness
from translators.runtime.module import Module
from translators.runtime.state import state_dict

Progress = Callable[[int, int, int, float], None]  # epoch, step, steps in all, loss


@dataclass(frozen=True)
class EpochMetrics:
    """Means over the training batches of an epoch; `accuracy` and `loss` on the validation images after it."""

    epoch: int
    train_loss: float
    train_accuracy: float
    accuracy: float | None
    loss: float | None
    seconds: float


@dataclass(frozen=True)
class Fit:
    """The outcome of a training: `accuracy` (0 to 1) and `loss` on the scored images after the last epoch.

    `status` is "nan" where the loss stopped being a number; then there is no score. `state` holds the weights under
    PyTorch's names. `latency`: seconds per image in the fastest scoring of all, reading the images included.
    """

    status: str
    accuracy: float | None
    loss: float | None
    curve: tuple[EpochMetrics, ...]
    seconds_compile: float
    seconds_train: float
    state: dict[str, np.ndarray] = field(repr=False)
    latency: float | None = None


def enable_compilation_cache(folder: Path) -> None:
    """Keep compiled programs in `folder`, so that later processes need not compile them again. Raises UserError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}); set JNAS_CACHE to a folder of yours") from None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def fit(
    model: Module,
    dataset: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    score_on: str = "validation",
    devices: int | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Trains `model` in place and scores it after the last epoch.

    `score_on="validation"` trains on the training images and scores every epoch; `score_on="test"` trains on those held
    out as well and scores the test images once. The same seed gives the same curve, bit for bit, on the same machine.
    """
    train, scored = _splits(dataset, score_on)
    mesh = data_mesh(recipe.batch_size, devices)
    steps = len(train) // recipe.batch_size
    if not steps:
        raise UserError(
            f"batch_size = {recipe.batch_size}: more than the {len(train)} training images; choose a smaller one"
        )

    started = time.perf_counter()
    programs = _Programs(model, dataset, recipe, mesh)
    carry = programs.start()
    train_data, scored_data = (programs.place((split.images, split.labels)) for split in (train, scored))
    constants = programs.place(
        {
            "seed": np.uint32(seed),
            "weight_decay": np.float32(recipe.weight_decay),
            "label_smoothing": np.float32(recipe.label_smoothing),
        }
    )
    rates = recipe.learning_rates(steps)
    run_train = programs.compile_train(
        carry, train_data, next(programs.chunks(_epoch(train, recipe, rates, seed, 0))), constants
    )
    evaluation = _evaluation_batches(len(scored), recipe.batch_size)
    run_score = programs.compile_score(carry, scored_data, next(programs.chunks(evaluation)))
    seconds_compile = time.perf_counter() - started

    started = time.perf_counter()
    curve: list[EpochMetrics] = []
    latencies: list[float] = []
    status = "ok"
    for epoch in range(recipe.epochs):
        epoch_started = time.perf_counter()
        losses: list[float] = []
        hits: list[float] = []
        for batch in programs.chunks(_epoch(train, recipe, rates, seed, epoch)):
            carry, metrics = run_train(carry, train_data, batch, constants)
            losses.extend(np.asarray(metrics["loss"]).ravel().tolist())
            hits.extend(np.asarray(metrics["accuracy"]).ravel().tolist())
            if not all(map(math.isfinite, losses)):
                status = "nan"
                break
            if progress:
                progress(epoch, epoch * steps + len(losses), recipe.epochs * steps, losses[-1])
        accuracy = loss = None
        if status == "ok" and (score_on == "validation" or epoch == recipe.epochs - 1):
            score_started = time.perf_counter()
            accuracy, loss = _score(programs, run_score, carry, scored_data, evaluation)
            latencies.append((time.perf_counter() - score_started) / len(scored))
            status = "ok" if math.isfinite(loss) else "nan"
        curve.append(
            EpochMetrics(
                epoch, float(np.mean(losses)), float(np.mean(hits)), accuracy, loss, time.perf_counter() - epoch_started
            )
        )
        if status == "nan":
            accuracy = loss = None
            break
    programs.finish(model, carry)
    seconds_train = time.perf_counter() - started
    latency = min(latencies, default=None)
    return Fit(status, accuracy, loss, tuple(curve), seconds_compile, seconds_train, state_dict(model), latency)


def execution(platform: str) -> tuple[bool, Any]:
    """Whether steps are scanned, and the dtype of computation; parameters and statistics are float32 everywhere."""
    return (False, jnp.float32) if platform == "cpu" else (True, jnp.bfloat16)


def _splits(dataset: Dataset, score_on: str) -> tuple[Split, Split]:
    if score_on == "validation":
        return dataset.train, dataset.validation
    parts = (dataset.train, dataset.validation)
    joined = Split(np.concatenate([p.images for p in parts]), np.concatenate([p.labels for p in parts]))
    return joined, dataset.test


def _epoch(train: Split, recipe: Recipe, rates: np.ndarray, seed: int, epoch: int) -> dict[str, np.ndarray]:
    """The batches of an epoch, stacked as (S, B), an incomplete one dropped: a function of (seed, epoch) alone.

    Order, crops and flips are drawn here: a few numbers an image, while drawing them on the device takes longer to
    compile than a small network's forward.
    """
    steps = len(train) // recipe.batch_size
    shape = (steps, recipe.batch_size)
    generator = np.random.default_rng([seed, epoch])
    padding = recipe.padding(train.images.shape[2])
    return {
        "indices": generator.permutation(len(train))[: steps * recipe.batch_size].reshape(shape).astype(np.int32),
        "moves": generator.integers(-padding, padding, (*shape, 2), np.int32, endpoint=True),
        "mirrored": generator.random(shape) < (0.5 if recipe.flip else 0),
        "step": np.arange(epoch * steps, (epoch + 1) * steps, dtype=np.int32),
        "rate": rates[epoch * steps : (epoch + 1) * steps],
    }


def _evaluation_batches(count: int, batch_size: int) -> dict[str, np.ndarray]:
    """All examples in order, stacked as (S, B), the last batch filled up with examples that `weight` leaves out."""
    indices = np.arange(-(-count // batch_size) * batch_size, dtype=np.int32)
    weight = np.float32(indices < count)
    shape = (-1, batch_size)
    return {"indices": np.minimum(indices, count - 1).reshape(shape), "weight": weight.reshape(shape)}


def _score(
    programs: _Programs, run_score: Callable, carry: Any, data: Any, batches: dict[str, np.ndarray]
) -> tuple[float, float]:
    # NumPy from here on: an operation on a device array would compile a program, on several hosts a collective one.
    sums = [jax.tree.map(np.asarray, run_score(carry, data, batch)) for batch in programs.chunks(batches)]
    count = float(batches["weight"].sum())
    accuracy, loss = (float(sum(s[name].sum() for s in sums)) / count for name in ("accuracy", "loss"))
    return accuracy, loss


class _Programs:
    """The training and scoring programs of one model on one mesh, and how their arguments are cut and placed."""

    def __init__(self, model: Module, dataset: Dataset, recipe: Recipe, mesh: Mesh):
        self.parameters, self.rest = nnx.state(model, nnx.Param), nnx.state(model, nnx.Not(nnx.Param))
        self.train_graph = nnx.graphdef(model.train())
        self.score_graph = nnx.graphdef(model.eval())
        self.dataset, self.recipe, self.mesh = dataset, recipe, mesh
        self.scans, self.compute_dtype = execution(mesh.devices.flat[0].platform)

    def start(self) -> Any:
        """(parameters, rest, optimiser state) on the devices, without a program: the state is zeros of known shapes."""
        shapes = jax.eval_shape(self._optimiser(0.0, 0.0).init, self.parameters)
        optimiser_state = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
        return self.place((self.parameters, self.rest, optimiser_state))

    def place(self, values: Any) -> Any:
        # No aliasing: the step donates its carry, and would write into the model's own NumPy arrays.
        return jax.device_put(values, replicated(self.mesh), may_alias=False)

    def chunks(self, batches: dict[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
        """What one call of a program takes: a batch where steps are called one by one, else a whole epoch."""
        if self.scans:
            yield batches
        else:
            yield from ({k: v[i] for k, v in batches.items()} for i in range(len(batches["indices"])))

    def compile_train(self, *arguments: Any) -> Callable:
        return self._compile(self._train_step, arguments, donate=True)

    def compile_score(self, carry: Any, data: Any, batches: Any) -> Callable:
        def step(carry: Any, data: Any, batch: Any) -> tuple[Any, Any]:
            return carry, self._score_step(carry, data, batch)

        run = self._compile(step, (carry, data, batches), donate=False)
        return lambda *arguments: run(*arguments)[1]

    def finish(self, model: Module, carry: Any) -> None:
        parameters, rest, _ = jax.tree.map(np.array, carry)
        nnx.update(model, parameters, rest)

    def _compile(self, step: Callable, arguments: tuple[Any, ...], donate: bool) -> Callable:
        program = _scanned(step) if self.scans else step
        jitted = jax.jit(program, donate_argnums=(0,) if donate else (), out_shardings=replicated(self.mesh))
        return jitted.lower(*arguments).compile()

    def _optimiser(self, rate: Any, weight_decay: Any) -> optax.GradientTransformation:
        """Made anew inside the step, whose arguments rate and weight decay are: changing them compiles nothing."""
        clipping = [optax.clip_by_global_norm(self.recipe.clip_norm)] if math.isfinite(self.recipe.clip_norm) else []
        return optax.chain(
            *clipping,
            optax.add_decayed_weights(weight_decay),
            optax.sgd(rate, self.recipe.momentum, self.recipe.nesterov),
        )

    def _train_step(self, carry: Any, data: Any, batch: Any, constants: Any) -> tuple[Any, dict[str, jax.Array]]:
        parameters, rest, optimiser_state = carry
        key = jax.random.fold_in(jax.random.key(constants["seed"]), batch["step"])
        chosen = pixels.gather_moved(data[0], batch["indices"], batch["moves"], batch["mirrored"])
        labels = data[1][batch["indices"]]

        def loss_of(parameters: Any) -> tuple[jax.Array, tuple[jax.Array, Any]]:
            logits, new_rest = self._forward(self.train_graph, parameters, rest, chosen, key)
            one_hot = jax.nn.one_hot(labels, logits.shape[-1])
            targets = optax.smooth_labels(one_hot, constants["label_smoothing"])
            return optax.softmax_cross_entropy(logits, targets).mean(), (logits, new_rest)

        (loss, (logits, rest)), gradient = jax.value_and_grad(loss_of, has_aux=True)(parameters)
        optimiser = self._optimiser(batch["rate"], constants["weight_decay"])
        updates, optimiser_state = optimiser.update(gradient, optimiser_state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        accuracy = jnp.mean(jnp.argmax(logits, -1) == labels)
        return (parameters, rest, optimiser_state), {"loss": loss, "accuracy": accuracy}

    def _score_step(self, carry: Any, data: Any, batch: Any) -> dict[str, jax.Array]:
        parameters, rest, _ = carry
        labels = data[1][batch["indices"]]
        logits, _ = self._forward(self.score_graph, parameters, rest, pixels.gather(data[0], batch["indices"]), None)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        hit = jnp.argmax(logits, -1) == labels
        return {"loss": jnp.sum(loss * batch["weight"]), "accuracy": jnp.sum(hit * batch["weight"])}

    def _forward(
        self, graph: Any, parameters: Any, rest: Any, chosen: jax.Array, key: jax.Array | None
    ) -> tuple[jax.Array, Any]:
        """Logits float32 (B, classes) and the statistics after the batch, computed in the compute dtype."""
        x = pixels.normalise(chosen, self.dataset.mean, self.dataset.std)
        x = jax.lax.with_sharding_constraint(x, split_over(self.mesh)).astype(self.compute_dtype)
        cast = jax.tree.map(partial(_cast, self.compute_dtype), parameters)
        model = nnx.merge(graph, cast, rest, copy=True)
        if key is None:
            logits = model(x)
        else:
            with randomness(key):
                logits = model(x)
        after = nnx.state(model, nnx.Not(nnx.Param))
        after = jax.tree.map(lambda new, old: new.astype(old.dtype), after, rest)
        return logits.astype(jnp.float32), after


def _cast(dtype: Any, array: jax.Array) -> jax.Array:
    return array.astype(dtype) if jnp.issubdtype(array.dtype, jnp.floating) else array


def _scanned(step: Callable) -> Callable:
    def program(carry: Any, data: Any, batches: Any, *constants: Any) -> tuple[Any, Any]:
        return jax.lax.scan(lambda c, batch: step(c, data, batch, *constants), carry, batches)

    return program
