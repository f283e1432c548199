"""What somebody else's code can do from within the walls, with namespaces and where the system grants none."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from translators import confinement
from translators.confinement import EXPIRED, OVERGROWN, Confined

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the walls are made of Linux")

WITHOUT_NAMESPACES = """
import runpy, sys
module = runpy.run_path(sys.argv.pop(1))
module["_supervise"].__globals__["_unshared"] = lambda network: False
code = module["_supervise"](__import__("json").loads(sys.argv[1]), sys.argv[2:])
__import__("os")._exit(code if code >= 0 else 128 - code)
"""
ENDLESS = {
    "loop": "while True: pass",
    "sleep": "time.sleep(1000)",
    "deaf": "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 13, 14, 15)]\nwhile True: time.sleep(1)",
    "busy extension": "sum(range(10**13))",  # holds the interpreter's lock and never looks up
    "frozen": "os.kill(os.getpid(), signal.SIGSTOP)",
    "forks": "for _ in range(5): os.fork()\ntime.sleep(1000)",
    "daemon": "os.fork() and time.sleep(1000)\nos.setsid()\nos.fork() and os._exit(0)\ntime.sleep(1000)",
    "sessions": "while True:\n    if os.fork() == 0: os.setsid(); time.sleep(1000)\n    time.sleep(0.2)",
}


@pytest.fixture(params=["namespaces", "no namespaces"])
def walls(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "no namespaces":
        script = tmp_path / "supervisor.py"
        script.write_text(WITHOUT_NAMESPACES)
        plain = (sys.executable, "-I", "-S", str(script), confinement._SUPERVISOR[-1])
        monkeypatch.setattr(confinement, "_SUPERVISOR", plain)
    elif "no namespaces" in told("pass")[1]:
        pytest.skip("this system grants no namespaces")
    return request.param


def started(code: str, mark: str = "", **places) -> Confined:
    command = [sys.executable, "-c", f"import os, signal, sys, time\n{code}", mark]
    return Confined(command, env={"PATH": os.environ["PATH"]}, stderr=subprocess.PIPE, **places)


def told(code: str, **places) -> tuple[str, str, int]:
    """Output, log and exit code."""
    child = started(code, **places)
    assert child.process.stderr is not None
    child.allow(60)
    output, log = child.stdout.read().decode(), child.process.stderr.read().decode()
    child.process.stderr.close()
    child.process.wait()
    return output, log, child.kill()


def alive(mark: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes().split(b"\0"):
                return True
    return False


def gone(mark: str) -> bool:
    deadline = time.monotonic() + 5
    while alive(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(mark)


def test_what_does_not_end_is_ended_although_nobody_looks(walls: str, tmp_path: Path) -> None:
    marks = {name: f"{tmp_path}/{name}" for name in ENDLESS}
    children = {name: started(code, marks[name]) for name, code in ENDLESS.items()}
    try:
        for child in children.values():
            child.allow(1)
        for name, child in children.items():
            assert child.process.wait(timeout=30) == EXPIRED, name
        assert [name for name in ENDLESS if not gone(marks[name])] == []
    finally:
        for child in children.values():
            child.kill()


def test_nothing_is_left_after_a_kill(walls: str, tmp_path: Path) -> None:
    mark = f"{tmp_path}/mark"
    child = started("print(flush=True)\n" + ENDLESS["daemon"], mark)
    try:
        child.stdout.readline()
        time.sleep(0.3)
        assert alive(mark)
    finally:
        child.kill()
    assert gone(mark)


def test_nothing_outlives_a_caller_that_is_killed(walls: str, tmp_path: Path) -> None:
    """The mark of the daemon is on the command line of the caller too."""
    mark = f"{tmp_path}/mark"
    code = f"import os, time\n{ENDLESS['daemon']}"
    caller = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\nfrom translators import confinement\n"
            f"confinement._SUPERVISOR = {confinement._SUPERVISOR!r}\n"
            f"child = confinement.Confined([sys.executable, '-c', {code!r}, {mark!r}], env={{}}, stderr=2)\n"
            "time.sleep(0.5)\nprint(flush=True)\ntime.sleep(1000)",
        ],
        stdout=subprocess.PIPE,
    )
    assert caller.stdout is not None
    caller.stdout.readline()
    assert alive(mark)
    caller.kill()
    caller.communicate()
    assert gone(mark)


@pytest.mark.parametrize(
    "code",
    [
        "import mmap\nfor _ in range(40):\n    m = mmap.mmap(-1, 20 << 20); m.write(b'x' * (20 << 20))\n    "
        "globals().setdefault('held', []).append(m); time.sleep(0.05)\ntime.sleep(1000)",
        "held = []\nfor _ in range(60): held.append(bytearray(b'x') * (10 << 20)); time.sleep(0.03)\ntime.sleep(1000)",
        "children = [os.fork() for _ in range(3)]\nheld = bytearray(b'x') * (60 << 20)\ntime.sleep(1000)",
        "for _ in range(200):\n    if os.fork() == 0: time.sleep(1000)\ntime.sleep(1000)",
    ],
    ids=["shared memory", "slow growth", "by many processes", "too many processes"],
)
def test_what_grows_is_ended(walls: str, code: str, tmp_path: Path) -> None:
    mark = f"{tmp_path}/mark"
    child = started(code, mark, memory=300 << 20)
    child.allow(60)
    try:
        assert child.process.wait(timeout=60) == OVERGROWN
        assert gone(mark)
    finally:
        child.kill()


def test_exit_codes_and_signals_come_through(walls: str) -> None:
    assert told("sys.exit(7)")[2] == 7
    assert told("os.kill(os.getpid(), signal.SIGSEGV)")[2] in (-11, 139)


def test_within_namespaces_there_is_no_network_home_or_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    secret, shared, private = tmp_path / "secret", tmp_path / "shared", tmp_path / "private"
    for folder in (secret, shared, private):
        folder.mkdir()
        (folder / "file").write_text("text")
    code = f"""
