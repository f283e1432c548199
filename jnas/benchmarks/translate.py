"""Translation against PyTorch, beside tools that trace it: right, wrong, refused, crashed, seconds to convert."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from jnas.benchmarks import traced
from jnas.benchmarks.rows import Row
from translators.diagnostics import UserError
from translators.verification import require_torch, verify_rows
from translators.verification_worker import locate, variants

SPEC = Path(__file__).parents[1] / "data" / "translate_blocks.json"
LONGEST = 3600.0  # seconds for one tool


def measure(spec: Path = SPEC, root: Sequence[str] = (), python: Sequence[str] = ()) -> Sequence[Row]:
    """Rows for us and for each tool that is found: in the interpreter that `python` (TOOL=PATH) names, or in this one.

    `spec` is a list of rows as `python -m translators verify` takes them, `root` its NAME=DIR. Raises UserError.
    """
    require_torch()
    blocks = _read(spec)
    roots = _pairs("--root", root)
    interpreters = _pairs("--python", python)
    if unknown := interpreters.keys() - traced.TOOLS.keys():
        raise UserError(f"--python {', '.join(unknown)}: expected one of {', '.join(traced.TOOLS)}, as TOOL=PATH")
    ours = list(verify_rows(blocks, {name: Path(folder) for name, folder in roots.items()}))
    rows = list(_rows("translators", ours, "seconds_translate", "no torch needed, yields source"))
    for tool in traced.TOOLS:
        interpreter = interpreters.get(tool) or (sys.executable if importlib.util.find_spec(tool) else None)
        if interpreter is None:
            print(f"{tool}: not installed here; give its interpreter: --python {tool}=PATH", file=sys.stderr)
            continue
        found = list(_traced(tool, interpreter, blocks, roots))
        rows += _rows(tool, found, "seconds", "needs torch, yields no source")
    return rows


def _rows(tool: str, results: Sequence[Mapping[str, Any]], seconds: str, note: str) -> Iterator[Row]:
    counts = Counter(result["status"] for result in results)
    ours = tool == "translators"
    yield Row(f"{tool}: right", counts["right"], f"of {len(results)}", note=note)
    yield Row(f"{tool}: wrong", counts["wrong"], high=0 if ours else None)
    yield Row(f"{tool}: refused", counts["refused"])
    yield Row(f"{tool}: crashed", counts["crashed"], high=0 if ours else None)
    times = [result[seconds] for result in results if result.get(seconds) is not None]
    if times:
        yield Row(f"{tool}: time to convert", median(times), "s", high=0.1 if ours else None, note="median")


def _traced(
    tool: str, interpreter: str, blocks: Sequence[Mapping[str, Any]], roots: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    requests = []
    for block in blocks:
        _, folder, module = locate(block, roots)
        folders = [str(folder), *(str(Path(root).resolve().parent) for root in roots.values())]
        shapes = variants(block["input_shapes"])[:3]
        requests.append({**block, "module": module, "import_from": folders, "shapes": shapes})
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "JAX_PLATFORMS": "cpu", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [interpreter, "-m", traced.__name__, tool],
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True, text=True, env=environment, timeout=LONGEST,
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{interpreter}: {tool} ended with code {done.returncode} ({last}); it needs torch and jax")
    yield from map(json.loads, done.stdout.splitlines())


def _read(spec: Path) -> list[dict[str, Any]]:
    try:
        return json.loads(spec.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"--spec {spec}: not a JSON list of blocks ({error}); see python -m translators verify"
        ) from None


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    if wrong := [pair for pair in given if "=" not in pair]:
        raise UserError(f"{option} {wrong[0]}: expected NAME=PATH")
    return dict(pair.split("=", 1) for pair in given)
