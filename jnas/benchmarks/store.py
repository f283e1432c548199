"""How a long run is kept: a database of many candidates opened, appended to, and read as the planner reads it."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from jnas.benchmarks.rows import Row
from jnas.evaluation.outcomes import Result, Verdict
from jnas.library.store import Library, open_library
from jnas.resolving.resolve import NothingPossible, random_edit
from jnas.runs import archive
from jnas.runs.database import Attempt, Candidate, Choice, RunDatabase
from jnas.runs.maintenance import faults
from jnas.trees.edits import KINDS, apply, describe, edit_to_json
from jnas.trees.node import to_json
from jnas.trees.options import Options
from jnas.trees.starts import START_TREES

CANDIDATES = 100_000
DISTINCT = 500  # trees; a longer run has more, and each is read by itself all the same
APPENDED = 200
SHAPE = (3, 32, 32)
OPEN_SECONDS, APPEND_MILLISECONDS, REBUILD_SECONDS = 2.0, 5.0, 5.0


def measure(candidates: int = CANDIDATES) -> Sequence[Row]:
    """Rows of times; the database is made of rows as a search writes them, in a folder that vanishes."""
    library = open_library()
    with tempfile.TemporaryDirectory(prefix="jnas-store-") as folder:
        path = Path(folder) / "run.sqlite"
        samples = _samples(library)
        _fill(path, samples, candidates)
        size = path.stat().st_size / 2**20
        started = time.perf_counter()
        with RunDatabase.open(path) as database:
            opened = time.perf_counter() - started
            started, worked = time.perf_counter(), time.process_time()
            found = archive.history(database, library, before_round=candidates + 1)
            rebuilt, work = time.perf_counter() - started, time.process_time() - worked
            assert len(found) == candidates
            started = time.perf_counter()
            archive.history(database, library, before_round=candidates + 1, known=found)
            again = time.perf_counter() - started
            appends = np.array([_append(database, samples, candidates + index) for index in range(APPENDED)])
            proposed, ended = np.median(appends, 0).tolist()
        started = time.perf_counter()
        assert not faults(Path(folder))
        verified = time.perf_counter() - started
    return [
        Row("candidates", candidates, note=f"{size:.0f} MiB"),
        Row("open", opened, "s", high=OPEN_SECONDS),
        Row("append a proposal, median", proposed[0], "ms", high=APPEND_MILLISECONDS, note=_worked(proposed)),
        Row("append a result, median", ended[0], "ms", high=APPEND_MILLISECONDS, note=_worked(ended)),
        Row("planner state rebuilt", rebuilt, "s", high=REBUILD_SECONDS, note=f"{work:.2f} s of processor time"),
        Row("planner state, one round later", again, "s"),
        Row("verified row by row", verified, "s", note="python -m jnas.runs verify"),
    ]


def _worked(times: Sequence[float]) -> str:
    return f"one transaction, durable; {times[1]:.2f} ms of processor time"


def _samples(library: Library) -> list[Candidate]:
    """A chain of random edits, as candidates whose numbers are their places in it."""
    rng = np.random.Generator(np.random.PCG64(0))
    tree = START_TREES["resnet8"]()
    shapes = {f"stages {i}": ((16, 32, 32), (16, 32, 32)) for i in range(12)}
    verdict = Verdict(True, True, True, parameters=78_042, multiply_adds=9_800_000, shapes=shapes)
    found = [Candidate(0, 0, 0, to_json(tree), "", verdict)]
    while len(found) < DISTINCT:
        if len(found) % 25 == 0:  # back to the start, or trees would grow without end
            tree = START_TREES["resnet8"]()
        kind = KINDS[int(rng.integers(len(KINDS)))]
        try:
            edit = random_edit(Options(tree, library, SHAPE), kind, rng)
        except NothingPossible:
            continue
        words, tree = describe(edit, tree), apply(tree, edit)
        plan = {"parent": 0, "kind": kind, "way": "minimal"}
        found.append(Candidate(len(found), 0, 0, to_json(tree), "", verdict, 0, edit_to_json(edit), words, plan))
    return found


def _fill(path: Path, samples: Sequence[Candidate], candidates: int) -> None:
    """The samples over and over, under one transaction: a search would wait for the disk at every row."""
    with RunDatabase.open(path) as database:
        for sample in samples:
            _add(database, sample, sample.number)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("candidates", "results", "attempts", "choices"):
            columns = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
            moved = {
                "number": "number + :by",
                "round": "round + :by",
                "parent": "coalesce(parent, -1) + :by" if table == "candidates" else "parent",
                "tree_hash": "printf('%064x', number + :by)",
            }
            chosen = ", ".join(moved.get(name, name) for name in columns)
            place = "number" if table == "results" else "round"
            copied = f"INSERT INTO {table} SELECT {chosen} FROM {table} WHERE {place} < :samples"
            for by in range(len(samples), candidates, len(samples)):
                connection.execute(copied, {"by": by, "samples": len(samples)})
        connection.execute("DELETE FROM results WHERE number >= ?", (candidates,))
        for table in ("candidates", "attempts", "choices"):
            connection.execute(f"DELETE FROM {table} WHERE round >= ?", (candidates,))
        connection.commit()


def _append(database: RunDatabase, samples: Sequence[Candidate], number: int) -> list[list[float]]:
    """Milliseconds of a proposal and of its result, by the clock and of this process; one waits for the disk."""
    times = []
    for add in (_add_proposal, _add_result):
        started, worked = time.perf_counter(), time.process_time()
        add(database, samples[number % len(samples)], number)
        times.append([1000 * (time.perf_counter() - started), 1000 * (time.process_time() - worked)])
    return times


def _add(database: RunDatabase, sample: Candidate, number: int) -> None:
    _add_proposal(database, sample, number)
    _add_result(database, sample, number)


def _add_proposal(database: RunDatabase, sample: Candidate, number: int) -> None:
    parent = max(0, number - 1) if number else None
    row = replace(sample, number=number, round=number, tree_hash=f"{number:064x}", parent=parent)
    attempts = [Attempt(number, 0, 0, 0, "swap", "trust", "caps", "1,700,000 parameters, at most 1,500,000")]
    choices = [Choice(number, 0, 1, step, "Which of these?" * 20, {"place": "a"}, "llm", 300) for step in range(2)]
    database.add_proposal(row, attempts, choices)


def _add_result(database: RunDatabase, sample: Candidate, number: int) -> None:
    curve = tuple({"epoch": epoch, "loss": 1.0 / epoch, "accuracy": 0.5} for epoch in range(1, 13))
    database.add_result(number, Result("ok", accuracy=(number * 7919 % 1000) / 1000, curve=curve))
