"""What was measured once, kept beside the libraries for all processes: a table from content hashes to JSON."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from functools import cache
from pathlib import Path
from typing import Any

import jax

from jnas.library.store import OWN_PREFIX, Library, block_to_json

SECONDS = 10.0  # to wait for another writer
_ROOT = Path(__file__).resolve().parents[2]
_CODE = ("translators/runtime", "jnas/models", "jnas/library/primitives.py")  # what a measurement depends on


class Memo:
    """A table in `file`, safe for several readers and writers. What cannot be read or written counts as absent:
    everything in it can be measured again."""

    def __init__(self, file: Path):
        self._file = file
        self._connection: sqlite3.Connection | None = None
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(file, timeout=SECONDS, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute("CREATE TABLE IF NOT EXISTS memo (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        except (OSError, sqlite3.Error):
            self._connection = None

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
            with contextlib.suppress(sqlite3.Error):  # full disk, read-only folder: the next process measures again
                self._connection.execute("INSERT OR REPLACE INTO memo VALUES (?, ?)", (key, json.dumps(value)))


def content_key(library: Library, names: frozenset[str], *facts: Any) -> str:
    """Hash of the facts (JSON values), the blocks of these names, their emitted source, our code and JAX's version."""
    blocks = [_block_hash(library, name) for name in sorted(names)]
    text = json.dumps([_code_hash(), blocks, *facts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _block_hash(library: Library, name: str) -> str:
    block = library[name]
    record = {k: v for k, v in block_to_json(block).items() if k in ("name", "parameters", "contract")}
    source = "" if block.folder is None or name.startswith(OWN_PREFIX) else _source_hash(block.folder)
    return hashlib.sha256((json.dumps(record, sort_keys=True) + source).encode()).hexdigest()


@cache
def _source_hash(folder: str) -> str:
    return _hash(Path(folder))


@cache
def _code_hash() -> str:
    return hashlib.sha256((jax.__version__ + "".join(_hash(_ROOT / path) for path in _CODE)).encode()).hexdigest()


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()
