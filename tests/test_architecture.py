"""The house stays as it was drawn: imports run downwards, importing is inert, the pure rooms do no I/O."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {  # room -> how high it stands; a room imports rooms that stand lower, and itself
    "translators": 0,
    "jnas.library": 1,
    "jnas.trees": 2,
    "jnas.models": 3,
    "jnas.training": 3,
    "jnas.knowledge": 4,
    "jnas.planning": 4,
    "jnas.resolving": 4,
    "jnas.runs": 4,
    "jnas.evaluation": 4,
    "jnas.exporting": 4,
    "jnas.reports": 5,
    "jnas.searching": 6,
    "jnas.benchmarks": 8,
    "jnas.api": 8,
}
SAME_LEVEL = {("jnas.models", "jnas.training"), ("jnas.resolving", "jnas.planning"), ("jnas.evaluation", "jnas.runs")}
SAME_LEVEL |= {("jnas.runs", "jnas.planning"), ("jnas.runs", "jnas.evaluation"), ("jnas.runs", "jnas.resolving")}
SAME_LEVEL |= {("jnas.planning", "jnas.knowledge"), ("jnas.knowledge", "jnas.resolving")}
SAME_LEVEL |= {("jnas.preflight", "jnas.search")}  # the line to check is read by the parser of the search itself
SAME_LEVEL |= {("jnas", "jnas.api")}  # the names of the package are those of its interface, loaded when asked for
COMMAND_LINES = 7
LOADED_WHEN_USED = {"jnas.training.cifar"}  # its class derives from one of tensorflow_datasets
PURE = ("jnas.trees", "jnas.planning", "jnas.library.block", "jnas.library.binding", "jnas.resolving.questions")
WORLD = {"os", "io", "socket", "subprocess", "shutil", "sqlite3", "urllib", "torch", "tensorflow_datasets", "google"}


def modules() -> dict[str, ast.Module]:
    found = {}
    for package in ("jnas", "translators"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if (ROOT / "jnas" / "data") in path.parents:  # PyTorch source that is read, never imported
                continue
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = modules()


def imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(name: str) -> str:
    parts = name.split(".")
    return "translators" if parts[0] == "translators" else ".".join(parts[:2])


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_downwards(name: str) -> None:
    here = room(name)
    level = ROOMS.get(here, COMMAND_LINES)
    for other in imported(MODULES[name]):
        if other.split(".")[0] not in ("jnas", "translators"):
            continue
        there = room(other)
        if there == "jnas" or there == here or (here, there) in SAME_LEVEL:
            continue
        assert ROOMS.get(there, COMMAND_LINES) < level, f"{name} imports {other}, which stands higher"


@pytest.mark.parametrize("name", [n for n in MODULES if n.startswith(PURE)])
def test_the_pure_rooms_know_no_world(name: str) -> None:
    roots = {other.split(".")[0] for other in imported(MODULES[name])}
    assert not roots & WORLD, f"{name} imports {sorted(roots & WORLD)}"


def test_nothing_is_pickled() -> None:
    for name, tree in MODULES.items():
        assert not {n.split(".")[0] for n in imported(tree)} & {"pickle", "cloudpickle", "dill", "shelve"}, name


def test_importing_is_inert() -> None:
    """No array is made, no device is touched, no heavy package is loaded by importing any module."""
    names = [n for n in MODULES if not n.endswith("__main__") and n not in LOADED_WHEN_USED]
    program = f"""
import importlib, sys
for name in {names!r}:
    importlib.import_module(name)
heavy = {{"torch", "tensorflow", "tensorflow_datasets", "google.genai", "ray", "xllamacpp", "timm"}} & set(sys.modules)
assert not heavy, heavy
bridge = sys.modules.get("jax._src.xla_bridge")
assert bridge is None or not bridge._backends, "a device was initialised"
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
