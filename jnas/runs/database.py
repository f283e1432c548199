"""The run database: one SQLite file, append-only, the truth from which everything else of a run can be made again.

Rows are written in transactions that are durable when they return (WAL, synchronous=FULL), by one process (see
RunDirectory.held). A killed process leaves whole transactions behind and nothing else. No value of the archive depends
on a clock: times are in columns of their own, so that two runs can be compared.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from jnas.evaluation.outcomes import Result, Verdict
from jnas.resolving.transcript import Exchange
from translators.diagnostics import UserError

SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE candidates (
    number INTEGER PRIMARY KEY, round INTEGER NOT NULL, slot INTEGER NOT NULL, parent INTEGER,
    tree TEXT NOT NULL, tree_hash TEXT NOT NULL, edit TEXT, description TEXT NOT NULL, plan TEXT, verdict TEXT NOT NULL,
    created REAL NOT NULL, UNIQUE (round, slot)
) STRICT;
CREATE TABLE attempts (
    round INTEGER NOT NULL, slot INTEGER NOT NULL, attempt INTEGER NOT NULL, parent INTEGER NOT NULL,
    kind TEXT NOT NULL, way TEXT NOT NULL, description TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
    created REAL NOT NULL, PRIMARY KEY (round, slot, attempt)
) STRICT;
CREATE TABLE choices (
    round INTEGER NOT NULL, slot INTEGER NOT NULL, attempt INTEGER NOT NULL, step INTEGER NOT NULL,
    question TEXT NOT NULL, answer TEXT NOT NULL, source TEXT NOT NULL, tokens INTEGER NOT NULL,
    problem TEXT NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (round, slot, attempt, step)
) STRICT;
CREATE TABLE results (
    number INTEGER PRIMARY KEY REFERENCES candidates (number), status TEXT NOT NULL, accuracy REAL, loss REAL,
    curve TEXT NOT NULL, message TEXT NOT NULL,
    seconds_compile REAL NOT NULL, seconds_train REAL NOT NULL, created REAL NOT NULL
) STRICT;
CREATE TABLE finals (
    number INTEGER NOT NULL REFERENCES candidates (number), seed INTEGER NOT NULL, split TEXT NOT NULL,
    status TEXT NOT NULL, accuracy REAL, loss REAL, curve TEXT NOT NULL, message TEXT NOT NULL,
    seconds_compile REAL NOT NULL, seconds_train REAL NOT NULL, created REAL NOT NULL,
    PRIMARY KEY (number, seed, split)
) STRICT;
CREATE TABLE phases (name TEXT NOT NULL, seconds REAL NOT NULL, created REAL NOT NULL) STRICT;
"""
TRANSCRIPT = """
CREATE TABLE transcript (
    key TEXT PRIMARY KEY, identity TEXT NOT NULL, request TEXT NOT NULL, reply TEXT NOT NULL, created REAL NOT NULL
) STRICT;
"""
LATENCY = """
ALTER TABLE results ADD COLUMN latency REAL;
ALTER TABLE finals ADD COLUMN latency REAL;
"""
IDEAS = """
ALTER TABLE candidates ADD COLUMN idea TEXT;
ALTER TABLE attempts ADD COLUMN idea TEXT;
"""
HASHES = "CREATE INDEX candidates_by_tree ON candidates (tree_hash);"
# MIGRATIONS[v] makes version v + 1 of version v: an earlier run is brought up to date when it is continued.
MIGRATIONS = (SCHEMA, TRANSCRIPT, LATENCY, IDEAS, HASHES)
SCHEMA_VERSION = len(MIGRATIONS)
PATIENCE = 120.0  # seconds for a lock: SQLite keeps no queue, so that one of many writers may wait long
RESULT_COLUMNS = "status, accuracy, loss, curve, message, seconds_compile, seconds_train, {latency}"


