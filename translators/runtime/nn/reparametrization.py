"""`torch.nn.utils`: weights computed from other parameters whenever they are read (weight and spectral normalisation).

Names and shapes of the state are PyTorch's: those of the functions in `nn.utils` (`weight_g`, `weight_v`, or
`weight_orig`, `weight_u`, `weight_v`) and those of `nn.utils.parametrizations` (`parametrizations.weight.original0`).
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np

from translators.diagnostics import Refused
from translators.runtime.arrays import namespace, value
from translators.runtime.construction import RUNNING, draw_normal, is_placeholder, phase, placeholder
from translators.runtime.module import Computed, Module, Parameter

__all__ = ["utils"]

_WEIGHT_NORM = ("{}_g", "{}_v")
_WEIGHT_PARTS = ("original0", "original1")
_SPECTRAL_NORM = ("{}_orig", "{}_u", "{}_v")
_SPECTRAL_PARTS = ("original", "0._u", "0._v")


def _weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """`torch.nn.utils.weight_norm`: the weight is g v / ||v||, the norm over all axes but `dim` (None: over all)."""
    return _normalise_weight(module, module, name, dim, tuple(part.format(name) for part in _WEIGHT_NORM))


def _parametrized_weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """`torch.nn.utils.parametrizations.weight_norm`."""
    return _normalise_weight(module, _parametrization(module, name), name, dim, _WEIGHT_PARTS)


def _normalise_weight(module: Module, owner: Module, name: str, dim: int | None, parts: tuple[str, ...]) -> Module:
    direction = _taken(module, name)
    axes = _others(direction.ndim, dim)
    shape = tuple(1 if axis in axes else n for axis, n in enumerate(direction.shape)) if dim not in (None, -1) else ()
    length = placeholder(shape) if is_placeholder(direction) else _length(direction, axes).reshape(shape)
    for part, array in zip(parts, (length, direction), strict=True):
        owner.register_parameter(part, Parameter(array))
    return _computed(module, owner, name, Computed(_scaled, (_path(module, owner, name), parts, axes)))


def _scaled(module: Module, path: str, parts: tuple[str, ...], axes: tuple[int, ...]) -> Any:
    owner = module.get_submodule(path)
    length, direction = (value(getattr(owner, part)) for part in parts)
    return direction * (length / _length(direction, axes))


def _length(array: Any, axes: tuple[int, ...]) -> Any:
    np_ = namespace(array)
    return np_.sqrt(np_.sum(array * array, axis=axes, keepdims=True))


def _others(ndim: int, dim: int | None) -> tuple[int, ...]:
    return tuple(axis for axis in range(ndim) if dim in (None, -1) or axis != dim % ndim)


def _spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """`torch.nn.utils.spectral_norm`: the weight is divided by its largest singular value, which power iterations
    follow in training mode (Miyato et al., 2018)."""
    parts = tuple(part.format(name) for part in _SPECTRAL_NORM)
    return _normalise_spectrum(module, module, name, n_power_iterations, eps, dim, parts, "vu")


def _parametrized_spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """`torch.nn.utils.parametrizations.spectral_norm`."""
    owner = _parametrization(module, name)
    owner.add_module("0", Module())
    return _normalise_spectrum(module, owner, name, n_power_iterations, eps, dim, _SPECTRAL_PARTS, "uv")


def _normalise_spectrum(
    module: Module, owner: Module, name: str, iterations: int, eps: float, dim: int | None, parts: tuple[str, ...],
    order: str,
) -> Module:  # fmt: skip
    """`order` says which singular vector a power iteration updates first: u is the left one, v the right one."""
    weight = _taken(module, name)
    if weight.ndim < 2:
        raise Refused("R13", f"spectral norm of {name}, which has {weight.ndim} axes")
    dim = int(getattr(module, "transposed", False)) if dim is None else dim
    rows = weight.shape[dim]
    owner.register_parameter(parts[0], Parameter(weight))
    for part, size in zip(parts[1:], (rows, math.prod(weight.shape) // rows), strict=True):
        path, _, own = part.rpartition(".")
        drawn = draw_normal((size,))
        owner.get_submodule(path).register_buffer(own, drawn if is_placeholder(drawn) else _unit(drawn, eps))
    how = (_path(module, owner, name), parts, dim, iterations, eps, order)
    return _computed(module, owner, name, Computed(_divided, how))


def _divided(
    module: Module, path: str, parts: tuple[str, ...], dim: int, iterations: int, eps: float, order: str
) -> Any:
    owner = module.get_submodule(path)
    weight, left, right = (value(owner.get_parameter(part)) for part in parts)
    np_ = namespace(weight)
    matrix = np_.moveaxis(weight, dim, 0).reshape(weight.shape[dim], -1)
    if module.training and phase.get() == RUNNING:
        fixed = jax.lax.stop_gradient(matrix)
        for which in order * iterations:
            if which == "u":
                left = _unit(fixed @ right, eps)
            else:
                right = _unit(fixed.T @ left, eps)
        for part, new in zip(parts[1:], (left, right), strict=True):
            place, _, own = part.rpartition(".")
            setattr(owner.get_submodule(place), own, new)
    return weight / (left @ (matrix @ right))


def _unit(vector: Any, eps: float) -> Any:
    np_ = namespace(vector)
    return vector / np_.maximum(np_.sqrt(np_.sum(vector * vector)), np.float32(eps))


def _remove(module: Module, name: str = "weight", *args: Any, **kwargs: Any) -> Module:
    """The weight as it is now becomes a parameter again."""
    computed = vars(module).get(name)
    if not isinstance(computed, Computed):
        raise ValueError(f"{name} of {type(module).__name__} is not normalised")
    weight = getattr(module, name)
    path, parts = computed.arguments[:2]
    if path:
        module.parametrizations._forget(name)
    for part in () if path else parts:
        module._forget(part)
    module._forget(name)
    module.register_parameter(name, Parameter(weight))
    module._remember_order()
    return module


def _taken(module: Module, name: str) -> Any:
    """The array of a parameter that the module no longer has."""
    array = vars(module).get(name)
    if not isinstance(array, Parameter):
        raise Refused("R13", f"{name} of {type(module).__name__} is no parameter that could be normalised")
    module._forget(name)
    return array[...]


def _parametrization(module: Module, name: str) -> Module:
    if "parametrizations" not in vars(module):
        module.add_module("parametrizations", Module())
    owner = Module()
    module.parametrizations.add_module(name, owner)
    return owner


def _path(module: Module, owner: Module, name: str) -> str:
    return "" if owner is module else f"parametrizations.{name}"


def _computed(module: Module, owner: Module, name: str, computed: Computed) -> Module:
    object.__setattr__(module, name, computed)
    for changed in (module, owner):
        changed._remember_order()
    return module


utils = SimpleNamespace(
    weight_norm=_weight_norm,
    spectral_norm=_spectral_norm,
    remove_weight_norm=_remove,
    remove_spectral_norm=_remove,
    parametrizations=SimpleNamespace(weight_norm=_parametrized_weight_norm, spectral_norm=_parametrized_spectral_norm),
    parametrize=SimpleNamespace(remove_parametrizations=_remove),
)
