"""The training and scoring programs of a network: pure steps over its split state, compiled before they run.

On CPU steps are called one by one, for a convolution inside a scan is 20-100 times slower there, and a step is two
programs, that of the gradient and that of the update, which are compiled side by side; elsewhere steps are scanned, for
dispatch is the cost. Several seeds of a network are one program, mapped over them.
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
from jnas.training.compiling import Wanted, collecting_later, side_by_side
from jnas.training.data import Dataset
from jnas.training.direct_convolution import available, unkept
from jnas.training.optimisers import initial_state, optimiser
from jnas.training.processor import forward_options
from jnas.training.recipes import Recipe
from jnas.training.repeated import traced_once
from jnas.training.sharding import replicated, split_over
from translators.runtime.construction import randomness
from translators.runtime.module import Module

LONG = 1000  # steps, from which on compiling again in another process is a small part of a training


def execution(platform: str) -> tuple[bool, Any]:
    """Whether steps are scanned, and the dtype of computation; parameters and statistics are float32 everywhere."""
    return (False, jnp.float32) if platform == "cpu" else (True, jnp.bfloat16)


class Programs:
    """Of one network on one mesh, for one seed or several, and how their arguments are cut and placed."""

    @collecting_later()
    def __init__(self, models: Sequence[Module], dataset: Dataset, recipe: Recipe, mesh: Mesh):
        self.models, self.dataset, self.recipe, self.mesh = models, dataset, recipe, mesh
        self.platform = mesh.devices.flat[0].platform
        self.scans, self.compute_dtype = execution(self.platform)
        self.train_graph = nnx.graphdef(models[0].train())
        self.score_graph = nnx.graphdef(models[0].eval())
        self._train: dict[int, Callable] = {}
        self._score: Callable | None = None
        steps = recipe.epochs * (len(dataset.train) // recipe.batch_size)
        self.direct = not self.scans and mesh.size == len(models) == 1 and steps >= LONG and available()

    @collecting_later()
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
        length = self._length(batch)
        if length not in self._train:
            self.compile(carry, constants, train=(data, batch))
        return self._train[length](carry, data, batch, constants)

    def score(self, carry: Any, data: Any, batch: Batches) -> dict[str, jax.Array]:
        """Weighted sums of losses and hits over a batch, or over each of a stretch."""
        if self._score is None:
            self.compile(carry, score=(data, batch))
        assert self._score is not None
        return self._score(carry, data, batch)[1]

    def compile(
        self,
        carry: Any,
        constants: Any = None,
        train: tuple[Any, Batches] | None = None,
        score: tuple[Any, Batches] | None = None,
    ) -> None:
        """Programs for (data, batch) of such shapes, side by side: of training one for all chunks of a length."""
        parameters, rest, optimiser_state, averages = carry
        wanted: list[Wanted] = []
        if train and self.scans:
            step = partial(self._traced, self._train_step, (carry, *train, constants), (0, None, 0, 0))
            wanted.append((step, {}))
        elif train:
            data, batch = train
            # A gradient has the shapes of the parameters: its update is compiled while it is traced itself.
            update = ((parameters, optimiser_state, averages), parameters, rest, batch, constants), (0, 0, 0, 0, 0)
            wanted.append((partial(self._traced, self._update_step, *update), {}))
            gradient = (rest, parameters, data, batch, constants), (0, 0, None, 0, 0)
            wanted.append((partial(self._traced, self._gradient_step, *gradient), {}))
        if score:
            scored = partial(self._traced, self._scored_step, (carry, *score), (0, None, None), donate=False)
            wanted.append((scored, forward_options(self.platform)))
        with unkept() if self.direct else nullcontext():
            programs = side_by_side(wanted, self.platform)
        if score:
            self._score = programs.pop()
        if train:
            self._train[self._length(train[1])] = programs[0] if self.scans else partial(_in_turn, *programs)

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

    def _length(self, batch: Batches) -> int:
        return len(batch["rate"]) if self.scans else 1

    def _traced(
        self, step: Callable, arguments: tuple[Any, ...], axes: Sequence[int | None], donate: bool = True
    ) -> jax.stages.Traced:
        """A step over `arguments`, of which several seeds are mapped along `axes`; the first one's memory is reused."""
        if len(self.models) > 1:
            step = jax.vmap(step, in_axes=axes)
        program = _scanned(step) if self.scans else step
        # On one device there is nothing to say, and the compiler would remove it again from each array.
        shardings = replicated(self.mesh) if self.mesh.size > 1 else None
        jitted = jax.jit(program, donate_argnums=(0,) if donate else (), out_shardings=shardings)
        return jitted.trace(*arguments)

    def _train_step(self, carry: Any, data: Any, batch: Any, constants: Any) -> tuple[Any, dict[str, jax.Array]]:
        return _in_turn(self._update_step, self._gradient_step, carry, data, batch, constants)

    def _gradient_step(
        self, rest: Any, parameters: Any, data: Any, batch: Any, constants: Any
    ) -> tuple[Any, Any, dict[str, jax.Array]]:
        """(gradient, statistics after the batch, loss and accuracy)"""
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
        accuracy = jnp.mean(jnp.argmax(logits, -1) == labels)
        return gradient, rest, {"loss": loss, "accuracy": accuracy}

    def _update_step(self, trained: Any, gradient: Any, rest: Any, batch: Any, constants: Any) -> Any:
        """(parameters, optimiser state, averages) after a gradient."""
        parameters, optimiser_state, averages = trained
        step = optimiser(self.recipe, batch["rate"], constants["weight_decay"])
        updates, optimiser_state = step.update(gradient, optimiser_state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        if "average" in batch:
            averages = jax.tree.map(partial(_averaged, batch["average"]), averages, (parameters, rest))
        return parameters, optimiser_state, averages

    def _scored_step(self, carry: Any, data: Any, batch: Any) -> tuple[Any, Any]:
        return carry, self._score_step(carry, data, batch)

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
            with traced_once(model), nullcontext() if key is None else randomness(key):
                logits = model(x)
            after = nnx.state(model, nnx.Not(nnx.Param))
            after = jax.tree.map(lambda new, old: new.astype(old.dtype), after, rest)
            return logits.astype(jnp.float32), after

        direct = true if self.direct else None
        in_order = channels_last(forward, direct) if self.platform == "cpu" else forward
        return in_order(parameters, rest, inputs, key)


def _in_turn(
    update: Callable, gradient: Callable, carry: Any, data: Any, batch: Any, constants: Any
) -> tuple[Any, dict[str, jax.Array]]:
    """A training step. The memory of the first argument of each is taken for what it returns."""
    parameters, rest, optimiser_state, averages = carry
    slope, rest, metrics = gradient(rest, parameters, data, batch, constants)
    parameters, *others = update((parameters, optimiser_state, averages), slope, rest, batch, constants)
    return (parameters, rest, *others), metrics


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