@dataclass(frozen=True)
class Candidate:
    """A tree that passed the gate; `result` is None until its training was acknowledged. Number 0 is the start tree."""

    number: int
    round: int
    slot: int
    tree: Mapping[str, Any]
    tree_hash: str
    verdict: Verdict
    parent: int | None = None
    edit: Mapping[str, Any] | None = None
    description: str = ""  # the edit in words
    plan: Mapping[str, Any] | None = None
    result: Result | None = None
    created: float = 0.0  # seconds since 1970
    finished: float | None = None
    idea: str | None = None  # key of the idea that it realises


@dataclass(frozen=True, slots=True)
class Outline:
    """A candidate without its documents: what can be read of many at once. `edit_kind` is that of the edit it became.

    `score` and `parent_score`: validation accuracy in [0, 1]; None where the training failed or has not ended.
    """

    number: int
    round: int
    slot: int
    parent: int | None
    tree_hash: str
    idea: str | None
    kind: str | None
    way: str | None
    edit_kind: str | None
    parameters: int
    multiply_adds: int
    finished: bool
    score: float | None
    latency: float | None
    parent_score: float | None


@dataclass(frozen=True)
class Attempt:
    """A proposal that the gate turned down, before the candidate of its slot; `reason` is one of outcomes.REASONS."""

    round: int
    slot: int
    attempt: int
    parent: int
    kind: str
    way: str
    reason: str
    message: str = ""
    description: str = ""
    idea: str | None = None


@dataclass(frozen=True)
class Choice:
    """A question to the LLM (or to chance) and its answer; `attempt` counts proposals, `step` their questions."""

    round: int
    slot: int
    attempt: int
    step: int
    question: str
    answer: Mapping[str, str]
    source: str  # "llm", "uniform", or "fallback" because of `problem`
    tokens: int = 0
    problem: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Final:
    """A longer training, scored on `split`: "validation" chooses among candidates, "test" is what is reported."""

    number: int
    seed: int
    split: str
    result: Result


@dataclass(frozen=True)
class Usage:
    """What a language model was asked in all; thoughts are output."""

    model: str
    calls: int
    input_tokens: int
    output_tokens: int


