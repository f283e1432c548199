"""What a model does between its modules, found by handing it arrays of ours: layers without parameters, or a head."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnas.library.execution import lowering_plainly
from jnas.models.tracing import Call, Recording
from jnas.trees.node import Node
from translators.runtime import nn
from translators.runtime.construction import Observer, constructing, observer, randomness

DROPOUTS = (nn.Dropout, nn.Dropout2d, nn.AlphaDropout)
TOLERANCE = 1e-5

_ELEMENTWISE: tuple[tuple[str, dict[str, Any]], ...] = (
    *((f"nn.{name}", {}) for name in ("ReLU", "ReLU6", "GELU", "SiLU", "Hardswish", "Tanh", "Sigmoid", "ELU")),
    *(("nn.LeakyReLU", {"negative_slope": slope}) for slope in (0.01, 0.1, 0.2)),
)
_POOLS: tuple[tuple[str, dict[str, Any]], ...] = (
    *(("nn.MaxPool2d", {"kernel_size": size}) for size in (2, 3)),
    ("nn.MaxPool2d", {"kernel_size": 3, "stride": 2, "padding": 1}),
    *(("nn.AvgPool2d", {"kernel_size": size}) for size in (2, 3)),
)
# Layers that do what functions do where they stand between modules, by the rank of the array.
FILLINGS: dict[int, tuple[Node, ...]] = {
    rank: tuple(Node(name, args, exact=(layout, layout)) for name, args in layers)
    for rank, layout, layers in (
        (4, "NCHW", _ELEMENTWISE + _POOLS),
        (3, "NLC", _ELEMENTWISE),
        (2, "NC", _ELEMENTWISE),
    )
}


class _Reached(Exception):
    """Everything that was to be seen has been seen."""


class _Exchange(Observer):
    """Hands on `array` instead of what the module at `path` returns, and keeps what the module at `until` receives."""

    def __init__(self, path: str, array: Any, until: str | None):
        self.path, self.array, self.until = path, array, until
        self.names: dict[int, str] = {}
        self.seen: Any = None

    def enters(self, module: Any, args: tuple, kwargs: dict[str, Any]) -> None:
        if self.until is not None and self.names.get(id(module)) == self.until:
            self.seen = args[0]
            raise _Reached

    def leaves(self, module: Any, result: Any) -> Any:
        return self.array if self.names.get(id(module)) == self.path else result


def filling(recording: Recording, make: Callable[[], Any], before: Call, after: Call) -> Node | None:
    """The layer that makes what `after` receives of what `before` returns; None where none does, or more is needed."""
    given = _drawn(before.returned.shape)
    try:
        expected = _received(make, before, given, str(after.path), recording)
    except Exception:  # whatever translated code raises
        return None
    for layer in FILLINGS.get(given.ndim, ()):
        try:
            found = getattr(nn, layer.block.removeprefix("nn."))(**layer.args).eval()(given)
        except Exception:  # a window larger than the map
            continue
        if found.shape == expected.shape and np.allclose(found, expected, TOLERANCE, TOLERANCE):
            return layer
    return None


def is_own_head(recording: Recording, make: Callable[[], Any], features: Call, classifier: Call) -> bool:
    """Whether the logits are a linear classifier, at the end, of the average of what `features` returns."""
    returned: tuple[int, ...] = getattr(features.returned, "shape", ())
    linear = classifier.module
    if len(returned) != 4 or linear.bias is None or returned[1] != linear.weight.shape[1]:
        return False
    if classifier.returned is not recording.call.returned:
        return False
    given = _drawn(returned)
    try:
        received = _received(make, features, given, str(classifier.path), recording)
    except Exception:  # whatever translated code raises
        return False
    mean = np.asarray(given).mean((2, 3))
    return received.shape == mean.shape and np.allclose(received, mean, TOLERANCE, TOLERANCE)


def _received(make: Callable[[], Any], before: Call, given: jax.Array, until: str, recording: Recording) -> np.ndarray:
    """What the module at `until` receives when the module of `before` returns `given`; only what lies between runs.

    Raises ValueError when it is something else in training.
    """
    evaluating, training = (_exchanged(make, before, given, until, recording, mode) for mode in (False, True))
    if not np.array_equal(evaluating, training):
        raise ValueError("training differs")
    return evaluating


def _exchanged(
    make: Callable[[], Any], before: Call, given: jax.Array, until: str, recording: Recording, training: bool
) -> np.ndarray:
    exchange = _Exchange(str(before.path), None, until)

    def run(array: jax.Array, key: jax.Array) -> Any:
        exchange.array = array
        module = make()
        module.train(training)
        exchange.names = {id(part): path for path, part in module.named_modules()}
        with contextlib.suppress(_Reached), randomness(key):
            module(jnp.zeros(recording.call.received.shape))
        return exchange.seen

    token = observer.set(exchange)
    try:
        with constructing(abstract=True), lowering_plainly():
            return np.asarray(jax.jit(run)(given, jax.random.key(0)))
    finally:
        observer.reset(token)


def _drawn(shape: Any) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).standard_normal(tuple(shape)), jnp.float32)
