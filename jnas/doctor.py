"""Which walls stand around candidates on this machine: python -m jnas.doctor

Each is tried from inside a process that is started as workers are.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from translators.confinement import OVERGROWN, Confined

MISSING = 3  # exit code of --strict
SECONDS = 20.0
SAYS = "confinement: "  # how the supervisor begins a line of the log

# Run inside, with only the standard library: what can be reached there.
TRIALS = """
import json, os, socket, sys
port, planted, outside, parent = sys.argv[1:]
def reached(action):
    try:
        action()
    except OSError:
        return False
    return True
print(json.dumps({
    "network": reached(lambda: socket.create_connection(("127.0.0.1", int(port)), 2)),
    "home": reached(lambda: os.stat(planted)),
    "files": reached(lambda: open(outside, "w")),
    "processes": reached(lambda: os.kill(int(parent), 0)),
    "environment": "JNAS_DOCTOR" in os.environ,
}))
"""
GROWING = "held = [bytearray(b'x') * (8 << 20) for _ in range(64)]; import time; time.sleep(60)"
PURPOSE = {
    "network": "no connection can be made",
    "home": "the home directory is empty",
    "files": "no file can be written but the worker's own",
    "processes": "no other process can be seen, and none outlives its worker",
    "environment": "no variable of this shell is passed on",
    "memory": "what grows beyond its limit is ended",
    "time": "what runs beyond its limit is ended, whatever the search does meanwhile",
}
ADVICE = (
    "Linux with user namespaces closes it: sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), "
    "user.max_user_namespaces=10000 (RHEL), or a container that may unshare (seccomp=unconfined)"
)


@dataclass(frozen=True)
class Wall:
    """`reason` says why it does not stand."""

    name: str
    stands: bool
    reason: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """0; with --strict 3 when a wall is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m jnas.doctor",
        description=(__doc__ or "").splitlines()[0],
        epilog="example: python -m jnas.doctor --strict",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--strict", action="store_true", help=f"exit with {MISSING} when a wall is missing")
    options = parser.parse_args(arguments)
    found = walls()
    if options.json:
        print(json.dumps([asdict(wall) for wall in found], indent=1))
    else:
        for wall in found:
            print(f"{wall.name:<12}{'stands' if wall.stands else 'OPEN  '}  {wall.reason or PURPOSE[wall.name]}")
    return MISSING if options.strict and not all(wall.stands for wall in found) else 0


def walls() -> list[Wall]:
    """Every wall, tried. It takes a second or two."""
    reached, log = _reached()
    said = [line.removeprefix(SAYS) for line in log.splitlines() if line.startswith(SAYS)]
    reason = said[0] if said else "the worker did not say why"
    found = [Wall(name, not open_, f"{reason}. {ADVICE}" if open_ else "") for name, open_ in reached.items()]
    for name, code, seconds, expected in (
        ("memory", GROWING, SECONDS, OVERGROWN),
        ("time", "while True: pass", 0.2, None),
    ):
        ended = _ended(code, seconds, expected)
        found.append(
            Wall(name, ended, "" if ended else "the supervisor did not end the process; Linux with /proc does")
        )
    return found


def _reached() -> tuple[dict[str, bool], str]:
    """What a worker reached by name, and its log."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        tempfile.NamedTemporaryFile(prefix=".jnas-doctor-", dir=_writable_home()) as planted,
        tempfile.TemporaryFile() as log,
    ):
        outside = Path(planted.name + "-written")
        named = [str(server.getsockname()[1]), planted.name, str(outside), str(os.getpid())]
        child = Confined([sys.executable, "-I", "-S", "-c", TRIALS, *named], env={}, stderr=log)
        try:
            child.allow(SECONDS)
            answer = child.stdout.read()
        finally:
            child.kill()
        written = outside.exists()  # what is written to an empty home is forgotten with it
        outside.unlink(missing_ok=True)
        log.seek(0)
        text = log.read().decode(errors="replace")
        reached: dict[str, Any] = json.loads(answer) if answer else dict.fromkeys(PURPOSE, True)
    return {**{name: reached[name] for name in list(PURPOSE)[:5]}, "files": written}, text


def _ended(code: str, seconds: float, expected: int | None) -> bool:
    child = Confined([sys.executable, "-I", "-S", "-c", code], env={}, stderr=subprocess.DEVNULL, memory=64 << 20)
    try:
        child.allow(seconds)
        found = child.process.wait(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return False
    finally:
        child.kill()
    return expected is None or found == expected


def _writable_home() -> str:
    return str(Path.home()) if os.access(Path.home(), os.W_OK) else tempfile.gettempdir()


if __name__ == "__main__":
    sys.exit(main())