class RunDatabase:
    """Open with `RunDatabase.open` (writing) or `RunDatabase.read`; a context manager that closes it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self.path = connection, path

    @classmethod
    def open(cls, path: Path) -> Self:
        """For writing; made when absent. Raises UserError when the file is damaged or of a newer version."""
        with _explained(path):
            connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            database = cls(connection, path)
            _check(connection, path)
            if (version := _version(connection)) < SCHEMA_VERSION:
                with database.transaction():
                    for statement in ";\n".join(MIGRATIONS[version:]).split(";\n"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        return database

    @classmethod
    def read(cls, path: Path) -> Self:
        """For reading, also while a search writes. Raises UserError where there is no readable run."""
        if not path.is_file():
            raise UserError(f"{path}: no run database; give the directory of a run made by python -m jnas.search")
        with _explained(path):
            connection = sqlite3.connect(path.resolve().as_uri() + "?mode=ro", uri=True)
            _check(connection, path)
        return cls(connection, path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block's rows or none of them; durable at the end."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    # Writing

    def set_fact(self, name: str, value: Any) -> None:
        """A JSON value about the whole run; the last one stays."""
        self._connection.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (name, json.dumps(value)))

    def add_proposal(
        self, candidate: Candidate, attempts: Sequence[Attempt] = (), choices: Sequence[Choice] = ()
    ) -> None:
        """A slot's outcome at once: the candidate, what was turned down before it, and every answer that led there."""
        now = time.time()
        with self.transaction():
            self._insert(
                "candidates",
                number=candidate.number,
                round=candidate.round,
                slot=candidate.slot,
                parent=candidate.parent,
                tree=json.dumps(candidate.tree),
                tree_hash=candidate.tree_hash,
                edit=None if candidate.edit is None else json.dumps(candidate.edit),
                description=candidate.description,
                plan=None if candidate.plan is None else json.dumps(candidate.plan),
                verdict=json.dumps(candidate.verdict.to_plain()),
                idea=candidate.idea,
                created=now,
            )
            for attempt in attempts:
                self._insert("attempts", **vars(attempt), created=now)
            for choice in choices:
                self._insert("choices", **{**vars(choice), "answer": json.dumps(dict(choice.answer))})

    def add_result(self, number: int, result: Result) -> None:
        """Acknowledge a training; from here on it is never repeated."""
        with self.transaction():
            self._insert("results", number=number, **_result_columns(result))

    def add_final(self, final: Final) -> None:
        with self.transaction():
            columns = _result_columns(final.result)
            self._insert("finals", number=final.number, seed=final.seed, split=final.split, **columns)

    def add_phase(self, name: str, seconds: float) -> None:
        with self.transaction():
            self._insert("phases", name=name, seconds=seconds, created=time.time())

    def add_exchange(self, exchange: Exchange) -> None:
        """Durable at once: what was answered (and paid) is never asked again by this run."""
        with self.transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO transcript (key, identity, request, reply, created) VALUES (?, ?, ?, ?, ?)",
                (
                    exchange.key,
                    json.dumps(exchange.identity),
                    json.dumps(exchange.request),
                    json.dumps(exchange.reply),
                    time.time(),
                ),
            )

    # Reading

    def exchanges(self) -> tuple[Exchange, ...]:
        """The transcript in the order in which it was recorded; empty in a run of a version without one."""
        if _version(self._connection) < 2:
            return ()
        rows = self._connection.execute("SELECT key, identity, request, reply FROM transcript ORDER BY rowid")
        return tuple(Exchange(key, *map(json.loads, documents)) for key, *documents in rows)

    def usage(self) -> tuple[Usage, ...]:
        """Of each language model that the transcript names."""
        if _version(self._connection) < 2:
            return ()
        names = ("calls", "input_tokens", "output_tokens")
        sums = ", ".join(f"coalesce(sum(json_extract(reply, '$.{name}')), 0)" for name in names)
        rows = self._connection.execute(
            f"SELECT coalesce(json_extract(identity, '$.model'), '-') AS model, {sums} FROM transcript GROUP BY model"
        )
        return tuple(Usage(*row) for row in rows)

    def fact(self, name: str) -> Any:
        """None when it was never set."""
        row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def candidates(self) -> tuple[Candidate, ...]:
        """In slot order, finished or not."""
        rows = self._connection.execute(
            f"SELECT number, round, slot, parent, tree_hash, description, c.created, r.created, {self._idea()}, tree, "
            f"edit, plan, verdict, {self._read_columns()} FROM candidates c LEFT JOIN results r USING (number) "
            "ORDER BY number"
        )
        with _explained(self.path):
            return tuple(_candidate(row) for row in rows)

    def outlines(self, rounds: range) -> Iterator[Outline]:
        """Of the candidates of these rounds, in slot order."""
        rows = self._connection.execute(
            f"SELECT c.number, c.round, c.slot, c.parent, c.tree_hash, {self._idea()}, json_extract(plan, '$.kind'), "
            "json_extract(plan, '$.way'), json_extract(edit, '$.kind'), coalesce(json_extract(verdict, '$.parameters'),"
            " 0), coalesce(json_extract(verdict, '$.multiply_adds'), 0), r.number IS NOT NULL, "
            f"iif(r.status = 'ok', r.accuracy, NULL), {self._latency('r.')}, iif(p.status = 'ok', p.accuracy, NULL) "
            "FROM candidates c LEFT JOIN results r ON r.number = c.number LEFT JOIN results p ON p.number = c.parent "
            "WHERE c.round >= ? AND c.round < ? ORDER BY c.round, c.slot",
            (rounds.start, rounds.stop),
        )
        return (Outline(*row) for row in rows)

    def documents(self, number: int) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
        """Tree and edit of a candidate."""
        with _explained(self.path):
            row = self._connection.execute("SELECT tree, edit FROM candidates WHERE number = ?", (number,)).fetchone()
            tree, edit = (document and json.loads(document) for document in row)
        return tree, edit

    def count(self) -> int:
        """Of the candidates, finished or not."""
        return self._connection.execute("SELECT count(*) FROM candidates").fetchone()[0]

    def tree_hashes(self) -> set[str]:
        """Of all candidates."""
        return {tree_hash for (tree_hash,) in self._connection.execute("SELECT tree_hash FROM candidates")}

    def attempts(self, first_round: int = 0) -> tuple[Attempt, ...]:
        """Everything the gate turned down from that round on, in slot order."""
        columns = f"round, slot, attempt, parent, kind, way, reason, message, description, {self._idea()}"
        query = f"SELECT {columns} FROM attempts WHERE round >= ? ORDER BY round, slot, attempt"
        rows = self._connection.execute(query, (first_round,))
        return tuple(Attempt(*row) for row in rows)

    def choices(self) -> tuple[Choice, ...]:
        columns = "round, slot, attempt, step, question, answer, source, tokens, problem, seconds"
        rows = self._connection.execute(f"SELECT {columns} FROM choices ORDER BY round, slot, attempt, step")
        return tuple(replace(Choice(*row), answer=json.loads(row[5])) for row in rows)

    def finals(self) -> tuple[Final, ...]:
        rows = self._connection.execute(
            f"SELECT number, seed, split, {self._read_columns()} FROM finals ORDER BY number, seed, split DESC"
        )
        return tuple(Final(number, seed, split, _result(result)) for number, seed, split, *result in rows)

    def phases(self) -> dict[str, float]:
        """Seconds in each phase, over all starts of the run, in the order in which they first ended."""
        rows = self._connection.execute("SELECT name, sum(seconds) FROM phases GROUP BY name ORDER BY min(rowid)")
        return dict(rows.fetchall())

    def _read_columns(self) -> str:
        """A database that is only read may be of a version that knew no latency."""
        return RESULT_COLUMNS.format(latency=self._latency())

    def _latency(self, table: str = "") -> str:
        return f"{table}latency" if _version(self._connection) > MIGRATIONS.index(LATENCY) else "NULL"

    def _idea(self) -> str:
        """The same for ideas."""
        return "idea" if _version(self._connection) > MIGRATIONS.index(IDEAS) else "NULL"

    def _insert(self, table: str, **columns: Any) -> None:
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        self._connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(columns.values()))


