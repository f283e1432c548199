"""The report of a search that still runs, over HTTP to this machine alone: the page asks again what is new."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from jnas.reports import html
from jnas.reports.candidates import details
from jnas.reports.content import content, plain
from jnas.reports.run import Run
from jnas.runs.directory import RunDirectory
from translators.diagnostics import UserError

HOST = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost", "[::1]")  # a page elsewhere whose name leads here is refused
SHARE = 10  # looking takes at most one part in so many of the time: the search needs the machine


class Follower:
    """A run as it is now, read again when its database has changed. Used from several threads."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError where there is no run."""
        self._folder, self._lock = folder, threading.Lock()
        self._stamp, self._again = self._written(), 0.0
        self._read()

    def now(self) -> tuple[Run, dict[str, Any], str]:
        """The run, its content, and a text that is another one when the content is. Raises UserError."""
        with self._lock:
            written = self._written()
            if written != self._stamp and time.monotonic() >= self._again:
                self._read()
                self._stamp = written
            return self._run, self._content, self._revision

    def _read(self) -> None:
        began = time.monotonic()
        self._run = Run.read(self._folder)
        self._content = content(self._run)
        digest = hashlib.sha256(json.dumps(self._content).encode()).hexdigest()
        self._revision = f'"{digest[:16]}"'  # an entity tag
        self._again = time.monotonic() + SHARE * (time.monotonic() - began)

    def _written(self) -> list[tuple[int, int]]:
        database = RunDirectory(self._folder).database
        files = (database, database.with_name(f"{database.name}-wal"))
        return [(found.st_mtime_ns, found.st_size) for path in files if path.is_file() and (found := path.stat())]


def server(follower: Follower, port: int) -> ThreadingHTTPServer:
    """Bound to this machine's own address; port 0 is any that is free. Raises UserError when it is taken."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if re.sub(r":\d+$", "", self.headers.get("Host") or "") not in NAMES:
                return self._send(HTTPStatus.FORBIDDEN, "text/plain", f"expected a host of {', '.join(NAMES)}\n")
            try:
                run, found, revision = follower.now()
            except UserError as error:
                return self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", f"{error}\n")
            if self.path == "/":
                self._send(HTTPStatus.OK, "text/html", html.served(found))
            elif self.path == "/content.json" and self.headers.get("If-None-Match") == revision:
                self._send(HTTPStatus.NOT_MODIFIED, "application/json", "")
            elif self.path == "/content.json":
                self._send(HTTPStatus.OK, "application/json", json.dumps(found), revision)
            elif part := re.fullmatch(r"/part-(\d{1,9})\.json", self.path):
                rows = list(details(run, html.part_of(run, int(part[1]))))
                self._send(HTTPStatus.OK, "application/json", json.dumps(plain(rows)))
            else:
                self._send(HTTPStatus.NOT_FOUND, "text/plain", "expected /\n")

        def _send(self, status: HTTPStatus, kind: str, text: str, revision: str = "") -> None:
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")
            if revision:
                self.send_header("ETag", revision)
            self.end_headers()
            if status != HTTPStatus.NOT_MODIFIED:
                with suppress(ConnectionError):  # the reader may have left
                    self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    try:
        found = ThreadingHTTPServer((HOST, port), Handler)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no port has this number"
        raise UserError(f"--serve {port}: {reason}; give another port, or 0 for any that is free") from None
    found.daemon_threads = True
    return found
