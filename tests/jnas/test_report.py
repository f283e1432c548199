from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def _report(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jnas.report", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_folder_without_a_run_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        done = _report(str(folder))
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert str(folder) in done.stderr and "jnas.search" in done.stderr


def test_a_damaged_database_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "run.sqlite").write_bytes(b"not a database" * 100)
    done = _report(str(tmp_path), "--text")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "Traceback" not in done.stderr
