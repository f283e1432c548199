"""The check before a search elsewhere: each thing that is wrong is one line that names it, and the code is 2."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from jnas import preflight
from tests.launch.launching import ROOT
from translators.diagnostics import UserError

RECORD = {"host": "a", "code": "c1", "configuration": "k1", "python": "3.12.1", "jax": "0.12.0", "flax": "0.12.12"}


def test_a_fit_host_passes_and_leaves_nothing_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert preflight.main(["--", "--config", "quickstart", "--run-dir", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == ["versions", "storage", "hosts", "chips"]
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--chips", "4", "--", "--run-dir", "RUN"], "chips: 0 found, expected 4"),
        (["--", "--config", "quickstar"], "did you mean quickstart"),
        (["--", "--set", "search.bugdet=3"], "search.budget"),
        (["--", "--run-dir", "/proc/run"], "/proc/run: cannot be written"),
        (["--hosts", "2", "--", "--run-dir", "RUN"], "JAX_COORDINATOR_ADDRESS"),
        (["--hosts", "2", "--shared", "RUN/shared", "--wait", "0", "--", "--run-dir", "RUN"], "1 of 2 are there"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str],
    named: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("JAX_COORDINATOR_ADDRESS", raising=False)
    assert preflight.main([word.replace("RUN", str(tmp_path)) for word in arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {socket.gethostname()}: ") and said.count("\n") == 1 and named in said


@pytest.mark.parametrize(
    ("needed", "installed", "refused"),
    [
        ("jax>=0.10.2,!=0.11.1", "0.10.2", False),
        ("jax>=0.10.2,!=0.11.1", "0.12.0.1", False),
        ("jax>=0.10.2,!=0.11.1", "0.9.9", True),
        ("jax>=0.10.2,!=0.11.1", "0.11.1", True),
        ("etils[epath]>=1", "1.14.0", False),
        ("numpy>=2", "1.26.4", True),
        ("rich", "14", False),
    ],
)
def test_versions(needed: str, installed: str, refused: bool) -> None:
    if refused:
        with pytest.raises(UserError, match="expected"):
            preflight.check_versions([needed], lambda name: installed)
    else:
        assert installed in preflight.check_versions([needed], lambda name: installed)


def test_what_is_not_installed_is_named() -> None:
    def none(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    with pytest.raises(UserError, match="jax: not installed"):
        preflight.check_versions(["jax>=0.10.2"], none)


def test_requirements_are_those_of_the_project() -> None:
    names = [line.split(">")[0].split("!")[0] for line in preflight.requirements()]
    assert {"jax", "flax", "libcst"} <= set(names) and "torch" not in names and "pytest" not in names


@pytest.mark.parametrize(("offset", "word"), [(100.0, "ahead"), (-100.0, "behind")])
def test_a_clock_that_is_off_is_refused(offset: float, word: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=word):
        preflight.check_storage(str(tmp_path), 30, now=lambda: time.time() + offset)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("field", preflight.COMPARED)
def test_a_host_that_differs_is_named(field: str) -> None:
    others = [{**RECORD, "host": name} for name in "bc"]
    assert preflight.differences([RECORD, *others], 3) is None
    problem = preflight.differences([RECORD, others[0], {**others[1], field: "other"}], 3)
    assert problem is not None and problem.startswith(field) and "other on c" in problem and "on a, b" in problem


def test_hosts_meet_in_a_folder_in_any_order(tmp_path: Path) -> None:
    hosts = [{**RECORD, "host": name} for name in "abcd"]
    failed: list[Exception] = []

    def arrive(record: dict[str, Any], delay: float) -> None:
        time.sleep(delay)
        try:
            preflight.compare_through(str(tmp_path), record, 4, wait=20, pause=0.02)
        except UserError as error:
            failed.append(error)

    threads = [threading.Thread(target=arrive, args=(host, 0.05 * index)) for index, host in enumerate(hosts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_records_of_an_earlier_start_do_not_count(tmp_path: Path) -> None:
    place = tmp_path / "preflight"
    place.mkdir()
    stale = place / "b.json"
    stale.write_text("not even JSON")
    os.utime(stale, (0, 0))
    with pytest.raises(UserError, match="1 of 2 are there"):
        preflight.compare_through(str(tmp_path), RECORD, 2, wait=0.1, pause=0.02)


def test_code_digest_sees_every_change(tmp_path: Path) -> None:
    (tmp_path / "jnas").mkdir()
    (tmp_path / "jnas" / "a.py").write_text("x = 1\n")
    before = preflight.code_digest(tmp_path)
    (tmp_path / "jnas" / "a.py").write_text("x = 2\n")
    changed = preflight.code_digest(tmp_path)
    (tmp_path / "jnas" / "a.py").rename(tmp_path / "jnas" / "b.py")
    assert len({before, changed, preflight.code_digest(tmp_path)}) == 3


def test_two_processes_compare_over_jax(tmp_path: Path) -> None:
    """Equal ones pass; then one of them runs with another configuration, and both say which host it is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    program = """
import sys
from jnas import preflight
from translators.diagnostics import UserError
record = {field: "same" for field in preflight.COMPARED} | {"host": f"h{sys.argv[1]}"}
import jnas.training.sharding as sharding
sharding.join_processes()
sharding.join_processes = lambda: None
preflight.compare_over_jax(record, 2, 30.0)
try:
    preflight.compare_over_jax({**record, "configuration": f"k{sys.argv[1]}"}, 2, 30.0)
except UserError as error:
    print(error)
"""
    common = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "JAX_COORDINATOR_ADDRESS": address}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(index)],
            env={**common, "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": str(index)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    for process in processes:
        said, error = process.communicate(timeout=120)
        assert process.returncode == 0, error[-2000:]
        assert said.endswith("configuration differs between hosts: k0 on h0; k1 on h1; stop, then submit again\n")
