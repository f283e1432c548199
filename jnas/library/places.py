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
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jnas.library.binding import BindError, Shape
from jnas.library.exact import Traced, traced_from_json
from jnas.library.memo import Memo, code_hash

WORKER = "jnas.models.tracing_worker"
TIME_LIMIT = 600.0  # seconds for one module, the start of the child included
_ROOT = Path(__file__).resolve().parents[2]  # where jnas and translators are imported from


class Places:
    """The `Evaluate` of the libraries in `folders`; answers are kept in the memo."""

    def __init__(self, folders: Sequence[Path], memo: Memo):
        self._folders = [str(Path(folder).resolve()) for folder in folders]
        self._memo = memo
        self._child: _Child | None = None
        self._lock = threading.Lock()

    def __call__(self, block: str, arguments: str, layouts: tuple[str, str], shape: Shape) -> Traced:
        question = (block, arguments, layouts, shape)
        values = {"block": block, "arguments": arguments, "layouts": layouts, "shape": shape}
        with self._lock:
            answer = self._answered(question, "trace", **values)
        if "error" in answer:
            raise BindError(f"{block}: {answer['error']}")
        return traced_from_json(answer)

    def lifted(self, name: str, options: Mapping[str, Any], shape: Shape, classes: int) -> dict[str, Any]:
        """{"tree", "origins"} of a whole model for images of `shape`, or {"error"}; see models.lifting."""
        question = (name, dict(options), shape, classes)
        with self._lock:
            return self._answered(question, "lift", name=name, options=options, shape=shape, classes=classes)

    def _answered(self, question: tuple[Any, ...], operation: str, **values: Any) -> dict[str, Any]:
        """From the memo, else of the child."""
        facts = [code_hash(), self._folders, operation, *question]
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        found = self._memo.get(key)
        if not isinstance(found, dict):
            found = self._ask(operation, **values)
            if not found.pop("passing", False):
                self._memo.put(key, found)
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
