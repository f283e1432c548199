"""Walls around a process that runs somebody else's code: time, memory, files, processes, network, home directory.

`Confined` starts the process under a supervisor, which is this file run as a script: it imports the standard library
alone and sees nothing of the caller's environment. On Linux the supervisor makes namespaces of its own where the system
lets it (no network, an empty home directory, all other files read-only, and no process that outlives it), and watches
time and memory beside the caller, so that a caller that is busy, frozen or killed changes no limit. Where the
system grants no namespaces, the limits remain and the files and the network are open; the log of the process says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import pwd
import resource
import selectors
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

EXPIRED, OVERGROWN = 124, 125
"""Exit codes of a process that the supervisor ended: for its time, and for the memory or number of its processes."""

MOST_PROCESSES, MOST_THREADS = 64, 8192
MOST_FILES = 4096  # open at once
LARGEST_FILE = 4 << 30  # bytes
SCRATCH = 256 << 20  # bytes that fit into each hidden place, which is empty and forgotten at the end
HIDDEN = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # and the home directory
_SUPERVISOR = (sys.executable, "-I", "-S", os.path.abspath(__file__))
_INTERVAL = 0.25  # seconds between two looks at memory
_GRACE = 1.0  # seconds that the caller has to end a late process itself, and to say so in better words

# linux/sched.h, linux/mount.h, linux/prctl.h, linux/securebits.h
_NEW_MOUNTS, _NEW_IPC, _NEW_USER, _NEW_PIDS, _NEW_NETWORK = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXEC, _BIND, _RECURSIVE, _PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
_SET_MOUNT_ATTRIBUTES, _AT_HERE, _AT_RECURSIVE = 442, -100, 0x8000
_PARENT_DEATH_SIGNAL, _DROP_BOUND, _SECURE_BITS, _SUBREAPER, _NO_NEW_PRIVILEGES = 1, 24, 28, 36, 38
_NO_ROOT_FOR_GOOD = 0x2F
_CAPABILITIES_VERSION = 0x20080522


class Confined:
    """A child process with `stdin` and `stdout` as pipes, in a session of its own, ended with all that it started.

    `readable` and `writable` are the places below the hidden ones that it needs besides Python itself; where mount
    namespaces exist it can write nowhere else. `memory` in bytes is for all its processes together; `cores` are those
    that they may run on, all by default.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        stderr: int | IO[bytes],
        readable: Iterable[Path | str] = (),
        writable: Iterable[Path | str] = (),
        network: bool = False,
        memory: int | None = None,
        cores: Iterable[int] | None = None,
    ) -> None:
        supervised, self._control = os.pipe()
        walls = {
            "control": supervised,
            "readable": [os.path.abspath(place) for place in (*_python_needs(env), *readable)],
            "writable": [os.path.abspath(place) for place in writable],
            "network": network,
            "memory": memory,
            "cores": None if cores is None else list(cores),
        }
        try:
            self.process = subprocess.Popen(
                [*_SUPERVISOR, json.dumps(walls), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=dict(env),
                start_new_session=True,
                pass_fds=(supervised,),
            )
        except BaseException:
            os.close(self._control)
            raise
        finally:
            os.close(supervised)
        assert self.process.stdin is not None and self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self._closed = False

    def allow(self, seconds: float) -> None:
        """From now on; the supervisor ends the process a second after that, whatever the caller does meanwhile."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._control, f"{seconds}\n".encode())

    def end(self) -> None:
        """End everything at once, from any thread; what was written can still be read."""
        if self.process.returncode is None:  # a reaped group's id may be another's by now
            _end_below(self.process.pid)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def kill(self) -> int:
        """End everything, reap the leader and close the pipes; its exit code."""
        if not self._closed:
            self._closed = True
            self.end()
            self.process.wait()
            os.close(self._control)
            for pipe in (self.stdin, self.stdout):
                with contextlib.suppress(BrokenPipeError):  # what was not sent dies with its reader
                    pipe.close()
        return self.process.wait()


def _python_needs(env: Mapping[str, str]) -> list[str]:
    """Where this interpreter and its packages lie; a hidden place that is on the path stays hidden."""
    further = env.get("LD_LIBRARY_PATH", "").split(os.pathsep) + env.get("PYTHONPATH", "").split(os.pathsep)
    packages = [place for place in sys.path if os.path.realpath(place) not in _hidden()]
    return [place for place in {sys.prefix, sys.base_prefix, *packages, *further} if os.path.exists(place)]


# The supervisor


def _supervise(walls: Mapping[str, Any], command: Sequence[str]) -> int:
    """Start the command within the walls, watch it, end what it left. As `subprocess` gives it: -N for a signal."""
    linux = sys.platform == "linux"
    if linux:
        _prctl(_NO_NEW_PRIVILEGES, 1)
        _prctl(_SUBREAPER, 1)  # where there is no PID namespace, daemons end up here
        if walls["cores"]:
            os.sched_setaffinity(0, walls["cores"])
    hearing, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    os.set_inheritable(walls["control"], False)
    alone = linux and _unshared(bool(walls["network"]))
    alive, held = os.pipe()
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        os.close(held)
        _enter(walls, command, alone, alive)
    code = _watch(walls, child, hearing)
    _end_below(os.getpid())
    return 128 - code if alone and code > 128 else code  # the first process of a namespace cannot die by a signal


def _watch(walls: Mapping[str, Any], child: int, hearing: int) -> int:
    control, received, deadline = walls["control"], b"", float("inf")
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(hearing, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(_INTERVAL):
                data = os.read(key.fd, 4096)
                if key.fd == control:
                    if not data:  # the caller is gone
                        return -signal.SIGKILL
                    *lines, received = (received + data).split(b"\n")
                    deadline = time.monotonic() + float(lines[-1]) + _GRACE if lines else deadline
            while ended := _reaped():
                if ended[0] == child:
                    return ended[1]
            if time.monotonic() > deadline:
                return EXPIRED
            if excess := _excess(walls["memory"]):
                _say(f"over {excess}")
                return OVERGROWN


def _reaped() -> tuple[int, int] | None:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, os.waitstatus_to_exitcode(status)) if pid else None


def _excess(memory: int | None) -> str:
    """Which limit is exceeded. RLIMIT_DATA counts no shared memory, and counts each process alone."""
    sizes = [_size(pid) for pid in _below(os.getpid())]
    if memory is not None and sum(size for size, _ in sizes) > memory:
        return f"the memory limit of {memory >> 20} MiB"
    if len(sizes) > MOST_PROCESSES or sum(threads for _, threads in sizes) > MOST_THREADS:
        return f"{MOST_PROCESSES} processes or {MOST_THREADS} threads"
    return ""


def _size(pid: int) -> tuple[int, int]:
    """(bytes in memory that no file on a disk holds, threads) of a process."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    values = {name: words.split()[0] for name, _, words in (line.partition(":") for line in lines) if words.split()}
    used = int(values.get("RssAnon", 0)) + int(values.get("RssShmem", 0)) + int(values.get("VmSwap", 0))
    return used << 10, int(values.get("Threads", 0))


def _below(pid: int) -> Iterator[int]:
    """The processes that a process has started, at any depth."""
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{thread}/children").read_text().split():
                yield int(child)
                yield from _below(int(child))


def _end_below(pid: int) -> None:
    """Kill what a process has started, until nothing is left that could start more."""
    for _ in range(400):
        alive = [child for child in _below(pid) if not _is_dead(child)]
        if not alive:
            return
        for child in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        time.sleep(0.005)


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


# What the child does before it becomes the command


def _enter(walls: Mapping[str, Any], command: Sequence[str], alone: bool, alive: int) -> NoReturn:
    """Become the command; in a PID namespace be its first process, with whose end everything in it ends."""
    try:
        if not alone:
            _become(command)
        _prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        os.set_blocking(alive, False)
        with contextlib.suppress(BlockingIOError):
            os.read(alive, 1)
            os._exit(1)  # the supervisor died before this process could ask to die with it
        _hide(walls)
        _drop_capabilities()
        worker = os.fork()
        if worker == 0:
            _become(command)
        while (ended := os.wait())[0] != worker:
            pass
        code = os.waitstatus_to_exitcode(ended[1])
        os._exit(code if code >= 0 else 128 - code)
    except BaseException as error:
        _say(f"{type(error).__name__}: {error}")
        os._exit(1)


def _become(command: Sequence[str]) -> NoReturn:
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_NOFILE, MOST_FILES),
    ):
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, and a new program would inherit that
    os.execvp(command[0], list(command))


