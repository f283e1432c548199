"""The script on the hosts, with a pretended jnas: it checks, searches, drains, restarts, and stops in time."""

from __future__ import annotations

import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.launch.launching import BASH, ROOT, Pretended, Rule, until

HOST = ROOT / "launch" / "host.sh"
# Stands for .venv/bin/python: each start of the search takes the next word of $HOME/plan as what to do.
PYTHON = r"""#!/bin/bash
if [[ $2 == jnas.preflight ]]; then
  printf '%s\0' "$@" >"$HOME/checked"
  exit "$(cat "$HOME/preflight" 2>/dev/null || echo 0)"
fi
printf '%s\0' "$@" >"$HOME/searched"
echo "$GEMINI_API_KEY" >"$HOME/key"
read -r -a plan <"$HOME/plan"
echo "${plan[*]:1}" >"$HOME/plan"
case ${plan[0]} in
  drain)
    trap 'exit 75' TERM
    echo searching
    for ((i = 0; i < 400; i++)); do /bin/sleep 0.05; done
    ;;
  killed) kill -KILL $$ ;;
  *) exit "${plan[0]}" ;;
esac
"""


class Host:
    """A home folder with installed code in it, and host.sh to run there."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        self.pretended = Pretended(folder)
        self.pretended.tool("python3", "#!/bin/sh\nexit 0\n")
        self.pretended.tool("make", "#!/bin/sh\n")
        (self.pretended.tools / "sleep").unlink()
        self.code = folder / "code"
        self.install(self.code)

    def install(self, code: Path) -> None:
        (code / ".venv" / "bin").mkdir(parents=True)
        python = code / ".venv" / "bin" / "python"
        python.write_text(PYTHON)
        python.chmod(0o755)

    def plan(self, *starts: str) -> None:
        (self.home / "plan").write_text(" ".join(starts) + "\n")

    def words(self, name: str) -> list[str]:
        return (self.home / name).read_text().split("\0")[:-1]

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [BASH, str(HOST), *arguments],
            cwd=self.home,
            env={**self.pretended.environment, "GEMINI_API_KEY": "", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, search: tuple[str, ...] = (), **variables: str) -> tuple[int, str]:
        """Exit code and standard error of `host.sh run` on the installed code."""
        process = self.start("run", "--source", str(self.code), *arguments, "--", *search, **variables)
        _, said = process.communicate(timeout=30)
        return process.returncode, said


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_the_same_line_is_checked_and_searched(host: Host) -> None:
    host.plan("0")
    search = ("--config", "quickstart", "--set", "a=it's $(b) \\")
    assert host.run("--hosts", "2", "--chips", "4", "--shared", "gs://b", search=search)[0] == 0
    assert host.words("searched") == ["-m", "jnas.search", *search]
    assert host.words("checked")[:2] == ["-m", "jnas.preflight"]
    assert host.words("checked")[2:] == ["--hosts", "2", "--chips", "4", "--shared", "gs://b", "--", *search]
    assert (host.home / "jnas" / "host.exit").read_text() == "0\n"


def ended(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Standard error of the script after the signal; bash may miss one that comes while its `wait` begins."""
    for seconds in (5, 5, 20):
        process.send_signal(number)
        try:
            return process.communicate(timeout=seconds)[1]
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"{number.name} did not end it")


def test_without_a_fit_host_nothing_is_searched(host: Host) -> None:
    (host.home / "preflight").write_text("2")
    assert host.run()[0] == 2
    assert not (host.home / "searched").exists()


@pytest.mark.parametrize(
    ("starts", "restarts", "code", "left"),
    [
        (["75", "75", "0"], "2", 0, ""),
        (["75", "75", "0"], "1", 75, "0"),
        (["killed", "0"], "1", 0, ""),
        (["killed"], "0", 75, ""),
        (["2", "0"], "5", 2, "0"),
        (["1", "0"], "5", 1, "0"),
    ],
)
def test_what_can_be_continued_is_started_again(
    host: Host, starts: list[str], restarts: str, code: int, left: str
) -> None:
    host.plan(*starts)
    assert host.run("--restarts", restarts)[0] == code
    assert (host.home / "plan").read_text().strip() == left


def test_asked_to_stop_it_drains_and_does_not_start_again(host: Host) -> None:
    host.plan("drain", "0")
    process = host.start("run", "--source", str(host.code), "--restarts", "5")
    assert process.stdout is not None and process.stdout.readline() == "searching\n"
    said = ended(process, signal.SIGTERM)
    assert process.returncode == 75 and "the same line continues" in said
    assert (host.home / "plan").read_text() == "0\n"


