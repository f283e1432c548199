"""The notebooks run from top to bottom, and what is stored is what they print.

Those of minutes are marked slow; `make notebooks` runs all of them and stores their outputs.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")

ROOT = Path(__file__).resolve().parents[1]
SHOWS = {  # words that the outputs hold when the notebook does what it is for
    "quickstart": ("SpatialGate", "Test accuracy", "<svg"),
    "mining": ("R03 autograd.Function", "width_multiple", "birdnet_tiny", "once more, from the cache: True"),
    "edits": ("the same candidate: True", "as it was planned: True | a planned deletion: False", "caps: parameters"),
    "planners": ("hierarchical   median", "greedy: median", "<svg"),
    "papers": ("edits drawn at random", "the paper's planner"),
    "pod": ("--spot", "kind: JobSet", "chips: 0 found, expected 8", "4 devices: training loss"),
}
SLOW = ("quickstart", "papers", "pod")


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notebooks_tool", ROOT / "tools" / "notebooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = tool()
NOTEBOOKS = sorted(TOOL.FOLDER.glob("*.ipynb"))


def shown(notebook) -> str:
    return "\n".join(TOOL.text_of(cell) for cell in TOOL.code_cells(notebook))


def test_every_notebook_is_known() -> None:
    assert {path.stem for path in NOTEBOOKS} == {*SHOWS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stored_and_name_nobodys_folders(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert TOOL.faults(notebook) == []
    assert not [word for word in SHOWS[path.stem] if word not in shown(notebook)]
    assert path.stat().st_size < 200_000
    assert json.loads(path.read_text(encoding="utf-8"))["metadata"] == TOOL.KERNEL


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in SHOWS]
)
def test_it_runs(name: str, tmp_path: Path) -> None:
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(TOOL.FOLDER / f"{name}.ipynb", as_version=4)
    TOOL.execute(notebook, tmp_path)
    assert TOOL.faults(notebook) == []
    assert not [word for word in SHOWS[name] if word not in shown(notebook)]
