"""What was found out once, kept beside the libraries for all processes: a table from content hashes to JSON."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import time
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

FILE = "memo.sqlite"  # in the cache
SECONDS = 10.0  # to wait for another writer
_ROOT = Path(__file__).resolve().parents[2]
_CODE = ("translators/runtime", "jnas/models", "jnas/library/primitives.py")  # what runs modules and measures them


class Memo:
    """A table in `file`, safe for several readers and writers, opened when it is first asked. What cannot be read or
    written counts as absent: everything in it can be found out again."""

    def __init__(self, file: Path):
        self._file = file

    @cached_property
    def _connection(self) -> sqlite3.Connection | None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._file, timeout=SECONDS, isolation_level=None, check_same_thread=False)
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("CREATE TABLE IF NOT EXISTS memo (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            return connection
        except (OSError, sqlite3.Error):
            return None

    def get(self, key: str) -> Any:
        """The value, None when there is none."""
        if self._connection is None:
            return None
        try:
            row = self._connection.execute("SELECT value FROM memo WHERE key = ?", (key,)).fetchone()
            return None if row is None else json.loads(row[0])
        except (sqlite3.Error, ValueError):
            return None

    def put(self, key: str, value: Any) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # full disk, read-only folder: the next process finds out again
                self._connection.execute("INSERT OR REPLACE INTO memo VALUES (?, ?)", (key, json.dumps(value)))


def _write_ahead(connection: sqlite3.Connection) -> None:
    """SQLite does not itself wait for another process that is making the same file: its timeout is not for this."""
    until = time.monotonic() + SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


memo_in = cache(Memo)  # one connection for all that a process asks of a file


@cache
def code_hash() -> str:
    """Of our own code that runs and measures modules, and of JAX's version."""
    return hashlib.sha256((version("jax") + "".join(source_hash(_ROOT / path) for path in _CODE)).encode()).hexdigest()


@cache
def source_hash(path: Path) -> str:
    """Of a Python file, or of all in a folder; read once."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()