def _result_columns(result: Result) -> dict[str, Any]:
    return {**vars(result), "curve": json.dumps([dict(epoch) for epoch in result.curve]), "created": time.time()}


def _candidate(columns: Sequence[Any]) -> Candidate:
    number, round_, slot, parent, tree_hash, description, created, finished, idea, *documents = columns[:13]
    tree, edit, plan, verdict = (document and json.loads(document) for document in documents)
    return Candidate(
        number=number,
        round=round_,
        slot=slot,
        tree=tree,
        tree_hash=tree_hash,
        verdict=Verdict.from_plain(verdict),
        parent=parent,
        edit=edit,
        description=description,
        plan=plan,
        result=None if finished is None else _result(columns[13:]),
        created=created,
        finished=finished,
        idea=idea,
    )


def _result(columns: Sequence[Any]) -> Result:
    status, accuracy, loss, curve, message, seconds_compile, seconds_train, latency = columns
    return Result(status, accuracy, loss, tuple(json.loads(curve)), seconds_compile, seconds_train, message, latency)


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def _check(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection)
    if version > SCHEMA_VERSION:
        raise UserError(
            f"{path}: schema version {version}, expected at most {SCHEMA_VERSION}; use a newer jnas for this run"
        )
    # Always, not only after an unclean stop: it takes milliseconds and a damaged run must not grow.
    verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if verdict != "ok":
        raise sqlite3.DatabaseError(" ".join(verdict.split()))


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, KeyError, TypeError, ValueError) as error:  # of the file, or of a document in it
        told = error if isinstance(error, sqlite3.Error) else f"a candidate's {type(error).__name__}: {error}"
        hint = "restore a copy, or give another --run-dir"
        raise UserError(f"{path}: not a readable run database ({told}); {hint}") from None