def _unshared(network: bool) -> bool:
    """Whether children of this process get a PID namespace of their own; with it come IPC and, unless asked for, no
    network."""
    user, group = os.getuid(), os.getgid()
    kinds = _NEW_PIDS | _NEW_IPC | (0 if network else _NEW_NETWORK)
    if _libc().unshare(_NEW_USER | kinds):
        reason = os.strerror(ctypes.get_errno())
        if _libc().unshare(kinds):  # root may do without a user namespace where those are forbidden
            _say(f"no namespaces: {reason}")
            return False
        return True
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return True


def _hide(walls: Mapping[str, Any]) -> None:
    """Make all files read-only, lay empty places over home and temporary files, and bring back what is needed."""
    here = os.getcwd()
    places = {place: place in walls["writable"] for place in [*walls["readable"], *walls["writable"]]}
    hidden = sorted(_hidden(), key=_depth)
    try:
        _checked(_libc().unshare(_NEW_MOUNTS), "unshare mounts")
        _mount("none", "/", None, _RECURSIVE | _PRIVATE)
        _set_read_only("/", True, _AT_RECURSIVE)
        _mount("proc", "/proc", "proc", _READ_ONLY | _NO_SUID | _NO_DEVICES | _NO_EXEC)
    except OSError as error:
        _say(f"files stay as they are: {error}")
        return
    opened = {place: os.open(place, os.O_PATH) for place in sorted(places, key=_depth) if os.path.exists(place)}
    for place in hidden:
        _mount("tmpfs", place, "tmpfs", _NO_SUID | _NO_DEVICES, f"size={SCRATCH},mode=1777")
    for place, source in opened.items():
        for target in {place, os.path.realpath(place)}:
            if places[place] or any(Path(target).is_relative_to(above) for above in hidden):
                _make_alike(source, target)
                _mount(f"/proc/self/fd/{source}", target, None, _BIND | _RECURSIVE)
                _set_read_only(target, not places[place])
    os.environ["TMPDIR"] = "/tmp"
    os.chdir(here if os.path.isdir(here) else "/")  # also leaves the place that is hidden now