import json, socket
def tried(action):
    try:
        return str(action())
    except OSError as error:
        return type(error).__name__ + ": " + str(error)
print(json.dumps({{
    "network": tried(lambda: socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), 2)),
    "home": tried(lambda: os.listdir({str(Path.home())!r})),
    "secret": tried(lambda: open({str(secret / "file")!r}).read()),
    "shared": tried(lambda: open({str(shared / "file")!r}).read()),
    "write shared": tried(lambda: open({str(shared / "file")!r}, "w")),
    "write private": tried(lambda: open({str(private / "new")!r}, "w").write("kept")),
    "write code": tried(lambda: open({str(Path(confinement.__file__).parent / "new")!r}, "w")),
    "write temporary": tried(lambda: open("/tmp/new", "w").write("forgotten")),
    "kernel": tried(lambda: open("/proc/sys/kernel/core_pattern", "w")),
    "processes": tried(lambda: [name for name in os.listdir("/proc") if name.isdigit()]),
    "mounts": tried(lambda: os.system("umount /tmp 2>/dev/null")),
    "environment": str(dict(os.environ)),
}}))
"""
    monkeypatch.setenv("PLANTED", "AIza-planted")
    with tempfile.NamedTemporaryFile(dir=Path.home(), prefix="planted"), server:
        output, log, code_ = told(code, readable=[shared], writable=[private], memory=1 << 30)
    if "confinement:" in log:
        pytest.skip(log)
    assert code_ == 0
    found = json.loads(output)
    assert "Error" in found["network"] and "No such file" in found["secret"]
    assert "planted" not in found["home"]
    assert found["shared"] == "text" and (private / "new").read_text() == "kept"
    for name in ("write shared", "write code", "kernel"):
        assert "Read-only" in found[name], name
    assert found["write temporary"] == "9" and not Path("/tmp/new").exists()
    assert len(json.loads(found["processes"].replace("'", '"'))) == 2 and found["mounts"] != "0"
    assert "planted" not in found["environment"]
