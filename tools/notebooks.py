"""Run the notebooks from top to bottom and store what they print: python tools/notebooks.py [NAME...]

Each runs in a folder of its own that is thrown away. One that fails, or prints a path of this machine, is not stored.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
LONGEST = 1200  # seconds of a cell
PRIVATE = re.compile(r"/(home|root|Users|tmp|work)/|@[\w-]+\.\w+:")
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def main() -> int:
    """0, or 1 when one of them failed."""
    failed = 0
    for path in [FOLDER / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb")):
        started = time.perf_counter()
        notebook = nbformat.read(path, as_version=4)
        with tempfile.TemporaryDirectory() as folder:
            execute(notebook, Path(folder))
        errors = faults(notebook)
        print(f"{path.name}: {time.perf_counter() - started:.0f} s", *errors, sep="\n  ")
        if errors:
            failed += 1
        else:
            nbformat.write(plain(notebook), path)
    return 1 if failed else 0


def execute(notebook: Any, folder: Path) -> None:
    """Run every cell, in `folder`; a cell that fails ends it and has the error as its output."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), before or ""])
    try:
        client = NotebookClient(notebook, timeout=LONGEST, startup_timeout=LONGEST, record_timing=False)
        client.resources = {"metadata": {"path": str(folder)}}
        client.execute()
    except Exception as error:  # what the kernel says is in the notebook already, or is this
        print(str(error)[-2000:], file=sys.stderr)
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


def faults(notebook: Any) -> list[str]:
    """What keeps a notebook from being stored: cells that failed or never ran, paths of the machine."""
    found = []
    for number, cell in enumerate(code_cells(notebook), 1):
        if cell.execution_count != number or any(output.output_type == "error" for output in cell.outputs):
            found.append(f"cell {number}: failed, or never ran")
        elif private := PRIVATE.search(text_of(cell)):
            found.append(f"cell {number}: prints {private.string[private.start() :][:60]!r}")
    return found


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_of(cell: Any) -> str:
    """All that a cell has put out."""
    return "\n".join(output.get("text", "") or str(output.get("data", "")) for output in cell.get("outputs", []))


def plain(notebook: Any) -> Any:
    """Without what differs from run to run and from machine to machine."""
    notebook.metadata = nbformat.from_dict(KERNEL)
    for number, cell in enumerate(notebook.cells):
        cell.metadata, cell.id = nbformat.from_dict({}), f"cell-{number}"
    return notebook


if __name__ == "__main__":
    sys.exit(main())
