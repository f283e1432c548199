"""Training steps of three networks: ours, flax's own layers, PyTorch; each in a process of its own, in turn.

The networks stand in `jnas/data/engine_networks.py` as PyTorch source, which is translated here; flax's are written
with its layers (`jnas.benchmarks.stock`). Every tool is run three times; its quickest run counts.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jnas.benchmarks.engine_child import SOURCE
from jnas.benchmarks.rows import Row
from jnas.training.processor import HUGE_PAGES
from translators.diagnostics import UserError
from translators.emission import standalone
from translators.sources import open_source
from translators.translation import translate_class

NETWORKS = ("cells", "depthwise", "attention")
OURS, PLAIN, STOCK, PYTORCH = "jnas", "jnas, plain XLA", "flax nnx", "PyTorch"
TOOLS = (OURS, PLAIN, STOCK, "flax linen", PYTORCH, "torch.compile")
ROUNDS = 3
BATCH, STEPS = 64, 12
LONGEST = 600.0  # seconds of one tool with one network


def measure(networks: Sequence[str] = NETWORKS) -> Sequence[Row]:
    """Seconds to the end of the first step and milliseconds of a later one. PyTorch is left out where it is absent."""
    tools = [tool for tool in TOOLS if "orch" not in tool or importlib.util.find_spec("torch")]
    if len(tools) < len(TOOLS):
        print("PyTorch is not installed here: left out (pip install 'jnas[torch]')", file=sys.stderr)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="jnas-engine-") as folder:
        for network in networks:
            translation = translate_class(open_source(str(SOURCE)), network.title())
            (name,) = translation.outcomes
            Path(folder, f"{network.title()}.py").write_text(standalone(translation, name), encoding="utf-8")
        for network in networks:
            found: dict[str, dict[str, float]] = {}
            for tool in tools * ROUNDS:
                times = _times(tool, network, folder)
                best = found.setdefault(tool, times)
                found[tool] = {key: min(best[key], times[key]) for key in times}
            rows += _rows(network, found)
    return rows


def _times(tool: str, network: str, folder: str) -> dict[str, float]:
    command = [sys.executable, "-m", "jnas.benchmarks.engine_child", tool, network, str(BATCH), str(STEPS), folder]
    # A first step is timed with nothing compiled before.
    environment = {key: value for key, value in os.environ.items() if key != "JAX_COMPILATION_CACHE_DIR"}
    # As jnas' workers have it; the other tools get it as well, or the ratios would be those of an allocator.
    environment |= {**HUGE_PAGES, "TORCHINDUCTOR_CACHE_DIR": str(Path(folder, "inductor")), "JAX_PLATFORMS": "cpu"}
    environment["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
    print(f"{network}: {tool}", file=sys.stderr)
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        raise UserError(
            f"engine: {tool} with {network} took more than {LONGEST:.0f} s; try a quieter machine"
        ) from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"engine: {tool} with {network} failed: {last}")
    result: Mapping[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return {"first": result["first"], "step": 1000 * min(result["steps"])}


def _rows(network: str, found: Mapping[str, Mapping[str, float]]) -> list[Row]:
    rows = []
    for tool, times in found.items():
        rows.append(Row(f"{network}, {tool}: first step", times["first"], "s"))
        rows.append(Row(f"{network}, {tool}: step", times["step"], "ms"))
    ours = found[OURS]
    rows.append(Row(f"{network}: first step sooner than {STOCK}", found[STOCK]["first"] / ours["first"], "x", low=2.5))
    if PYTORCH in found:
        rows.append(Row(f"{network}: step against {PYTORCH}", ours["step"] / found[PYTORCH]["step"], "x", high=1.0))
    if network == "depthwise":
        rows.append(Row(f"{network}: step sooner than {PLAIN}", found[PLAIN]["step"] / ours["step"], "x", low=5.0))
    return rows
