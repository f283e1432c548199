"""The quickstart from an empty cache: how long it takes, where the time goes, and whether it finds a better tree."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from jnas.benchmarks.rows import Row
from jnas.library.store import OWN_PREFIX
from jnas.reports.run import Run, blocks_of
from translators.diagnostics import UserError

LONGEST = 600.0  # seconds; `make search` has twelve minutes, two of them for the installation
TRAINED, TRAINED_WITH_MINED = 12, 8


def measure() -> Sequence[Row]:
    """Runs the search in a temporary folder with a cache of its own. Raises UserError when it fails."""
    with tempfile.TemporaryDirectory(prefix="jnas-main-job-") as folder:
        run_directory, cache = Path(folder, "run"), Path(folder, "cache")
        command = [sys.executable, "-m", "jnas.search", "--config", "quickstart", "--run-dir", str(run_directory)]
        began = time.monotonic()
        # Its display goes to standard error: standard output is the table's alone.
        done = subprocess.run([*command, "--quiet"], env={**os.environ, "JNAS_CACHE": str(cache)}, stdout=sys.stderr)
        seconds = time.monotonic() - began
        if done.returncode:
            raise UserError(f"main-job: {' '.join(command)} ended with code {done.returncode}; see its message above")
        return rows(Run.read(run_directory), seconds)


def rows(run: Run, seconds: float) -> Sequence[Row]:
    """What a finished run that took `seconds` of wall-clock time shows."""
    trained = [candidate for candidate in run.candidates if candidate.number and candidate.result]
    mined = [any(not name.startswith(OWN_PREFIX) for name in blocks_of(candidate.tree)) for candidate in trained]
    best = run.best.number if run.best else 0
    parts = {**run.phases, "other": seconds - sum(run.phases.values())}
    before, after = run.final_accuracy(0) or 0.0, run.final_accuracy(best) or 0.0
    return [
        Row("everything", seconds, "s", high=LONGEST, note="installation excluded, empty cache"),
        *(Row(name, part, "s", note=f"{part / seconds:.1%}") for name, part in parts.items()),
        Row("trained candidates", len(trained), low=TRAINED),
        Row("trained with a mined block", sum(mined), low=TRAINED_WITH_MINED),
        Row("turned down", len(run.attempts)),
        Row("start tree, test accuracy", 100 * before, "%"),
        Row(
            "best tree, test accuracy", 100 * after, "%", low=round(100 * before + 0.01, 2), note="above the start tree"
        ),
    ]
