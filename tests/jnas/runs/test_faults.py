"""A run database that is cut, flipped, starved of disk or wanted by many: recovered whole, or refused in one line."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jnas.evaluation.outcomes import Result, Verdict
from jnas.runs.database import Candidate, RunDatabase
from translators.diagnostics import UserError

VERDICT = Verdict(True, True, True, parameters=10, multiply_adds=20)
KEPT, LAST = 40, 3  # candidates before the last checkpoint of the write-ahead log, and those that are only in the log


def row(number: int) -> Candidate:
    return Candidate(number, number, 0, {"block": "network"}, f"{number:064x}", VERDICT, number - 1 if number else None)


def add(database: RunDatabase, number: int) -> None:
    database.add_proposal(row(number))
    database.add_result(number, Result("ok", accuracy=number / 100))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    return left_by_a_kill(tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("killed"))


def left_by_a_kill(live: Path, killed: Path) -> tuple[Path, list[int]]:
    """A run as a killed search leaves it, and the length of the log after each of its last records."""
    path, copy = live / "run.sqlite", killed / "run.sqlite"
    lengths = []
    with RunDatabase.open(path) as database:
        for number in range(KEPT):
            add(database, number)
    with RunDatabase.open(path) as database:
        for number in range(KEPT, KEPT + LAST):
            add(database, number)
            lengths.append(Path(f"{path}-wal").stat().st_size)
        for suffix in ("", "-wal"):  # while it is open, as after kill -9
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    return copy, lengths


def opened(killed: Path, folder: Path, change, changed: str = "-wal") -> int | None:
    """How many candidates are acknowledged after the log (or the file itself, "") was changed, in order and fit to go
    on; None if refused."""
    path = folder / "run.sqlite"
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    for suffix in ("", "-wal"):
        content = bytearray(Path(f"{killed}{suffix}").read_bytes())
        Path(f"{path}{suffix}").write_bytes(change(content) if suffix == changed else content)
    try:
        with RunDatabase.open(path) as database:
            rows = database.candidates()
            assert [candidate.number for candidate in rows] == list(range(len(rows)))
            assert all(candidate.result == Result("ok", accuracy=candidate.number / 100) for candidate in rows[:-1])
            done = sum(candidate.result is not None for candidate in rows)
            if done == len(rows):
                add(database, len(rows))
        with RunDatabase.read(path) as database:
            assert len(database.candidates()) >= len(rows)
        return done
    except UserError as error:
        assert "run.sqlite" in str(error) and "\n" not in str(error)
        return None


def test_the_log_cut_anywhere_keeps_every_record_before_the_cut(killed: tuple[Path, list[int]], tmp_path: Path) -> None:
    path, lengths = killed
    whole = Path(f"{path}-wal").stat().st_size
    edges = {edge + step for edge in [0, *lengths] for step in (-24, -1, 0, 1, 8, 24, 32)}
    cuts = sorted({*edges, *range(0, whole, 2053)} & set(range(whole + 1)))
    for cut in cuts:
        survived = sum(length <= cut for length in lengths)
        assert opened(path, tmp_path, lambda log, cut=cut: log[:cut]) == KEPT + survived, f"cut at {cut} of {whole}"


def test_a_flipped_bit_loses_no_record_before_it_and_invents_none(
    killed: tuple[Path, list[int]], tmp_path: Path
) -> None:
    path, lengths = killed
    chance = random.Random(0)
    for _ in range(60):
        place, bit = chance.randrange(32, lengths[-1]), 1 << chance.randrange(8)

        def flip(log: bytearray, place: int = place, bit: int = bit) -> bytearray:
            log[place] ^= bit
            return log

        done = opened(path, tmp_path, flip)
        assert done is None or KEPT + sum(length <= place for length in lengths) <= done <= KEPT + LAST, place


FULL = """
import resource, sys
from pathlib import Path
from jnas.evaluation.outcomes import Result, Verdict
from jnas.runs.database import Candidate, RunDatabase
with RunDatabase.open(Path(sys.argv[1])) as database:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
    done = 0
    try:
        for number in range(10_000):
            parent = number - 1 if number else None
            tree = {"block": "x" * 500}
            database.add_proposal(Candidate(number, number, 0, tree, f"{number:064x}", Verdict(1, 1, 1), parent))
            database.add_result(number, Result("ok", accuracy=0.5))
            done += 1
    finally:
        print(done, flush=True)
"""


def test_a_full_disk_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    command = [sys.executable, "-c", FULL, str(path), str(300_000)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    acknowledged = int(done.stdout)
    assert done.returncode and "sqlite3" in done.stderr and acknowledged > 10
    with RunDatabase.open(path) as database:
        rows = database.candidates()
        assert sum(candidate.result is not None for candidate in rows) == acknowledged
        add(database, len(rows))


WRITER = """
import sqlite3, sys
from pathlib import Path
from jnas.evaluation.outcomes import Verdict
from jnas.runs.database import Candidate, RunDatabase
path, name, records, slots = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
won = 0
with RunDatabase.open(path) as database:
    for number in range(records):
        database.add_phase(f"{name}-{number}", 1.0)
        if number < slots:
            try:
                database.add_proposal(Candidate(number, number, 0, {"block": name}, name * 8, Verdict(1, 1, 1)))
                won += 1
            except sqlite3.IntegrityError:
                pass
print(won)
"""


def test_what_many_write_is_all_there_and_a_slot_that_many_take_has_one_winner(tmp_path: Path) -> None:
    """A run has one writer; should there be sixteen, they wait for each other."""
    path, writers, records, slots = tmp_path / "run.sqlite", 16, 1000, 50
    with RunDatabase.open(path):
        pass
    command = [sys.executable, "-c", WRITER, str(path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([*command, str(n), str(records), str(slots)], **pipes) for n in range(writers)]
    outputs = [process.communicate(timeout=500) for process in running]
    assert not any(errors for _, errors in outputs), outputs
    with RunDatabase.read(path) as database:
        assert len(database.phases()) == writers * records
        assert [row.number for row in database.candidates()] == list(range(slots))
        winners = [str(row.tree["block"]) for row in database.candidates()]
    assert [winners.count(str(n)) for n in range(writers)] == [int(won) for won, _ in outputs]
