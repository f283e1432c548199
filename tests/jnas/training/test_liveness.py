"""Watchers of a launch, over small programs that say what a training says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jnas.training.liveness import heartbeat
from translators.diagnostics import UserError

WATCHER = """
import sys
from pathlib import Path
from jnas.training.liveness import watch
sys.exit(watch([sys.executable, "-c", sys.argv[2], *sys.argv[3:]], Path(sys.argv[1])))
"""
# Process number, what it does after a second of life: "live" for five seconds, "die", "end" with a code, or "stop".
TRAINING = """
import os, signal, sys, time
pipe, (number, then) = int(os.environ["JNAS_WATCHER_PIPE"]), sys.argv[1:]
os.write(pipe, f"{number} 4\\n".encode())
for beat in range(50):
    time.sleep(0.1)
    os.write(pipe, b".")
    if beat == 10 and then != "live":
        if then.startswith("end"):
            sys.exit(int(then[3:]))
        os.kill(os.getpid(), signal.SIGKILL if then == "die" else signal.SIGSTOP)
os.write(pipe, b"done\\n")
"""
ADVICE = "; the same command on all hosts goes on from the last checkpoint"


def launched(folder: Path, *fates: str) -> list[subprocess.Popen]:
    return [
        subprocess.Popen(
            [sys.executable, "-c", WATCHER, str(folder), TRAINING, str(number), fate],
            env={**os.environ, "JNAS_HEARTBEAT": "2"},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for number, fate in enumerate(fates)
    ]


@pytest.mark.parametrize(
    ("fate", "said", "code"),
    [
        ("die", f"was killed by signal 9{ADVICE}", 75),
        ("stop", f"gave no sign of life for 2 s{ADVICE}", 75),
        ("end2", "ended with exit code 2", 2),
        ("end1", f"ended with exit code 1{ADVICE}", 75),
    ],
)
def test_all_hosts_say_which_training_was_lost(tmp_path: Path, fate: str, said: str, code: int) -> None:
    hosts = launched(tmp_path, "live", "live", "live", fate)
    for host in hosts:
        last = host.communicate(timeout=60)[1].splitlines()[-1]
        assert last.startswith("error: host ") and last.endswith(f"(process 3 of 4) {said}"), last
        assert host.returncode == code


def test_a_host_that_disappears_is_named_by_the_others_and_leaves_no_training(tmp_path: Path) -> None:
    hosts = launched(tmp_path, "live", "live", "live", "live")
    while not (tmp_path / "process-0.json").exists():
        time.sleep(0.05)
    os.kill(hosts[0].pid, signal.SIGKILL)
    for host in hosts[1:]:
        assert f"(process 0 of 4) gave no sign of life for 2 s{ADVICE}" in host.communicate(timeout=60)[1]
        assert host.returncode == 75
    hosts[0].wait()
    with pytest.raises(ProcessLookupError):  # its session is empty: the training ended with its watcher
        for _ in range(100):
            os.killpg(hosts[0].pid, 0)
            time.sleep(0.1)


def test_what_an_earlier_launch_left_does_not_end_this_one(tmp_path: Path) -> None:
    (tmp_path / "hosts").mkdir()
    left = '{"host": "old", "beat": 9, "verdict": ["host old is lost", 75]}'
    for number in range(6):
        (tmp_path / "hosts" / f"process-{number}.json").write_text(left)
    for host in launched(tmp_path / "hosts", "live", "live", "live", "live"):
        assert host.wait(timeout=60) == 0, host.communicate()[1]


@pytest.mark.parametrize("text", ["0", "1.5", "soon"])
def test_heartbeats_that_are_no_seconds_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("JNAS_HEARTBEAT", text)
    with pytest.raises(UserError, match=f"JNAS_HEARTBEAT={text}: expected a whole number"):
        heartbeat()
