"""A run directory as a search leaves it, made with the run database itself, and a Gemini that tests script."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jnas.evaluation.outcomes import Result, Verdict
from jnas.reports.run import Run
from jnas.runs.configuration import Configuration, to_toml
from jnas.runs.database import Attempt, Candidate, Choice, Final, RunDatabase
from jnas.runs.directory import RunDirectory
from jnas.trees import node
from jnas.trees.node import Node
from jnas.trees.starts import START_TREES

START = START_TREES["resnet8"]()
WIDER = node.replace(START, ("stages", 1, "body", 0), Node("jnas.BasicResidual", {"out_channels": 48, "stride": 2}))
GATED = node.insert(WIDER, ("stages", 2, "body", 1), Node("jnas.SqueezeExcite"))
STEPS = (  # parent, tree, description, accuracy (None: it failed)
    (None, START, "", 0.80),
    (0, WIDER, "set stage 2 block 1 out_channels: 32 -> 48", 0.8250),
    (1, WIDER, "delete the last block", None),
    (1, GATED, "insert jnas.SqueezeExcite after stage 3 block 1", 0.8512),
    (3, WIDER, "swap stage 1 block 1", 0.84),
)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Run]:
    """A finished run of four candidates; `description` replaces the words of candidate 1."""

    def make(description: str | None = None, finished: bool = True, name: str = "run") -> Run:
        directory = RunDirectory(tmp_path / name)
        directory.root.mkdir()
        settings = Configuration()
        settings = replace(settings, search=replace(settings.search, budget=len(STEPS) - 1))
        directory.configuration.write_text(to_toml(settings))
        with RunDatabase.open(directory.database) as database:
            database.set_fact("versions", {"jnas": "0.1", "python": "3.11.7"})
            for number, (parent, tree, words, accuracy) in enumerate(STEPS if finished else STEPS[:1]):
                shapes = {"": ((1, 28, 28), (10, 1, 1)), "stem": ((1, 28, 28), (16, 28, 28))}
                verdict = Verdict(True, True, True, parameters=78_042, multiply_adds=9_800_000, shapes=shapes)
                text = description if description is not None and number == 1 else words
                candidate = Candidate(
                    number, number, 0, node.to_json(tree), f"{number:064x}", verdict, parent, None, text
                )
                attempts, choices = [], []
                if number:
                    attempts = [
                        Attempt(number, 0, 0, 0, "swap", "trust", "caps", "1.7 M parameters", description or "")
                    ]
                    choices = [Choice(number, 0, 1, 0, "Which place?", {"place": "a"}, "uniform", seconds=0.1)]
                database.add_proposal(candidate, attempts, choices)
                database.add_result(number, Result("ok" if accuracy else "memory", accuracy, None, (), 2.0, 9.0))
            if finished:
                for number, split, score in ((0, "test", 0.86), (3, "validation", 0.9), (3, "test", 0.885)):
                    database.add_final(Final(number, 777, split, Result("ok", score)))
            database.add_phase("mining", 40.0)
            database.add_phase("search", 60.0)
        return Run.read(directory.root)

    return make


class GeminiServer:
    """Speaks generateContent: replies in turn, the last one for ever; keeps what was asked.

    A reply is "reset", "stall", (code, content), or a function of the request's body that gives one.
    """

    def __init__(self) -> None:
        self.replies: list = []
        self.requests: list[dict] = []
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append({"path": self.path, "key": self.headers.get("x-goog-api-key"), "body": body})
                reply = outer.replies.pop(0) if len(outer.replies) > 1 else outer.replies[0]
                if callable(reply):
                    reply = reply(body)
                if reply == "reset":
                    return self.connection.close()
                if reply == "stall":
                    return outer.released.wait(30)
                code, content = reply
                payload = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *args) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def gemini_server() -> Iterator[GeminiServer]:
    running = GeminiServer()
    yield running
    running.close()
