"""Weights in and out of a module by PyTorch's names: a strict, two-sided copy; a missing key is the diagnostic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from translators.runtime.module import Held, Module, Parameter


def _entries(module: Module) -> Iterator[tuple[str, Module, str, Any]]:
    """(full name, owner, own name, variable or constant) of every parameter and persistent buffer."""
    for path, owner in module.named_modules(remove_duplicate=False):
        own = [*owner._members(Parameter), *((name, b) for name, b in owner._own_buffers() if b.persistent)]
        for name, held in own:
            yield f"{path}.{name}" if path else name, owner, name, held


def state_dict(module: Module) -> dict[str, np.ndarray]:
    """Parameters and persistent buffers as NumPy arrays under PyTorch's names."""
    return {name: np.asarray(_content(held)) for name, _, _, held in _entries(module)}


def load_state_dict(module: Module, state: Mapping[str, Any]) -> None:
    """Copies `state` into the module. Raises ValueError naming every missing, unexpected and mis-shaped key, before
    anything is written. Arrays are converted to the dtype of their destination."""
    entries = list(_entries(module))
    names = {name for name, *_ in entries}
    arrays = {name: np.asarray(array) for name, array in state.items()}
    faults = {
        "missing": sorted(names - arrays.keys()),
        "unexpected": sorted(arrays.keys() - names),
        "wrong shape": [
            f"{name} {arrays[name].shape} for {np.shape(_content(held))}"
            for name, _, _, held in entries
            if name in arrays and arrays[name].shape != np.shape(_content(held))
        ],
    }
    if any(faults.values()):
        listed = "; ".join(f"{kind}: {', '.join(keys)}" for kind, keys in faults.items() if keys)
        raise ValueError(f"state does not fit {type(module).__name__}: {listed}")
    for name, owner, own_name, held in entries:
        array = arrays[name].astype(_content(held).dtype)
        if isinstance(held, Held):
            object.__setattr__(owner, own_name, Held(array, is_buffer=True, persistent=True))
        else:
            held.set_value(array)


def _content(held: Any) -> Any:
    return held.content if isinstance(held, Held) else held[...]
