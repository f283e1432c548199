"""Runs looked after, by the command line that users have, on runs made with the run database itself."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from jnas.evaluation.outcomes import Result, Verdict
from jnas.resolving.transcript import Exchange, key_of
from jnas.runs.__main__ import main
from jnas.runs.configuration import Configuration, to_plain
from jnas.runs.database import Candidate, RunDatabase

VERDICT = Verdict(True, True, True, parameters=10, multiply_adds=20)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """200 candidates, so that a cut in the middle of the file loses some of them."""
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    with RunDatabase.open(folder / "run.sqlite") as database:
        database.set_fact("configuration", to_plain(Configuration()))
        for number in range(200):
            parent = None if number == 0 else number - 1
            tree = {"block": "network", "text": "x" * 300}
            database.add_proposal(Candidate(number, number, 0, tree, f"{number:064x}", VERDICT, parent))
            database.add_result(number, Result("ok", accuracy=0.5 + number / 1000))
        request = {"prompt": "p"}
        database.add_exchange(Exchange(key_of({"model": "m"}, request), {"model": "m"}, request, {"text": "t"}))
    return folder


def test_runs_are_listed_and_shown(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = run.parent / "broken"
    broken.mkdir()
    (broken / "run.sqlite").write_bytes(b"no database " * 100)
    assert main(["list", str(run.parent)]) == 0
    text = capsys.readouterr().out
    assert "199/16 trained, best 69.90 %" in text and "not a readable run database" in text
    assert main(["show", str(run)]) == 0
    assert "candidates                   200" in capsys.readouterr().out


def test_a_sound_run_has_no_fault(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(run)]) == 0
    assert "no fault found" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM candidates WHERE number = 7", "belongs to a row of candidates"),
        ("UPDATE candidates SET tree = '{' WHERE number = 3", "tree of a row is no JSON"),
        ("UPDATE candidates SET tree_hash = printf('%064x', 4) WHERE number = 9", "9 is the same tree as 4"),
        ("UPDATE candidates SET parent = 12 WHERE number = 11", "11 has parent 12"),
        ('UPDATE transcript SET request = \'{"prompt": "q"}\'', "not the hash of its request"),
    ],
)
def test_faults_are_told(run: Path, statement: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    connection = sqlite3.connect(run / "run.sqlite")
    connection.execute(statement)
    connection.commit()
    connection.close()
    assert main(["verify", str(run)]) == 1
    assert told in capsys.readouterr().out


def test_every_row_is_exported(run: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), "--out", str(tmp_path / "run.jsonl")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert [row["number"] for row in rows if row["table"] == "candidates"] == list(range(200))
    assert rows[-1]["reply"] == {"text": "t"}


def test_a_damaged_run_is_saved_up_to_the_first_loss(run: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(run, damaged)
    content = bytearray((damaged / "run.sqlite").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096 * 3] = b"\xaa" * 4096 * 3
    (damaged / "run.sqlite").write_bytes(content)
    assert main(["verify", str(damaged)]) == 1
    assert main(["repair-copy", str(damaged), str(tmp_path / "copy")]) == 0
    assert main(["verify", str(tmp_path / "copy")]) == 0
    with RunDatabase.read(tmp_path / "copy" / "run.sqlite") as database:
        rows = database.candidates()
        assert 10 < len(rows) < 200 and [row.number for row in rows] == list(range(len(rows)))
    assert (damaged / "run.sqlite").read_bytes() == content


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["list", "no/such"], "no such folder"),
        (["show", "no/such"], "no run database"),
        (["verify", "no/such"], "no run database"),
        (["repair-copy", "{run}", "{run}"], "holds a run already"),
        (["export", "{run}", "--out", "{run}/no/such/file"], "cannot be written"),
    ],
)
def test_bad_input_is_one_line(run: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([argument.format(run=run) for argument in arguments]) == 2
    errors = capsys.readouterr().err
    assert told in errors and len(errors.splitlines()) == 1