@pytest.mark.parametrize(("count", "requeued"), [("0", True), ("3", False)])
def test_when_the_time_of_a_slurm_job_is_nearly_over_it_queues_again(host: Host, count: str, requeued: bool) -> None:
    host.plan("drain")
    line = ("run", "--source", str(host.code), "--restarts", "3")
    process = host.start(*line, SLURM_JOB_ID="17", SLURM_RESTART_COUNT=count)
    assert process.stdout is not None and process.stdout.readline() == "searching\n"
    ended(process, signal.SIGUSR1)
    assert process.returncode == 75
    assert ("scontrol requeue 17" in host.pretended.calls()) == requeued


def test_after_its_hours_the_search_is_stopped(host: Host) -> None:
    host.plan("drain", "0")
    code, said = host.run("--hours", "0.0003", "--restarts", "5")  # a second
    assert code == 0 and "hours are over" in said
    assert host.words("searched")[-2:] == ["--max-hours", "0.0003"]
    assert (host.home / "plan").read_text() == "0\n"


def test_a_secret_is_read_on_the_host_and_is_in_no_argument(host: Host) -> None:
    (host.home / "keys.env").write_text("# keys\nGEMINI_API_KEY=s3cret=x\nrm -rf /\n")
    host.plan("0", "0")
    assert host.run("--secret", "~/keys.env")[0] == 0
    assert (host.home / "key").read_text() == "s3cret=x\n"
    host.pretended.rules(Rule("secrets versions access latest --secret=gemini", out="fr0m-manager"))
    assert host.run("--secret", "gemini")[0] == 0
    assert (host.home / "key").read_text() == "fr0m-manager\n"
    assert "s3cret" not in "".join([*host.words("searched"), *host.words("checked")])


@pytest.mark.parametrize("secret", ["~/missing.env", "unknown"])
def test_a_secret_that_cannot_be_read_ends_it(host: Host, secret: str) -> None:
    host.pretended.rules(Rule("gcloud", 1, error="PERMISSION_DENIED"))
    code, said = host.run("--secret", secret)
    assert code == 2 and f"--secret {secret}" in said
    assert not (host.home / "searched").exists()


def test_an_archive_is_unpacked_and_keeps_its_environment(host: Host) -> None:
    packed = host.home / "packed"
    host.install(packed)
    with tarfile.open(host.home / "jnas.tar.gz", "w:gz") as archive:
        archive.add(packed, arcname=".")
    host.plan("0")
    process = host.start("run", "--source", "./jnas.tar.gz")
    process.communicate(timeout=20)
    assert process.returncode == 0 and (host.home / "jnas" / "code" / ".venv" / "bin" / "python").exists()


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (["run"], "--source"),
        (["run", "--sauce", "x"], "--sauce"),
        (["walk"], "walk"),
        (["run", "--source"], "--source"),
    ],
)
def test_bad_arguments_are_one_line(host: Host, line: list[str], named: str) -> None:
    process = host.start(*line)
    said, error = process.communicate(timeout=20)
    assert (process.returncode, said, error.count("\n")) == (2, "", 1) and named in error


def test_on_one_machine_from_submit_to_delete(host: Host) -> None:
    launch = host.pretended.launch
    host.plan("drain", "drain")
    source = ["--source", str(host.code)]
    assert "idle" in launch("local", "status").stdout
    assert launch("local", "submit", *source, "--", "--config", "quickstart").returncode == 0
    log = host.pretended.state / "local-jnas" / "host.log"
    try:
        assert until(lambda: "searching" in log.read_text())
        status = launch("local", "status")
        assert "searching" in status.stdout and "end it with\n  launch/local.sh delete" in status.stderr
        again = launch("local", "submit", *source)
        assert again.returncode == 2 and "already" in again.stderr
        stopped = launch("local", "stop")
        assert "stopped" in stopped.stdout and "nothing of it is left running" in stopped.stderr
        assert "ended 75" in launch("local", "status").stdout
        assert launch("local", "resume").returncode == 0
        assert until(lambda: "searching" in launch("local", "status").stdout)
        assert host.words("searched") == ["-m", "jnas.search", "--config", "quickstart"]
        assert launch("local", "delete", "--yes").returncode == 0
        assert not log.exists()
    finally:
        launch("local", "delete", "--yes")
