"""What modules without a contract are at a place: asked of a child process, which runs them abstractly, and remembered.

Translated code never runs here. The child starts at the first question that the cache cannot answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import translators
from jnas.library.binding import BindError, Shape
from jnas.library.exact import Traced, traced_from_json

WORKER = "jnas.models.tracing_worker"
TIME_LIMIT = 600.0  # seconds for one module, the start of the child included
_ROOT = Path(__file__).resolve().parents[2]  # where jnas and translators are imported from


class Places:
    """The `Evaluate` of the libraries in `folders`; answers are kept in `memory`, a file that processes share."""

    def __init__(self, folders: Sequence[Path], memory: Path):
        self._folders = [str(Path(folder).resolve()) for folder in folders]
        self._memory = memory
        self._known: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._child: _Child | None = None
        self._lock = threading.Lock()

    def __call__(self, block: str, arguments: str, layouts: tuple[str, str], shape: Shape) -> Traced:
        question = (block, arguments, layouts, shape)
        with self._lock:
            if question not in self._known:
                self._known[question] = self._answer(question)
            answer = self._known[question]
        if "error" in answer:
            raise BindError(f"{block}: {answer['error']}")
        return traced_from_json(answer)

    def lifted(self, name: str, options: Mapping[str, Any], shape: Shape, classes: int) -> dict[str, Any]:
        """{"tree", "origins"} of a whole model for images of `shape`, or {"error"}; see models.lifting."""
        question = (name, dict(options), shape, classes)
        with self._lock:
            return self._answered(question, "lift", name=name, options=options, shape=shape, classes=classes)

    def _answer(self, question: tuple[Any, ...]) -> dict[str, Any]:
        block, arguments, layouts, shape = question
        return self._answered(question, "trace", block=block, arguments=arguments, layouts=layouts, shape=shape)

    def _answered(self, question: tuple[Any, ...], operation: str, **values: Any) -> dict[str, Any]:
        """From the memory, else of the child."""
        key = hashlib.sha256(json.dumps([_code(), self._folders, *question]).encode()).hexdigest()
        found = self._remembered(key)
        if found is None:
            found = self._ask(operation, **values)
            if not found.pop("passing", False):
                self._remember(key, found)
        return found

    def _ask(self, operation: str, **values: Any) -> dict[str, Any]:
        """The child's answer. An "error" that is "passing" says nothing about the module."""
        if self._child is None:
            self._child = _Child()
        answer = self._child.ask({"operation": operation, "libraries": self._folders, **values})
        if answer is None:
            self._child = None
            return {"error": f"no answer within {TIME_LIMIT:g} s, or out of memory", "passing": True}
        return answer

    def _remembered(self, key: str) -> dict[str, Any] | None:
        with contextlib.suppress(sqlite3.Error, ValueError), contextlib.closing(self._open()) as memory:
            row = memory.execute("SELECT answer FROM places WHERE key = ?", (key,)).fetchone()
            return None if row is None else json.loads(row[0])
        return None

    def _remember(self, key: str, answer: dict[str, Any]) -> None:
        with contextlib.suppress(sqlite3.Error, OSError), contextlib.closing(self._open()) as memory, memory:
            memory.execute("INSERT OR REPLACE INTO places VALUES (?, ?)", (key, json.dumps(answer)))

    def _open(self) -> sqlite3.Connection:
        with contextlib.suppress(OSError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
        memory = sqlite3.connect(self._memory, timeout=10)
        memory.execute("CREATE TABLE IF NOT EXISTS places (key TEXT PRIMARY KEY, answer TEXT)")
        return memory


@cache
def _code() -> str:
    """Hash of the code that runs the modules."""
    digest = hashlib.sha256()
    for folder in (Path(translators.__file__).parent / "runtime", Path(__file__).parents[1] / "models"):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


class _Child:
    """One process in a session of its own; it ends with its standard input."""

    def __init__(self) -> None:
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": os.environ.get("HOME", ""),
            "PYTHONPATH": str(_ROOT),
            "PYTHONHASHSEED": "0",
            "JAX_PLATFORMS": "cpu",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )

    def ask(self, question: dict[str, Any]) -> dict[str, Any] | None:
        """None when the process ended or took too long; it is gone then."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
            received, descriptor = b"", self._process.stdout.fileno()
            while not received.endswith(b"\n"):
                ready, _, _ = select.select([descriptor], [], [], TIME_LIMIT)
                chunk = os.read(descriptor, 1 << 16) if ready else b""
                if not chunk:
                    raise BrokenPipeError
                received += chunk
            return json.loads(received)
        except BrokenPipeError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            return None
