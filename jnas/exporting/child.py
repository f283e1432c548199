"""The child process of a check: imports an exported file without the packages that it must not need, and runs it.

`python -I child.py` reads one JSON request and writes one JSON answer. Run as a script, it imports nothing of ours.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


class Absent(importlib.abc.MetaPathFinder):
    """Makes packages look as if they were not installed."""

    def __init__(self, packages: Sequence[str]):
        self._packages = frozenset(packages)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.split(".")[0] in self._packages:
            raise ModuleNotFoundError(f"No module named {fullname!r}: it is hidden from this check", name=fullname)
        return None


def load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("model", file)
    assert spec is not None and spec.loader is not None
    module = sys.modules["model"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_flax(model: Any, images: np.ndarray) -> np.ndarray:
    return np.asarray(model(images))


def run_torch(model: Any, images: np.ndarray) -> np.ndarray:
    import torch

    with torch.no_grad():
        return model(torch.from_numpy(images)).numpy()


def run_exported(model: Any, images: np.ndarray) -> np.ndarray:
    """Through the graph that ONNX is made from: without Python, so without control flow that depends on data."""
    import torch

    given = torch.from_numpy(images)
    return run_torch(torch.export.export(model, (given,)).module(), images)


RUNS = {"flax": run_flax, "torch": run_torch, "onnx-ready": run_exported}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what imported code prints goes to the log
    request = json.load(sys.stdin)
    sys.meta_path.insert(0, Absent(request["absent"]))
    folder = Path(request["folder"])
    try:
        images, expected = (np.load(folder / f"{name}.npy") for name in ("images", "logits"))
        model = load(folder / "model.py").build(str(folder / "weights.safetensors"))
        logits = RUNS[request["to"]](model, images)
        if logits.shape != expected.shape:
            raise ValueError(f"logits of shape {logits.shape}, expected {expected.shape}")
        apart = np.abs(logits.astype(np.float64) - expected).max() / max(1.0, float(np.abs(expected).max()))
        answer: dict[str, Any] = {"difference": float(np.nan_to_num(apart, nan=np.inf))}
    except Exception as error:  # whatever the code raises
        answer = {"error": f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:300]}"}
    print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
