"""The process in which translated code runs: jobs arrive on stdin, replies leave on stdout, a JSON object a line.

A job is {"id", "operation", "arguments"}. Replies carry its id and one of "progress", "value" or "failure"
({"status", "message"}); the last one says with "kept" how many bytes the process holds. Whatever the code of a
candidate prints goes to stderr, which the pool keeps as a log.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

Operation = Callable[[Mapping[str, Any], Callable[..., None]], Any]


def main(operations: Mapping[str, Operation] | None = None) -> None:
    """Serve until stdin ends. The one command-line argument is the memory limit in bytes."""
    _die_with_parent()
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = _protected_stdout()
    if operations is None:
        from jnas.evaluation.operations import OPERATIONS

        operations = OPERATIONS
    jobs: queue.Queue[Mapping[str, Any]] = queue.Queue()
    threading.Thread(target=_receive, args=(jobs,), daemon=True).start()
    _send(replies, {"ready": True})
    while True:
        job = jobs.get()
        _send(replies, {"id": job["id"], **_perform(operations, job, replies), "kept": _kept()})


def _perform(operations: Mapping[str, Operation], job: Mapping[str, Any], replies: TextIO) -> dict[str, Any]:
    def progress(**values: Any) -> None:
        _send(replies, {"id": job["id"], "progress": values})

    try:
        return {"value": operations[job["operation"]](job["arguments"], progress)}
    except Exception as error:
        traceback.print_exc()
        return {"failure": {"status": classify(error), "message": _one_line(error)}}


def _kept() -> int:
    """Bytes that count towards RLIMIT_DATA; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:")), 0)


def classify(error: BaseException) -> str:
    """The type of a failure, as outcomes.REASONS and outcomes.STATUSES name them; "user" for bad input."""
    name, text = type(error).__name__, str(error)
    if name == "UserError":
        return "user"
    if name == "BuildError":
        return error.reason  # type: ignore[attr-defined]
    if name == "Refused":
        return "refused"
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        return "memory"
    return "error"


def _one_line(error: BaseException) -> str:
    first = (str(error).strip() or type(error).__name__).splitlines()[0][:400]
    return (
        first if type(error).__name__ in ("UserError", "BuildError", "Refused") else f"{type(error).__name__}: {first}"
    )


def _protected_stdout() -> TextIO:
    """The pipe to the pool, under a descriptor that no print of a candidate reaches."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return pipe


def _send(replies: TextIO, message: Mapping[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


def _receive(jobs: queue.Queue[Mapping[str, Any]]) -> None:
    for line in sys.stdin:
        jobs.put(json.loads(line))
    os.killpg(0, signal.SIGKILL)  # the search is gone: leave nothing behind, also in the middle of a training


def _die_with_parent() -> None:
    """Be killed with the search where the system offers that: code that holds the GIL never sees the end of stdin."""
    if sys.platform == "linux":
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
