"""The TPU-VM script: golden dry runs, and a pretended gcloud that runs the remote commands here or fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "launch" / "tpu_vm.sh"
GOLDEN = Path(__file__).parent / "golden"
CASES = {
    "create": "create --name pod --zone us-east5-b --type v5litepod-16 --version v2-alpha-tpuv5-lite --spot",
    "push": "push --project mine",
    "run": "run -- --config nasbench201_cifar10 --run-dir runs/first --set llm.name=it's",
    "logs": "logs --worker 3",
    "status": "status",
    "fetch": "fetch",
    "delete": "delete",
}


def launch(*arguments: str, path: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TMPDIR": "/tmp", **environment}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        [shutil.which("bash") or "bash", str(SCRIPT), *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("verb", CASES)
def test_dry_run_prints_exactly_these_commands(verb: str) -> None:
    options, _, search = CASES[verb].partition(" -- ")
    done = launch(*options.split(), "--dry-run", *(["--", *search.split()] if search else []), path="/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    assert done.stdout.replace(str(ROOT), "CHECKOUT") == (GOLDEN / f"{verb}.txt").read_text()


@pytest.fixture
def pretended_gcloud(tmp_path: Path) -> str:
    """A PATH on which `gcloud ... ssh --command=C` runs C in a home folder of its own, as worker 0 would."""
    tools, home = tmp_path / "tools", tmp_path / "home"
    (home / "jnas" / ".venv" / "bin").mkdir(parents=True)
    tools.mkdir()
    python = home / "jnas" / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\nprintf "%s|" "$@"; echo\nexec sleep 60\n')
    gcloud = tools / "gcloud"
    gcloud.write_text(
        f"""#!/bin/bash
[ -n "$GCLOUD_FAILS" ] && {{ echo "ERROR: quota" >&2; exit 7; }}
cd {home} && for word in "$@"; do case $word in --command=*) exec bash -c "${{word#--command=}}" ;; esac; done
"""
    )
    for file in (python, gcloud):
        file.chmod(0o755)
    return f"{tools}:/usr/bin:/bin"


def test_run_starts_one_search_with_its_arguments_intact(pretended_gcloud: str, tmp_path: Path) -> None:
    home = tmp_path / "home" / "jnas"
    assert "idle" in launch("status", path=pretended_gcloud).stdout
    assert launch("run", "--", "--set", "a=it's b", path=pretended_gcloud).returncode == 0
    process = int((home / "search.pid").read_text())
    try:
        until = time.monotonic() + 10
        while not (home / "search.log").read_text() and time.monotonic() < until:
            time.sleep(0.05)
        assert (home / "search.log").read_text() == "-m|jnas.search|--set|a=it's b|\n"
        assert "searching" in launch("status", path=pretended_gcloud).stdout
        again = launch("run", path=pretended_gcloud)
        assert again.returncode == 1 and "already" in again.stderr
    finally:
        os.kill(process, 9)
    assert "idle" in launch("status", path=pretended_gcloud).stdout


@pytest.mark.parametrize("verb", ["create", "run", "logs", "status", "delete"])
def test_a_failing_gcloud_fails_the_verb(verb: str, pretended_gcloud: str) -> None:
    done = launch(verb, path=pretended_gcloud, GCLOUD_FAILS="yes")
    assert done.returncode == 7 and "quota" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["frobnicate"], "frobnicate"),
        (["create", "--zone"], "--zone"),
        (["create", "--sone", "x"], "--sone"),
        (["create", "--name", "x; rm -rf /"], "--name"),
        (["run", "--config", "quickstart"], "--config"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_2(arguments: list[str], named: str) -> None:
    done = launch(*arguments, "--dry-run")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert named in done.stderr and "--help" in done.stderr


def test_without_gcloud_it_says_so(tmp_path: Path) -> None:
    done = launch("create", path=str(tmp_path))
    assert done.returncode == 2 and "gcloud is not installed" in done.stderr


def test_script_is_clean() -> None:
    checker = shutil.which("shellcheck")
    if checker is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([checker, str(SCRIPT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
