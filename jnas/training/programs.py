"""The training and scoring programs of a network: pure steps over its split state, compiled before they run.

On CPU steps are called one by one, for a convolution inside a scan is 20-100 times slower there; elsewhere they are
scanned, for dispatch is the cost. Several seeds of a network are one program, mapped over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh

from jnas.training import images as pixels
from jnas.training.batches import Batches, cut, unstacked
from jnas.training.channels_last import channels_last
from jnas.training.data import Dataset
from jnas.training.direct_convolution import available, convolves_directly, unkept
from jnas.training.optimisers import initial_state, optimiser
from jnas.training.processor import compiler_options
from jnas.training.recipes import Recipe
from jnas.training.sharding import replicated, split_over
from translators.runtime.construction import randomness
from translators.runtime.module import Module

LONG = 1000  # steps, from which on compiling again in another process is a small part of a training


def execution(platform: str) -> tuple[bool, Any]:
    """Whether steps are scanned, and the dtype of computation; parameters and statistics are float32 everywhere."""
    return (False, jnp.float32) if platform == "cpu" else (True, jnp.bfloat16)


class Programs:
    """Of one network on one mesh, for one seed or several, and how their arguments are cut and placed."""

    def __init__(self, models: Sequence[Module], dataset: Dataset, recipe: Recipe, mesh: Mesh):
        self.models, self.dataset, self.recipe, self.mesh = models, dataset, recipe, mesh
        self.scans, self.compute_dtype = execution(mesh.devices.flat[0].platform)
        self.train_graph = nnx.graphdef(models[0].train())
        self.score_graph = nnx.graphdef(models[0].eval())
        self._compiled: dict[int, Callable] = {}
        steps = recipe.epochs * (len(dataset.train) // recipe.batch_size)
        self.direct = not self.scans and mesh.size == len(models) == 1 and steps >= LONG and available()

    def start(self) -> Any:
        """(parameters, statistics, optimiser state, averages) on the devices, without a program that makes them."""
        return self.place(_side_by_side([self._start(model) for model in self.models]))

    def constants(self, seeds: Sequence[int]) -> dict[str, Any]:
        """The numbers of the recipe that are arguments: changing them compiles nothing."""
        return self.place(_side_by_side([self._constants(seed) for seed in seeds]))

    def lower_step(self, images: int, batch: Batches) -> jax.stages.Lowered:
        """One training step over a set of so many images, for devices that need not be there."""
        whole = replicated(self.mesh)
        _, height, width, channels = self.dataset.train.images.shape
        data = (np.broadcast_to(np.uint8(0), (images, height, width, channels)), np.zeros(images, np.int32))
        step = {name: values[0] for name, values in batch.items()}
        arguments = jax.tree.map(
            lambda value: jax.ShapeDtypeStruct(np.shape(value), value.dtype, sharding=whole),
            (self._start(self.models[0]), data, step, self._constants(0)),
        )
        return jax.jit(self._train_step, donate_argnums=(0,), out_shardings=whole).lower(*arguments)

    def place(self, values: Any) -> Any:
        # No aliasing: the step donates its carry, and would write into the model's own NumPy arrays.
        return jax.device_put(values, replicated(self.mesh), may_alias=False)

    def chunks(self, batches: Batches, start: int = 0, length: int | None = None) -> Iterator[Batches]:
        """What one call of a program takes: a batch where steps are called one by one, else up to `length` of them."""
        for stretch in cut(batches, start, length or len(batches["indices"])):
            yield from ([stretch] if self.scans else unstacked(stretch))

    def train(self, carry: Any, data: Any, batch: Batches, constants: Any) -> tuple[Any, dict[str, jax.Array]]:
        """(carry, losses and hits) after the steps of `batch`. The carry that came in is gone."""
        return self.compiled_train(carry, data, batch, constants)(carry, data, batch, constants)

    def compiled_train(self, carry: Any, data: Any, batch: Batches, constants: Any) -> Callable:
        """One program for all chunks of a length."""
        length = len(batch["rate"]) if self.scans else 1
        if length not in self._compiled:
            self._compiled[length] = self._compile(self._train_step, (carry, data, batch, constants), donate=True)
        return self._compiled[length]

    def compile_score(self, carry: Any, data: Any, batch: Batches) -> Callable:
        def step(carry: Any, data: Any, batch: Any) -> tuple[Any, Any]:
            return carry, self._score_step(carry, data, batch)

        run = self._compile(step, (carry, data, batch), donate=False, seeded_batch=False)
        return lambda *arguments: run(*arguments)[1]

    def finish(self, carry: Any) -> None:
        """Gives the models the weights that were scored."""
        parameters, rest = jax.tree.map(np.array, _scored(carry))
        for index, model in enumerate(self.models):
            of_seed = partial(_item, index) if len(self.models) > 1 else lambda leaf: leaf
            nnx.update(model, *jax.tree.map(of_seed, (parameters, rest)))

    def _start(self, model: Module) -> Any:
        parameters, rest = nnx.state(model, nnx.Param), nnx.state(model, nnx.Not(nnx.Param))
        averages = jax.tree.map(np.asarray, (parameters, rest)) if self.recipe.average else ()
        return parameters, rest, initial_state(self.recipe, parameters), averages

    def _constants(self, seed: int) -> dict[str, Any]:
        return {
            "seed": np.uint32(seed),
            "weight_decay": np.float32(self.recipe.weight_decay),
            "label_smoothing": np.float32(self.recipe.label_smoothing),
            "hole": np.float32(self.recipe.cutout),
        }

    def _compile(self, step: Callable, arguments: tuple[Any, ...], donate: bool, seeded_batch: bool = True) -> Callable:
        if len(self.models) > 1:
            # Over the seeds' carries, batches and constants; they share the images.
            axes = (0, None, 0 if seeded_batch else None, 0)[: len(arguments)]
            step = jax.vmap(step, in_axes=axes)
        program = _scanned(step) if self.scans else step
        jitted = jax.jit(program, donate_argnums=(0,) if donate else (), out_shardings=replicated(self.mesh))
        platform = self.mesh.devices.flat[0].platform
        traced = jitted.trace(*arguments)
        with unkept() if convolves_directly(traced.jaxpr.jaxpr) else nullcontext():
            return traced.lower().compile(compiler_options=compiler_options(platform))

    def _train_step(self, carry: Any, data: Any, batch: Any, constants: Any) -> tuple[Any, dict[str, jax.Array]]:
        parameters, rest, optimiser_state, averages = carry
        key = jax.random.fold_in(jax.random.key(constants["seed"]), batch["step"])
        images, labels, indices = _chosen(data, batch)
        inputs = self._normalised(pixels.gather_moved(images, indices, batch["moves"], batch["mirrored"]))
        if "holes" in batch:
            inputs = pixels.with_holes(inputs, batch["holes"], constants["hole"])
        one_hot = jax.nn.one_hot(labels, self.dataset.classes)
        targets = optax.smooth_labels(one_hot, constants["label_smoothing"])
        if "mix" in batch:
            inputs, targets = (pixels.mixed(values, batch["mix"]) for values in (inputs, targets))

        def loss_of(parameters: Any) -> tuple[jax.Array, tuple[jax.Array, Any]]:
            logits, new_rest = self._forward(self.train_graph, parameters, rest, inputs, key, batch["step"] >= 0)
            return optax.softmax_cross_entropy(logits, targets).mean(), (logits, new_rest)

        (loss, (logits, rest)), gradient = jax.value_and_grad(loss_of, has_aux=True)(parameters)
        step = optimiser(self.recipe, batch["rate"], constants["weight_decay"])
        updates, optimiser_state = step.update(gradient, optimiser_state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        if "average" in batch:
            averages = jax.tree.map(partial(_averaged, batch["average"]), averages, (parameters, rest))
        accuracy = jnp.mean(jnp.argmax(logits, -1) == labels)
        return (parameters, rest, optimiser_state, averages), {"loss": loss, "accuracy": accuracy}

    def _score_step(self, carry: Any, data: Any, batch: Any) -> dict[str, jax.Array]:
        parameters, rest = _scored(carry)
        images, labels, indices = _chosen(data, batch)
        inputs = self._normalised(pixels.gather(images, indices))
        logits, _ = self._forward(self.score_graph, parameters, rest, inputs, None, np.True_)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        hit = jnp.argmax(logits, -1) == labels
        return {"loss": jnp.sum(loss * batch["weight"]), "accuracy": jnp.sum(hit * batch["weight"])}

    def _normalised(self, chosen: jax.Array) -> jax.Array:
        x = pixels.normalise(chosen, self.dataset.mean, self.dataset.std)
        return jax.lax.with_sharding_constraint(x, split_over(self.mesh))

    def _forward(
        self, graph: Any, parameters: Any, rest: Any, inputs: jax.Array, key: jax.Array | None, true: Any
    ) -> tuple[jax.Array, Any]:
        """Logits float32 (B, classes) and the statistics after the batch, computed in the compute dtype.

        `true` is a boolean that is true, of which the compiler of a training step must not know it.
        """

        def forward(parameters: Any, rest: Any, inputs: jax.Array, key: jax.Array | None) -> tuple[jax.Array, Any]:
            x = inputs.astype(self.compute_dtype)
            cast = jax.tree.map(partial(_cast, self.compute_dtype), parameters)
            model = nnx.merge(graph, cast, rest, copy=True)
            with nullcontext() if key is None else randomness(key):
                logits = model(x)
            after = nnx.state(model, nnx.Not(nnx.Param))
            after = jax.tree.map(lambda new, old: new.astype(old.dtype), after, rest)
            return logits.astype(jnp.float32), after

        direct = true if self.direct else None
        in_order = channels_last(forward, direct) if self.mesh.devices.flat[0].platform == "cpu" else forward
        return in_order(parameters, rest, inputs, key)


def _scored(carry: Any) -> tuple[Any, Any]:
    parameters, rest, _, averages = carry
    return averages or (parameters, rest)


def _chosen(data: Any, batch: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Images to gather from, labels (B,) and indices (B,): of the whole set, or of a batch that was streamed."""
    if "images" in batch:
        return batch["images"], batch["labels"], jnp.arange(len(batch["labels"]))
    return data[0], data[1][batch["indices"]], batch["indices"]


def _cast(dtype: Any, array: jax.Array) -> jax.Array:
    return array.astype(dtype) if jnp.issubdtype(array.dtype, jnp.floating) else array


def _averaged(decay: jax.Array, old: jax.Array, new: jax.Array) -> jax.Array:
    return old * decay + new * (1 - decay) if jnp.issubdtype(old.dtype, jnp.floating) else new


def _side_by_side(values: Sequence[Any]) -> Any:
    """One seed's as they are, those of several stacked."""
    return values[0] if len(values) == 1 else jax.tree.map(lambda *each: np.stack(each), *values)


def _item(index: int, leaf: np.ndarray) -> np.ndarray:
    return leaf[index]


def _scanned(step: Callable) -> Callable:
    def program(carry: Any, data: Any, batches: Any, *constants: Any) -> tuple[Any, Any]:
        return jax.lax.scan(lambda c, batch: step(c, data, batch, *constants), carry, batches)

    return program
