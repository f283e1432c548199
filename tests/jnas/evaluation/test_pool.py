from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from jnas.evaluation.pool import HUGE_PAGES, Job, Pool, Setting, small_environment
from translators.diagnostics import UserError

# A worker whose operations misbehave in every way that a candidate's code can.
MISBEHAVING = """
import os, signal, subprocess, sys, time
from jnas.evaluation.worker import main
from translators.diagnostics import UserError

def double(arguments, progress):
    progress(step=1)
    print("noise on stdout")
    os.write(1, b'{"id": 1, "value": "forged"}\\n')
    return {"value": 2 * arguments["x"], "pid": os.getpid()}

def loop(arguments, progress):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        pass

def spawn(arguments, progress):
    command = [sys.executable, "-c", "import time; time.sleep(1000)", arguments["mark"]]
    subprocess.Popen(command)
    subprocess.Popen(command, start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(command[0], command)
        os._exit(0)
    progress(started=True)
    time.sleep(1000)

def grow(arguments, progress):
    held = []
    while True:
        held.append(bytearray(10_000_000))

def raises(arguments, progress):
    raise ValueError("first line\\nsecond line")

def bad_input(arguments, progress):
    raise UserError("dataset 'x': unknown")

def crash(arguments, progress):
    with open(arguments["count"], "a") as file:
        file.write("x")
    print("last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)

def crash_once(arguments, progress):
    if not os.path.exists(arguments["mark"]):
        open(arguments["mark"], "w").close()
        os._exit(3)
    return "recovered"

HELD = []

def hoard(arguments, progress):
    HELD.append(bytearray(arguments["megabytes"] << 20))
    return len(HELD)

def flood(arguments, progress):
    return "x" * 40_000_000

def environment(arguments, progress):
    return dict(os.environ)

def train(arguments, progress):
    while not all(os.path.exists(path) for path in arguments["awaited"]):
        time.sleep(0.01)
    return arguments["x"]

def compile(arguments, progress):
    open(arguments["mark"], "w").close()
    os.kill(os.getpid(), signal.SIGSEGV)

main({name: value for name, value in list(globals().items()) if callable(value)})
"""


def pool(tmp_path: Path, workers: int = 1) -> Pool:
    setting = Setting(1, writable=(str(tmp_path),), command=(sys.executable, "-c", MISBEHAVING))
    return Pool(workers, setting, tmp_path)


def alive(mark: str) -> list[int]:
    """Processes that have `mark` on their command line; what runs in a worker has other numbers there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def gone(mark: str, within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while alive(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(mark)


def _waited_for(mark: str, count: int = 3) -> list[int]:
    deadline = time.monotonic() + 20
    while len(alive(mark)) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive(mark)


def test_replies_come_in_the_order_of_the_jobs_from_warm_workers(tmp_path: Path) -> None:
    heard: list[tuple[int, object]] = []
    with pool(tmp_path, workers=2) as workers:
        jobs = [Job("double", {"x": x}, 60) for x in range(6)]
        replies = workers.run(jobs, progress=lambda index, values: heard.append((index, values)))
    assert [reply.value["value"] for reply in replies] == [0, 2, 4, 6, 8, 10]
    assert len({reply.value["pid"] for reply in replies}) <= 2
    assert sorted(index for index, _ in heard) == list(range(6))
    assert "noise on stdout" in "".join(log.read_text() for log in tmp_path.glob("*.log"))


def test_what_waits_is_compiled_meanwhile_and_how_that_ends_changes_nothing(tmp_path: Path) -> None:
    marks = [str(tmp_path / f"compiled-{index}") for index in range(3)]
    setting = Setting(1, writable=(str(tmp_path),), command=(sys.executable, "-c", MISBEHAVING))
    with Pool(1, setting, tmp_path, compilers=1) as workers:
        jobs = [Job("train", {"x": x, "mark": marks[x], "awaited": marks[1:]}, 60) for x in range(3)]
        assert [reply.value for reply in workers.run(jobs)] == [0, 1, 2]
        (reply,) = workers.run([Job("double", {"x": 4}, 60)])
    assert reply.value["value"] == 8 and not Path(marks[0]).exists()


def test_every_misbehaviour_is_a_typed_result_and_the_pool_goes_on(tmp_path: Path) -> None:
    cases = [
        ("loop", {}, "time", "over the time limit of 1 s"),
        ("grow", {}, "memory", ""),
        ("raises", {}, "error", "ValueError: first line"),
        ("crash", {"count": str(tmp_path / "count")}, "lost", "last words"),
        ("flood", {}, "error", "reply exceeded"),
        ("crash_once", {"mark": str(tmp_path / "mark")}, "ok", ""),
    ]
    with pool(tmp_path) as workers:
        for operation, arguments, status, message in cases:
            bad, good = workers.run(
                [Job(operation, arguments, 1 if operation == "loop" else 60), Job("double", {"x": 4}, 60)]
            )
            assert bad.status == status, (operation, bad)
            assert message in bad.message and "\n" not in bad.message
            assert good.value["value"] == 8
    assert (tmp_path / "count").read_text() == "xxx", "a lost job is tried three times"


def test_what_earlier_jobs_left_in_memory_does_not_decide_about_a_later_one(tmp_path: Path) -> None:
    with pool(tmp_path) as workers:
        replies = workers.run([Job("hoard", {"megabytes": size}, 60) for size in (300, 300, 300, 450, 400, 700)])
    held = [reply.value for reply in replies]
    assert held[:3] == [1, 2, 1], "a process that holds over half of its limit is replaced"
    assert held[3:] == [2, 1, 1], "one that holds less, and so has too little for the next job, is replaced then"


def test_what_a_candidate_started_ends_with_it(tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    seen: list[int] = []
    with pool(tmp_path) as workers:
        jobs = [Job("spawn", {"mark": mark}, 2)]
        (reply,) = workers.run(jobs, progress=lambda index, values: seen.extend(_waited_for(mark)))
        assert reply.status == "time" and seen
        assert gone(mark)


def test_bad_input_met_in_a_worker_is_bad_input(tmp_path: Path) -> None:
    with pool(tmp_path) as workers, pytest.raises(UserError, match="dataset 'x': unknown"):
        workers.run([Job("bad_input", {}, 60)])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_a_killed_search(tmp_path: Path, number: int) -> None:
    mark = str(tmp_path / "mark")
    program = (
        "import sys\nfrom pathlib import Path\nfrom jnas.evaluation.pool import Job, Pool, Setting\n"
        f"command = (sys.executable, '-c', {MISBEHAVING!r})\n"
        f"pool = Pool(1, Setting(1, command=command), Path({str(tmp_path)!r}))\n"
        f"pool.run([Job('spawn', {{'mark': {mark!r}}}, 60)], lambda index, values: print('started', flush=True))\n"
    )
    search = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert search.stdout is not None and search.stdout.readline() == "started\n"
    assert _waited_for(mark)
    search.send_signal(number)
    search.communicate()
    assert gone(mark)


def test_a_worker_sees_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "SOMETHING_ELSE"):
        monkeypatch.setenv(name, "planted-secret")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    with pool(tmp_path) as workers:
        (reply,) = workers.run([Job("environment", {}, 60)])
    assert "planted-secret" not in str(reply.value)
    assert reply.value["JAX_PLATFORMS"] == "cpu" and reply.value["PATH"] == os.environ["PATH"]
    assert small_environment({"KEY": "x"}).keys() == {"PYTHONPATH", "JNAS_CACHE", "PYTHONHASHSEED", *HUGE_PAGES}
