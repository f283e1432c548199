"""A run in a mounted folder: continued from its snapshot by another machine, which here is another cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from jnas.evaluation.outcomes import Result, Verdict
from jnas.runs.database import Candidate, RunDatabase
from jnas.runs.remote import mirrored
from translators.diagnostics import UserError

VERDICT = Verdict(True, True, True)


def work(place: str, number: int, cache: Path, monkeypatch: pytest.MonkeyPatch, **options) -> list[int]:
    """One start of a run on the machine with this cache: it finds candidates and adds one."""
    monkeypatch.setenv("JNAS_CACHE", str(cache))
    with mirrored(place, **options) as directory, directory.held(), RunDatabase.open(directory.database) as database:
        found = [row.number for row in database.candidates()]
        parent = number - 1 if number else None
        database.add_proposal(Candidate(number, number, 0, {"block": "network"}, f"{number}", VERDICT, parent))
        database.add_result(number, Result("ok", 0.5))
        directory.written.mkdir(exist_ok=True)
        (directory.written / f"code_{number}.py").write_text("pass")
    return found


def test_another_machine_continues_from_the_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, first, second = f"file://{tmp_path}/bucket/run", tmp_path / "first", tmp_path / "second"
    assert work(place, 0, first, monkeypatch) == []
    assert work(place, 1, first, monkeypatch) == [0]
    assert work(place, 2, second, monkeypatch) == [0, 1]
    assert work(place, 3, first, monkeypatch) == [0, 1, 2], "what another machine did is not undone by an old copy"
    with RunDatabase.read(tmp_path / "bucket" / "run" / "run.sqlite") as database:
        assert [row.number for row in database.candidates()] == [0, 1, 2, 3]
    assert len(list((tmp_path / "bucket" / "run" / "written").iterdir())) == 4
    assert not list((tmp_path / "bucket" / "run").glob("*.part")) and not (tmp_path / "bucket/run/lock").exists()


def test_a_stop_sends_a_last_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(KeyboardInterrupt), mirrored(f"file://{tmp_path}/run") as directory:
        with RunDatabase.open(directory.database) as database:
            database.add_proposal(Candidate(0, 0, 0, {"block": "network"}, "0", VERDICT))
        raise KeyboardInterrupt
    with RunDatabase.read(tmp_path / "run" / "run.sqlite") as database:
        assert len(database.candidates()) == 1


def test_what_was_not_sent_before_a_kill_is_still_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, cache = f"file://{tmp_path}/bucket/run", tmp_path / "cache"
    work(place, 0, cache, monkeypatch)
    (copy,) = (cache / "runs").iterdir()
    with RunDatabase.open(copy / "run.sqlite") as database:  # as a search that is killed leaves it
        database.add_proposal(Candidate(1, 1, 0, {"block": "network"}, "1", VERDICT, 0))
    assert work(place, 2, cache, monkeypatch) == [0, 1]


def test_a_kill_between_the_two_identities_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, cache, identity = f"file://{tmp_path}/run", tmp_path / "cache", tmp_path / "run" / "snapshot.json"
    work(place, 0, cache, monkeypatch)
    before = identity.read_text()
    work(place, 1, cache, monkeypatch)
    identity.write_text(before)
    (copy,) = (cache / "runs").iterdir()
    with RunDatabase.open(copy / "run.sqlite") as database:
        database.add_proposal(Candidate(2, 2, 0, {"block": "network"}, "2", VERDICT, 1))
    assert work(place, 3, cache, monkeypatch) == [0, 1, 2]


def test_a_place_that_cannot_be_used_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be read") as caught:
        work(f"file://{tmp_path}/file/run", 0, tmp_path / "cache", monkeypatch)
    assert "\n" not in str(caught.value)
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path / "cache"))
    with (
        pytest.raises(UserError, match="the same command on this machine continues it"),
        mirrored(f"file://{tmp_path}/later/run") as directory,
        RunDatabase.open(directory.database),
    ):
        (tmp_path / "later").write_text("no folder any more")
