"""Answers of probing, kept by what they depend on: closure and arguments of a block, the runtime, the code."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import translators
from jnas.library.closures import Closures
from jnas.library.workers import ENDED, probe_all

_TOLD = ("description", "provenance")  # what a block is told, not asked


def answers_for(
    jobs: Sequence[Mapping[str, Any]], modules: Path, cache: Path, progress: Callable[[int, int], None]
) -> list[dict[str, Any]]:
    """Answers to `jobs` (see probing.answer) on emitted files below `modules`, in their order; `cache` keeps them."""
    closures, code = Closures(modules), _code_hash()
    files = [cache / f"{_key(job, closures.hash_of(job['name']), code)}.json" for job in jobs]
    answers = [_read(file, job) for file, job in zip(files, jobs)]
    missing = [number for number, answer in enumerate(answers) if answer is None]
    known = len(jobs) - len(missing)
    progress(known, len(jobs))
    found = probe_all([jobs[n] for n in missing], progress=lambda done, total: progress(known + done, len(jobs)))
    for number, answer in zip(missing, found):
        answers[number] = answer
        if answer["status"] != "timeout" and answer["reason"] != ENDED:  # may be the machine's, and is tried again
            _write(files[number], answer)
    return [answer for answer in answers if answer is not None]


def _key(job: Mapping[str, Any], closure: str, code: str) -> str:
    asked = {name: value for name, value in job.items() if name not in (*_TOLD, "folder")}
    return hashlib.sha256("\0".join((code, closure, json.dumps(asked, sort_keys=True))).encode()).hexdigest()


def _code_hash() -> str:
    """Hash of the code that an answer depends on."""
    here, there = Path(__file__).parent, Path(translators.__file__).parent
    digest = hashlib.sha256()
    for path in (*sorted(here.glob("*.py")), *sorted((there / "runtime").rglob("*.py")), there / "loading.py"):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _read(file: Path, job: Mapping[str, Any]) -> dict[str, Any] | None:
    """An answer that was kept, about the block as it is told now."""
    try:
        answer = json.loads(file.read_text(encoding="utf-8"))
        if answer["block"] is not None:
            answer["block"] |= {name: job[name] for name in _TOLD}
        return answer
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(file: Path, answer: Mapping[str, Any]) -> None:
    """Whole or not at all; not flushed to the disk, for what is lost is asked again."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        json.dump(answer, out)
    os.replace(temporary, file)
