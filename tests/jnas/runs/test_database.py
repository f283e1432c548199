from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from jnas.evaluation.outcomes import Result, Verdict
from jnas.resolving.transcript import Exchange
from jnas.runs.database import Attempt, Candidate, Choice, Final, RunDatabase
from translators.diagnostics import UserError

EARLIER = Path(__file__).with_name("earlier") / "version_1.sqlite"
VERDICT = Verdict(True, True, True, parameters=10, multiply_adds=20, shapes={"stem": ((1, 28, 28), (16, 28, 28))})
START = Candidate(0, 0, 0, {"block": "network"}, "00ff", VERDICT)
CHILD = Candidate(
    1, 1, 0, {"block": "network", "stages": []}, "11ff", VERDICT, 0, {"kind": "set"}, "set a width", {"kind": "set"}
)
RESULT = Result("ok", 0.5, 1.25, ({"epoch": 1, "loss": 2.0},), 1.5, 2.5)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    attempt = Attempt(1, 0, 0, 0, "swap", "trust", "caps", "too many parameters", "swap a for b")
    choice = Choice(1, 0, 1, 0, "Which?", {"place": "3"}, "fallback", 7, "no JSON", 0.25)
    with RunDatabase.open(tmp_path / "run.sqlite") as database:
        database.set_fact("seed", {"a": [1]})
        database.add_proposal(START)
        database.add_result(0, RESULT)
        database.add_proposal(CHILD, [attempt], [choice])
        database.add_final(Final(0, 777, "test", RESULT))
        database.add_phase("mining", 2.0)
        database.add_phase("training", 1.0)
        database.add_phase("mining", 3.0)
    with RunDatabase.read(tmp_path / "run.sqlite") as database:
        first, second = database.candidates()
        assert (first.result, second.result) == (RESULT, None)
        assert (second.tree, second.edit, second.parent, second.verdict) == (CHILD.tree, CHILD.edit, 0, VERDICT)
        assert database.attempts() == (attempt,)
        assert database.choices() == (choice,)
        assert database.finals() == (Final(0, 777, "test", RESULT),)
        assert database.phases() == {"mining": 5.0, "training": 1.0}
        assert database.fact("seed") == {"a": [1]}
        assert database.fact("absent") is None


def test_a_slot_is_recorded_whole_or_not_at_all(tmp_path: Path) -> None:
    twice = Attempt(1, 0, 0, 0, "swap", "trust", "caps")
    with RunDatabase.open(tmp_path / "run.sqlite") as database:
        database.add_proposal(START)
        with pytest.raises(sqlite3.IntegrityError):
            database.add_proposal(CHILD, [twice, twice])
        assert [candidate.number for candidate in database.candidates()] == [0]
        assert database.attempts() == ()


def test_rows_are_never_replaced(tmp_path: Path) -> None:
    with RunDatabase.open(tmp_path / "run.sqlite") as database:
        database.add_proposal(START)
        database.add_result(0, RESULT)
        with pytest.raises(sqlite3.IntegrityError):
            database.add_result(0, Result("nan"))
        with pytest.raises(sqlite3.IntegrityError):
            database.add_result(7, RESULT)  # of a candidate that is not there
        assert database.candidates()[0].result == RESULT


@pytest.mark.parametrize("position", [0, 30, 4096])
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, position: int) -> None:
    path = tmp_path / "run.sqlite"
    with RunDatabase.open(path) as database:
        for number in range(200):
            database.set_fact(f"{number}", "x" * 500)
    content = bytearray(path.read_bytes())
    content[position : position + 3000] = b"\xaa" * 3000
    path.write_bytes(content)
    for opening in (RunDatabase.open, RunDatabase.read):
        with pytest.raises(UserError, match=r"run\.sqlite") as caught:
            opening(path)
        assert "\n" not in str(caught.value)


def test_a_newer_schema_and_an_absent_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run database"):
        RunDatabase.read(tmp_path / "run.sqlite")
    with RunDatabase.open(tmp_path / "run.sqlite"):
        pass
    connection = sqlite3.connect(tmp_path / "run.sqlite")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(UserError, match="schema version 99"):
        RunDatabase.open(tmp_path / "run.sqlite")


def test_a_run_of_an_earlier_version_opens_and_continues(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    shutil.copy(EARLIER, path)
    with RunDatabase.read(path) as database:
        assert [candidate.tree_hash for candidate in database.candidates()] == ["00ff", "11ff"]
        assert database.exchanges() == ()
    exchange = Exchange("key", {"model": "m"}, {"prompt": "p"}, {"text": "t"})
    with RunDatabase.open(path) as database:
        database.add_exchange(exchange)
        database.add_exchange(exchange)
        assert database.exchanges() == (exchange,)
        assert len(database.candidates()) == 2
