"""Independent jobs of a benchmark, on all cores; what a file of results holds is not done again."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from translators.diagnostics import UserError

ROOT = Path(__file__).resolve().parents[1]
CODE = ("planning", "benchmarks", "trees", "resolving")  # folders of jnas that results depend on


def done(function: Callable[..., Any], jobs: Sequence[Sequence[Any]], results: Path | None = None) -> list[Any]:
    """`function(*job)` of every job, in their order. Jobs and what comes of them are values of JSON.

    `results` takes a line per job as soon as it is finished, so that a command that is started again goes on. Raises
    UserError for a file of other code.
    """
    known = {} if results is None else _read(results)
    keys = [json.dumps([function.__name__, *job]) for job in jobs]
    open_ones = {key: job for key, job in zip(keys, jobs, strict=True) if key not in known}
    if open_ones:
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as processes:
            futures = {processes.submit(function, *job): key for key, job in open_ones.items()}
            for future in as_completed(futures):
                key = futures[future]
                known[key] = future.result()
                if results is not None:
                    _add(results, {"job": key, "result": known[key]})
                print(
                    f"{len(jobs) - len([key for key in keys if key not in known])} of {len(jobs)}: {key}",
                    file=sys.stderr,
                )
    return [known[key] for key in keys]


def _read(results: Path) -> dict[str, Any]:
    if not results.resolve().parent.is_dir():
        raise UserError(f"--results {results}: there is no folder {results.parent}; make it first")
    if not results.exists():
        _add(results, {"code": _code()})
        return {}
    try:
        # A process that was killed while it wrote has left the last line short.
        lines = results.read_text(encoding="utf-8").splitlines(keepends=True)
        first, *rows = (json.loads(line) for line in lines if line.endswith("\n"))
        code = first["code"]
        found = {row["job"]: row["result"] for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"--results {results}: no results of a benchmark ({error}); give a new file") from None
    if code != _code():
        raise UserError(f"--results {results}: of another version of the planners; give a new file")
    if lines and not lines[-1].endswith("\n"):
        results.write_text("".join(lines[:-1]), encoding="utf-8")
    return found


def _add(results: Path, row: dict[str, Any]) -> None:
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _code() -> str:
    files = sorted(path for folder in CODE for path in (ROOT / folder).glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
