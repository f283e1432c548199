"""Runs looked after: found, checked, written out as lines, and saved from a damaged database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jnas.resolving.transcript import key_of
from jnas.runs import archive
from jnas.runs.database import RunDatabase
from jnas.runs.directory import RunDirectory
from translators.diagnostics import UserError

TABLES = ("facts", "candidates", "results", "finals", "attempts", "choices", "phases", "transcript")
DOCUMENTS = ("value", "tree", "edit", "plan", "verdict", "answer", "curve", "identity", "request", "reply")
DEPTH = 3  # folders below the one that is given in which runs are looked for


@dataclass(frozen=True)
class Overview:
    """A run in one line; `problem` says why there is nothing else to say of it."""

    directory: Path
    trained: int = 0
    budget: int = 0
    best: float | None = None
    seconds: float = 0.0
    problem: str = ""


def find_runs(folder: Path) -> list[Overview]:
    """The runs in and below `folder`, by name. Raises UserError where there is no such folder."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the folder that holds run directories")
    patterns = ["/".join(["*"] * depth + ["run.sqlite"]) for depth in range(DEPTH + 1)]
    return [overview(path.parent) for pattern in patterns for path in sorted(folder.glob(pattern))]


def overview(directory: Path) -> Overview:
    """Of one run; a run that cannot be read is one with a problem."""
    try:
        with RunDatabase.read(RunDirectory(directory).database) as database:
            rows = database.candidates()
            configuration = database.fact("configuration") or {}
            best = archive.finalists(rows, 1)
            return Overview(
                directory,
                trained=sum(row.number > 0 and row.result is not None for row in rows),
                budget=configuration.get("search", {}).get("budget", 0),
                best=archive.score(best[0]) if best else None,
                seconds=sum(database.phases().values()),
            )
    except UserError as error:
        return Overview(directory, problem=str(error))


def faults(directory: Path) -> list[str]:
    """What is wrong with a run, in words; empty when all is well. Raises UserError where there is no run."""
    path = RunDirectory(directory).database
    with closing(_connect(path)) as connection:
        try:
            return list(_faults(connection))
        except sqlite3.DatabaseError as error:
            return [f"the database is damaged: {error}"]


def _faults(connection: sqlite3.Connection) -> Iterator[str]:
    for (found,) in connection.execute("PRAGMA integrity_check"):
        if found != "ok":
            yield f"integrity: {' '.join(found.split())}"
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"{table}: row {row} belongs to a row of {parent} that is not there"
    for table in _tables(connection):
        for row in _rows(connection, table):
            for column in DOCUMENTS:
                if isinstance(row.get(column), str) and not _is_json(row[column]):
                    yield f"{table}: {column} of a row is no JSON: {row[column][:60]!r}"
    rows = connection.execute("SELECT number, parent, tree_hash FROM candidates ORDER BY number").fetchall()
    named: dict[str, int] = {}
    for expected, (number, parent, tree_hash) in enumerate(rows):
        if number != expected:
            yield f"candidates: {number} follows {expected - 1}"
            break
        if (parent is None) != (number == 0) or (parent is not None and not 0 <= parent < number):
            yield f"candidates: {number} has parent {parent}"
        if tree_hash in named:
            yield f"candidates: {number} is the same tree as {named[tree_hash]}"
        named.setdefault(tree_hash, number)
    if "transcript" in _tables(connection):
        for key, *documents in connection.execute("SELECT key, identity, request FROM transcript"):
            if all(map(_is_json, documents)) and key_of(*map(json.loads, documents)) != key:
                yield f"transcript: {key[:16]} is not the hash of its request"


def export_lines(directory: Path) -> Iterator[str]:
    """Every row of a run as a line of JSON: {"table": name, column: value, ...}. Raises UserError."""
    with RunDatabase.read(RunDirectory(directory).database):  # says what is wrong with it, if anything
        pass
    with closing(_connect(RunDirectory(directory).database)) as connection:
        for table in _tables(connection):
            for row in _rows(connection, table):
                values = {
                    name: json.loads(value) if name in DOCUMENTS and value is not None else value
                    for name, value in row.items()
                }
                yield json.dumps({"table": table, **values}, ensure_ascii=False)


@dataclass(frozen=True)
class Saved:
    """Rows by table that were copied, and of these the candidates that a search can go on from."""

    rows: dict[str, int]
    candidates: int


def repair_copy(directory: Path, target: Path) -> Saved:
    """A new run directory with what can still be read of a damaged one, which stays as it is.

    Candidates are kept up to the first that is lost: later ones were planned with it. Raises UserError.
    """
    database = RunDirectory(target).database
    if database.exists():
        raise UserError(f"{target}: holds a run already; give another folder for the copy")
    target.mkdir(parents=True, exist_ok=True)
    with closing(_connect(RunDirectory(directory).database)) as damaged:
        try:
            tables = _tables(damaged)
        except sqlite3.DatabaseError as error:
            raise UserError(f"{directory}: nothing can be read of its database ({error}); restore a copy") from None
        with RunDatabase.open(database):
            pass
        with closing(sqlite3.connect(database, isolation_level=None)) as copy:
            copy.execute("BEGIN IMMEDIATE")
            for table in tables:
                columns = {name for _, name, *_ in copy.execute(f"PRAGMA table_info({table})")}
                for row in _salvaged(damaged, table):
                    kept = {name: value for name, value in row.items() if name in columns}
                    marks = ", ".join("?" * len(kept))
                    names = ", ".join(kept)
                    copy.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", tuple(kept.values()))
            candidates = _cut(copy)
            counts = {table: copy.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
            copy.execute("COMMIT")
    settings = RunDirectory(directory).configuration
    if settings.is_file():
        RunDirectory(target).configuration.write_bytes(settings.read_bytes())
    return Saved(counts, candidates)


def _cut(copy: sqlite3.Connection) -> int:
    """Keep the candidates before the first gap and what belongs to them."""
    numbers = [number for (number,) in copy.execute("SELECT number FROM candidates ORDER BY number")]
    kept = next((i for i, number in enumerate(numbers) if number != i), len(numbers))
    last = copy.execute("SELECT round, slot FROM candidates WHERE number = ?", (kept - 1,)).fetchone() or (-1, -1)
    copy.execute("DELETE FROM candidates WHERE number >= ?", (kept,))
    for table in ("results", "finals"):
        copy.execute(f"DELETE FROM {table} WHERE number >= ?", (kept,))
    for table in ("attempts", "choices"):
        copy.execute(f"DELETE FROM {table} WHERE (round, slot) > (?, ?)", last)
    return kept


def _salvaged(connection: sqlite3.Connection, table: str) -> Iterator[dict[str, Any]]:
    """Rows from both ends of a table, up to what cannot be read."""
    for order in ("ASC", "DESC"):
        try:
            yield from _rows(connection, table, f"ORDER BY rowid {order}")
            return
        except sqlite3.DatabaseError:
            continue


def _rows(connection: sqlite3.Connection, table: str, order: str = "ORDER BY rowid") -> Iterator[dict[str, Any]]:
    cursor = connection.execute(f"SELECT * FROM {table} {order}")
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row))


def _tables(connection: sqlite3.Connection) -> list[str]:
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return [table for table in TABLES if table in there]


def _connect(path: Path) -> sqlite3.Connection:
    """For reading only. Raises UserError where there is no run."""
    if not path.is_file():
        raise UserError(f"{path}: no run database; give the directory of a run made by python -m jnas.search")
    return sqlite3.connect(path.resolve().as_uri() + "?mode=ro", uri=True)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
