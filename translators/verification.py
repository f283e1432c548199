"""Parity of translated classes with PyTorch, in child processes with limits on time, memory and environment.

Needs torch and a source that torch can import: the children execute the originals, nothing else does. What a child
does is in `translators.verification_worker`, how two classes are compared in `translators.comparison`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import selectors
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from translators.confinement import EXPIRED, Confined
from translators.diagnostics import UserError

MEMORY_LIMIT = 6 << 30
"""Bytes of address space that a child may add to what it has after its imports."""

_ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "LANG")
_START_SECONDS = 120.0  # importing torch, JAX and the packages, on a machine that does other things too


def require_torch() -> None:
    """Raises UserError where torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        raise UserError(
            'torch: not installed, and verification compares with it; install it: pip install "jnas[torch]"'
        )


def verify_rows(
    rows: Sequence[Mapping[str, Any]], roots: Mapping[str, Path], *, workers: int = 0, seconds: float = 300.0
) -> Iterator[dict[str, Any]]:
    """Result rows (see `Verifier.verify`) in the order of `rows`, by several children: as many as cores by default."""
    free: SimpleQueue[Verifier] = SimpleQueue()

    def verify(row: Mapping[str, Any]) -> dict[str, Any]:
        verifier = free.get()
        try:
            return verifier.verify(row)
        finally:
            free.put(verifier)

    with contextlib.ExitStack() as stack:
        verifiers = [stack.enter_context(Verifier(roots, seconds)) for _ in range(min(workers or _cores(), len(rows)))]
        for verifier in verifiers:
            free.put(verifier)
        pool = ThreadPoolExecutor(max(1, len(verifiers)))
        try:
            yield from pool.map(verify, rows)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for verifier in verifiers:  # whoever stops early does not wait for rows that nobody reads
                verifier.end()
            pool.shutdown()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Verifier:
    """A warm child process that verifies rows one after another; it is replaced when it dies or exceeds a limit."""

    def __init__(self, roots: Mapping[str, Path], seconds: float = 300.0):
        self._roots = {name: str(Path(path).resolve()) for name, path in roots.items()}
        self._seconds = seconds
        self._readable = set(self._roots.values())
        self._child: Confined | None = None
        self._ended = False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed with the verifier

    def __enter__(self) -> Verifier:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()
        self._log.close()

    def verify(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The result row of TRANSLATION's protocol for one row of a specification.

        A row names a `source` and a `class`, with `init` and `input_shapes`. For a class that is translated already it
        has `emitted` (the folder), `module`, `import_from` (folders of the original) and `cases` with an `init` and
        `input_shapes` each.
        """
        needed = {*row.get("import_from", ()), *([row["emitted"]] if "emitted" in row else [])}
        if not needed <= self._readable:  # a child sees what it was started for
            self._stop()
            self._readable |= needed
        child = self._child or self._start()
        started = time.monotonic()
        child.allow(self._seconds)
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(json.dumps({"row": dict(row), "roots": self._roots}).encode() + b"\n")
            child.stdin.flush()
        line = self._answer(child, started + self._seconds)
        if line == b"\n":  # on a busy machine the child was ready later than it was waited for
            line = self._answer(child, started + self._seconds)
        if line.endswith(b"\n"):
            return json.loads(line)
        late = child.process.poll() in (None, EXPIRED)
        self._stop()
        reason = f"no answer within {self._seconds:g} s" if late else f"the process died: {self._last_words()}"
        return result_row(row, "crashed", reason=reason, seconds_verify=time.monotonic() - started)

    def _start(self) -> Confined:
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment = kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, "-m", "translators.verification_worker"]
        child = self._child = Confined(
            command, env=environment, stderr=self._log, readable=self._readable, memory=2 * MEMORY_LIMIT
        )
        if self._ended:
            child.end()
        child.allow(_START_SECONDS)
        self._answer(child, time.monotonic() + _START_SECONDS)  # an empty line when the imports are done
        return child

    def _answer(self, child: Confined, deadline: float) -> bytes:
        """One line, or what came of it until the deadline or the end."""
        received = b""
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while not received.endswith(b"\n") and selector.select(max(0.0, deadline - time.monotonic())):
                piece = os.read(child.stdout.fileno(), 1 << 16)
                if not piece:
                    child.process.wait()
                    break
                received += piece
        return received

    def end(self) -> None:
        """End the child for good, from any thread; a row that waits for it is answered as crashed."""
        self._ended = True
        if self._child is not None:
            self._child.end()

    def _stop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no message"


def verify_row(row: Mapping[str, Any], roots: Mapping[str, Path], seconds: float = 300.0) -> dict[str, Any]:
    """One row in a process of its own; for many rows see `verify_rows`."""
    with Verifier(roots, seconds) as verifier:
        return verifier.verify(row)


def result_row(row: Mapping[str, Any], status: str, **found: Any) -> dict[str, Any]:
    """The result row of a row: what was `found`, and None for the rest."""
    blank = dict.fromkeys(
        ("code", "reason", "output_diff", "gradient_diff", "train_diff", "seconds_translate", "seconds_verify")
    )
    return {"source": row["source"], "class": row["class"], "status": status, **blank, **found}
