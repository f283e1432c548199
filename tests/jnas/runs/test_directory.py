from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jnas.runs.directory import RunDirectory, write_atomically
from translators.diagnostics import UserError

HOLD = """
import sys
from pathlib import Path
from jnas.runs.directory import RunDirectory
with RunDirectory(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_is_held_by_one_process_and_free_when_it_is_killed(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with (
            pytest.raises(UserError, match=f"process {other.pid} is working on this run"),
            RunDirectory(tmp_path).held(),
        ):
            pass
    finally:
        other.kill()
        other.communicate()
    with RunDirectory(tmp_path).held():
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the run there"), RunDirectory(tmp_path / "file" / "run").held():
        pass


def test_a_database_on_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"disk / ext4 rw 0 0\nserver:/home {tmp_path}/my\\040home nfs4 rw 0 0\n")
    monkeypatch.setattr("jnas.runs.directory.MOUNTS", mounts)
    (tmp_path / "my home").mkdir()
    with pytest.raises(UserError, match="lies on nfs4"), RunDirectory(tmp_path / "my home" / "run").held():
        pass
    with RunDirectory(tmp_path / "my").held():
        assert (tmp_path / "my" / "logs").is_dir()


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_atomically(tmp_path / "best.json", "old")
    write_atomically(tmp_path / "best.json", "new")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "best.json", "broken \ud800")
    assert (tmp_path / "best.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["best.json"]
