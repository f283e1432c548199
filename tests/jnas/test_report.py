from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from jnas import report
from jnas.reports.run import Run


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


def test_the_json_form_is_one_object_for_scripts(
    make_run: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main([str(make_run().directory.root), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["best"]["number"] == 3 and found["test"]["best"] == 0.885


def test_open_shows_the_page_that_was_written(make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(report.webbrowser, "open", shown.append)
    run = make_run()
    assert report.main([str(run.directory.root), "--open"]) == 0
    assert shown == [run.directory.report.resolve().as_uri()] and run.directory.report.is_file()


def test_serving_tells_where_and_ends_by_ctrl_c(make_run: Callable[..., Run]) -> None:
    folder = make_run().directory.root
    command = [sys.executable, "-m", "jnas.report", str(folder), "--serve", "0"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run in the background it is ignored
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        signal.signal(signal.SIGINT, before)
        try:
            assert process.stdout is not None and process.stderr is not None
            address = process.stdout.readline().split()[0]
            with urllib.request.urlopen(address, timeout=120) as reply:
                assert b"<!doctype html>" in reply.read()
            process.send_signal(signal.SIGINT)
            assert process.wait(120) == 0 and "Traceback" not in process.stderr.read()
        finally:
            process.kill()


def test_forms_exclude_each_other(make_run: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        report.main([str(make_run().directory.root), "--json", "--text"])
    assert "not allowed with" in capsys.readouterr().err