def _hidden() -> set[str]:
    return {os.path.realpath(place) for place in (*HIDDEN, _home()) if os.path.isdir(place)}


def _depth(place: str) -> int:
    return len(Path(place).parts)


def _home() -> str:
    """Of this user, if it is not a place that the system lives in."""
    try:
        home = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        home = os.environ.get("HOME", "/")
    return home if _depth(home) > 1 else "/nonexistent"


def _make_alike(source: int, target: str) -> None:
    """A file or folder to mount on, where there is none yet."""
    if os.path.isdir(f"/proc/self/fd/{source}"):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    words = (source.encode(), target.encode(), None if kind is None else kind.encode())
    _checked(_libc().mount(*words, ctypes.c_ulong(flags), options.encode()), f"mount {target}")


def _set_read_only(place: str, read_only: bool, recursive: int = 0) -> None:
    attributes = struct.pack("QQQQ", *((1, 0) if read_only else (0, 1)), 0, 0)
    number, flags, size = ctypes.c_long(_SET_MOUNT_ATTRIBUTES), ctypes.c_uint(recursive), ctypes.c_size_t(32)
    _checked(_libc().syscall(number, _AT_HERE, place.encode(), flags, attributes, size), f"read-only {place}")


def _drop_capabilities() -> None:
    """For good: what was mounted cannot be taken away again, not even by root."""
    for capability in range(64):
        if _libc().prctl(_DROP_BOUND, capability, 0, 0, 0):
            break  # there are no more
    _prctl(_SECURE_BITS, _NO_ROOT_FOR_GOOD)
    _checked(_libc().capset(struct.pack("Ii", _CAPABILITIES_VERSION, 0), bytes(24)), "drop capabilities")


def _prctl(option: int, value: int) -> None:
    _checked(_libc().prctl(option, value, 0, 0, 0), f"prctl {option}")


def _checked(status: int, action: str) -> None:
    if status:
        raise OSError(ctypes.get_errno(), f"{action}: {os.strerror(ctypes.get_errno())}")


@functools.cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _say(words: str) -> None:
    print(f"confinement: {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    ended = _supervise(json.loads(sys.argv[1]), sys.argv[2:])
    if ended < 0:
        signal.signal(-ended, signal.SIG_DFL) if -ended not in (signal.SIGKILL, signal.SIGSTOP) else None
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), -ended)
    os._exit(ended)
