"""The PyTorch side of a verification: imports and runs the original class. Only ever called in the child process."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from translators.absent import import_original

# Operators of torchvision's compiled part, without which its Python part does not import. Nothing calls them.
_TORCHVISION_OPERATORS = [
    "nms",
    "qnms",
    "roi_align",
    "_roi_align_backward",
    "qroi_align",
    "ps_roi_align",
    "_ps_roi_align_backward",
    "roi_pool",
    "_roi_pool_backward",
    "ps_roi_pool",
    "_ps_roi_pool_backward",
    "deform_conv2d",
    "_deform_conv2d_backward",
]

_DROPOUT_RATES = ("p", "drop_prob", "drop_rate", "drop_path_rate")

_declared: list[Any] = []  # a library that is collected takes its operators with it


def make_importable(folders: Sequence[Path]) -> None:
    """Put the folders on the import path, and make torchvision importable, which timm imports."""
    for folder in folders:
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    if not _declared:
        _declare_torchvision_operators()


def _declare_torchvision_operators() -> None:
    import torch

    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError):
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in _TORCHVISION_OPERATORS:
            if not hasattr(torch.ops.torchvision, name):
                library.define(f"{name}(Tensor input) -> Tensor")
        _declared.append(library)


def without_dropout(model: Any) -> None:
    """Set the rates of what calls itself dropout or drop path to zero, in the original or in the translation."""
    for part in model.modules():
        if "drop" in type(part).__name__.lower():
            for rate in _DROPOUT_RATES:
                if isinstance(getattr(part, rate, None), float):
                    setattr(part, rate, 0.0)


class Original:
    """An instance of the original class with every parameter and persistent buffer drawn at random and no dropout."""

    def __init__(self, module: str, name: str, arguments: Mapping[str, Any]):
        import torch

        cls = getattr(import_original(module), name)
        torch.manual_seed(0)
        self.model = cls(**arguments)
        self._draw()
        without_dropout(self.model)
        self.fewest_values = math.inf  # over which a batch normalisation took statistics in the last run

        def count(part: Any, given: Any) -> None:
            self.fewest_values = min(self.fewest_values, given[0].numel() // max(1, given[0].shape[1]))

        for part in self.model.modules():
            if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
                part.register_forward_pre_hook(count)

    def _draw(self) -> None:
        """Variances and gains stay around one so that values keep their size through the layers."""
        import torch

        rng = np.random.default_rng(0)
        with torch.no_grad():
            for name, tensor in self.model.state_dict().items():
                if not tensor.is_floating_point():
                    continue
                numbers = rng.standard_normal(tuple(tensor.shape))
                if name.endswith("var"):
                    numbers = 0.5 + rng.random(tuple(tensor.shape))
                elif tensor.ndim <= 1:
                    numbers = (name.endswith("weight")) + 0.3 * numbers
                else:
                    numbers = numbers / np.sqrt(max(1, np.prod(tensor.shape[1:])))
                tensor.copy_(torch.as_tensor(numbers, dtype=tensor.dtype))

    def state(self) -> dict[str, np.ndarray]:
        return {name: tensor.detach().numpy().copy() for name, tensor in self.model.state_dict().items()}

    def run(self, inputs: Sequence[np.ndarray], training: bool, precise: bool = False) -> tuple:
        """Outputs, the random cotangents of the floating ones, gradients of the inputs, state after training.

        Gradients are None where PyTorch cannot differentiate the class, as where it overwrites what it needs.
        `precise` computes in float64. The state of the model is the same afterwards.
        """
        import torch

        before = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.fewest_values = math.inf
        try:
            kind = torch.float64 if precise else torch.float32
            self.model.to(kind)
            leaves = [torch.tensor(x, dtype=kind, requires_grad=True) for x in inputs]
            self.model.train(training)  # may return nothing
            # Clones: some modules write into their input.
            outputs = _tensors(self.model(*(x.clone() for x in leaves)))
            floats = [x for x in outputs if x.is_floating_point()]
            rng = np.random.default_rng(1)
            cotangents = [rng.standard_normal(tuple(x.shape)).astype(np.float32) for x in floats]
            total = sum((x * torch.tensor(c)).sum() for x, c in zip(floats, cotangents, strict=True))
            gradients = _gradients(total, leaves)
            state = self.state() if training else {}
            return [x.detach().numpy() for x in outputs], cotangents, gradients, state
        finally:
            self.model.float().load_state_dict(before)

    def slopes(
        self,
        inputs: Sequence[np.ndarray],
        cotangents: Sequence[np.ndarray],
        directions: Sequence[Sequence[np.ndarray]],
        training: bool,
        step: float,
    ) -> list[float]:
        """Derivatives of sum(cotangents * outputs) along directions of the inputs, by central differences in float64
        at `step` on either side.

        They judge where PyTorch's gradient is in doubt: PyTorch 2.13 gets some products of
        broadcast matrices with batch 1 wrong.
        """
        import torch

        before = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}

        def total(direction: Sequence[np.ndarray], sign: int) -> float:
            given = [x.astype(np.float64) + sign * step * d for x, d in zip(inputs, direction, strict=True)]
            floats = [x for x in _tensors(self.model(*map(torch.tensor, given))) if x.is_floating_point()]
            return sum(float((x * torch.tensor(c)).sum()) for x, c in zip(floats, cotangents, strict=True))

        try:
            with torch.no_grad():
                self.model.train(training)
                self.model.double()
                return [(total(direction, 1) - total(direction, -1)) / (2 * step) for direction in directions]
        finally:
            self.model.float().load_state_dict(before)

    def trace(self, inputs: Sequence[np.ndarray], training: bool) -> list[tuple[str, list[np.ndarray]]]:
        """(path, outputs) of every submodule in the order in which they finish."""
        import torch

        calls: list[tuple[str, list[np.ndarray]]] = []
        hooks = []
        before = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        for name, part in self.model.named_modules():

            def record(part: Any, given: Any, result: Any, name: str = name) -> None:
                calls.append((name, [x.detach().numpy().copy() for x in _tensors(result)]))

            hooks.append(part.register_forward_hook(record))
        with torch.no_grad():
            self.model.train(training)
            self.model(*(torch.tensor(x) for x in inputs))
        self.model.load_state_dict(before)
        for hook in hooks:
            hook.remove()
        return calls


def _gradients(total: Any, leaves: Sequence[Any]) -> list[np.ndarray] | None:
    import torch

    if not torch.is_tensor(total) or not total.requires_grad:
        return [np.zeros(tuple(x.shape), np.float32) for x in leaves]
    try:
        found = torch.autograd.grad(total, leaves, allow_unused=True)
    except RuntimeError:
        return None
    return [np.zeros(tuple(x.shape), np.float32) if g is None else g.numpy() for g, x in zip(found, leaves)]


def _tensors(result: Any) -> list[Any]:
    """The tensors of a result in the order in which JAX flattens containers: dictionaries by sorted key."""
    import torch

    if torch.is_tensor(result):
        return [result]
    if isinstance(result, Mapping):
        return [x for key in sorted(result) for x in _tensors(result[key])]
    if isinstance(result, (tuple, list)):
        return [x for item in result for x in _tensors(item)]
    return []
