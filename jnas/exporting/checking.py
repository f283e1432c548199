"""What was written computes what jnas computes: run in child processes with walls, as every code of others is."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jnas.exporting import child
from jnas.exporting.expression import Design
from jnas.trees.node import to_json
from translators.confinement import Confined
from translators.diagnostics import UserError

TOLERANCE = 1e-4
"""Of a difference of two logits, relative to the largest logit where that is above one."""

SECONDS = 600.0  # for one child
MEMORY = 12 << 30
_ROOT = Path(__file__).resolve().parents[2]  # where jnas and translators are imported from
_OURS = ("jnas", "translators")
_FRAMEWORKS = {"flax": ("torch", "torchvision"), "torch": ("jax", "jaxlib", "flax", "optax")}


class CheckFailed(Exception):
    """The file does not compute what jnas computes. The message is one line."""


@dataclass(frozen=True)
class Check:
    """`difference` is the largest one of the logits; None where the check could not run, and `reason` says why."""

    difference: float | None
    reason: str = ""

    @property
    def text(self) -> str:
        if self.difference is None:
            return f"NOT checked: {self.reason}."
        return f"The logits differ from those of jnas by {self.difference:.1e} at most ({self.reason})."


def write_reference(plan: Design, folder: Path, weights: Path | None, seed: int) -> int:
    """Writes weights.safetensors, and images with their logits, into `folder`; the number of parameters.

    `weights` are those of a training; else they are drawn from `seed`. Raises UserError.
    """
    libraries = sorted({str(Path(block.folder).resolve().parent) for block in plan.library.values() if block.folder})
    request = {
        "tree": to_json(plan.tree),
        "libraries": libraries,
        "shape": plan.shape,
        "classes": plan.classes,
        "seed": seed,
        "weights": None if weights is None else str(weights.resolve()),
        "folder": str(folder),
    }
    readable = [*libraries, *([str(weights.resolve())] if weights is not None else [])]
    command = [sys.executable, "-m", "jnas.exporting.reference"]
    answer = _ask(command, request, folder, readable, {"PYTHONPATH": str(_ROOT)})
    if "error" in answer:
        raise UserError(f"the network cannot be built: {answer['error']}")
    return int(answer["parameters"])


def check(plan: Design, to: str, folder: Path) -> Check:
    """Runs `model.py` of `folder` where neither jnas nor the other framework nor the mined packages can be imported.

    Raises CheckFailed where it does not run or its logits differ by more than TOLERANCE.
    """
    kind = "flax" if to == "flax" else "torch"
    needed = "jax" if kind == "flax" else "torch"
    if importlib.util.find_spec(needed) is None:
        return Check(None, f"{needed} is not installed here")
    packages = {block.name.split(".")[0] for block in plan.mined}
    absent = sorted({*_OURS, *_FRAMEWORKS[kind], *packages})
    request = {"folder": str(folder), "to": to, "absent": absent}
    answer = _ask([sys.executable, "-I", "-B", str(child.__file__)], request, folder, [str(child.__file__)], {})
    if "error" in answer:
        raise CheckFailed(f"model.py for {to} does not run: {answer['error']}")
    if answer["difference"] > TOLERANCE:
        raise CheckFailed(f"model.py for {to} computes something else: its logits differ by {answer['difference']:.2g}")
    return Check(answer["difference"], f"of {plan.classes} logits of 2 random images; {', '.join(absent)} hidden")


def _ask(
    command: list[str], request: Mapping[str, Any], folder: Path, readable: Iterable[str], more: Mapping[str, str]
) -> dict[str, Any]:
    """The answer of a child that may write into `folder` only; its last words where there is none."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = kept | {"JAX_PLATFORMS": "cpu", "PYTHONDONTWRITEBYTECODE": "1"} | dict(more)
    with tempfile.TemporaryFile() as log:
        started = Confined(
            command, env=environment, stderr=log, readable=readable, writable=[str(folder)], memory=MEMORY
        )
        try:
            started.allow(SECONDS)
            with contextlib.suppress(BrokenPipeError):
                started.stdin.write(json.dumps(request).encode())
                started.stdin.close()
            received = started.stdout.read()
        finally:
            started.kill()
        if received.endswith(b"\n"):
            return dict(json.loads(received))
        log.seek(0)
        words = log.read().decode(errors="replace").strip().splitlines() or ["no message"]
        return {"error": f"its process ended: {words[-1][:300]}"}
