"""Child processes that probe: within walls, limited in time, and replaced when they die."""

from __future__ import annotations

import itertools
import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from translators.confinement import Confined

MEMORY = 4 << 30  # bytes of a worker and all that it starts
ENDED = "ended its worker process"
_ROOT = Path(__file__).resolve().parents[2]  # where jnas and translators are imported from


def probe_all(
    jobs: Sequence[Mapping[str, Any]],
    *,
    workers: int = 2,
    time_limit: float = 300.0,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Answers to `jobs` (see probing.answer) in their order. Running out of time or ending the worker is an answer."""
    answers: list[dict[str, Any] | None] = [None] * len(jobs)
    folders = {job["folder"] for job in jobs if job["folder"] is not None}
    todo: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
    by_module = itertools.groupby(range(len(jobs)), key=lambda index: jobs[index]["name"].rpartition(".")[0])
    for _, indices in by_module:  # a worker imports a module once
        todo.put(list(indices))
    done = threading.Semaphore(0)
    stop = threading.Event()

    def serve() -> None:
        worker: _Worker | None = None
        try:
            while not stop.is_set():
                try:
                    indices = todo.get_nowait()
                except queue.Empty:
                    return
                for index in indices:
                    if stop.is_set():
                        return
                    worker = worker or _Worker(folders)
                    answers[index] = worker.ask(jobs[index], time_limit)
                    if not worker.alive:
                        worker = None
                    done.release()
        finally:
            if worker is not None:
                worker.kill()

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(min(workers, len(jobs)))]
    for thread in threads:
        thread.start()
    try:
        for count in range(1, len(jobs) + 1):
            while not done.acquire(timeout=1.0):
                if not any(thread.is_alive() for thread in threads):
                    raise RuntimeError("probing workers ended before all classes were probed")
            if progress is not None:
                progress(count, len(jobs))
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=time_limit + 2)
    return [answer for answer in answers if answer is not None]


class _Worker:
    """One child process within walls; it sees the folders of the modules that it is to probe."""

    def __init__(self, folders: Set[str]) -> None:
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(_ROOT),
            "PYTHONSAFEPATH": "1",  # nothing of the folder where the command was given
            "PYTHONHASHSEED": "0",
            "JAX_PLATFORMS": "cpu",
        }
        command = [sys.executable, "-m", "jnas.library.probing"]
        self._process = Confined(command, env=environment, stderr=subprocess.DEVNULL, readable=folders, memory=MEMORY)
        self._jobs, self._answers = self._process.stdin, self._process.stdout
        self.alive = True
        self._started = False

    def ask(self, job: Mapping[str, Any], time_limit: float) -> dict[str, Any]:
        limit = time_limit if self._started else time_limit + 30  # the first answer waits for the imports
        self._started = True
        began = time.monotonic()
        self._process.allow(limit)
        try:
            self._jobs.write(json.dumps(job).encode() + b"\n")
            self._jobs.flush()
        except BrokenPipeError:
            self.kill()
            return _failed(job, "crashed", ENDED)
        line = self._read_line(limit)
        if line is not None and line.endswith(b"\n"):
            return json.loads(line)
        self.kill()
        if line is None or time.monotonic() - began >= limit:  # on a busy machine the supervisor may be first
            return _failed(job, "timeout", f"took longer than {time_limit:g} s")
        return _failed(job, "crashed", ENDED)

    def _read_line(self, limit: float) -> bytes | None:
        """A line, less than a line when the process ended, None when the time was up."""
        descriptor = self._answers.fileno()
        received = b""
        while not received.endswith(b"\n"):
            ready, _, _ = select.select([descriptor], [], [], limit)
            if not ready:
                return None
            chunk = os.read(descriptor, 1 << 16)
            if not chunk:
                break
            received += chunk
        return received

    def kill(self) -> None:
        self.alive = False
        self._process.kill()


def _failed(job: Mapping[str, Any], status: str, reason: str) -> dict[str, Any]:
    return {"name": job["name"], "status": status, "reason": reason, "code": None, "block": None}
