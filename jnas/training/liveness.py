"""A training over several hosts stops when one of them is lost, and says which.

When a collective or the coordinator fails, JAX ends a process by an abort that names nobody. So the training of each
host is the child of a watcher: it says over a pipe that it lives, the watcher passes that on through a file in a folder
that all hosts see, and reads the files of the others (ours).
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from translators.diagnostics import UserError

PIPE = "JNAS_WATCHER_PIPE"  # file descriptor on which a training says that it lives
RESUMABLE = os.EX_TEMPFAIL  # 75: the same command on all hosts continues
BAD_INPUT = 2
Verdict = tuple[str, int]  # what became of which host, and the exit code that this means for all


def heartbeat() -> int:
    """Seconds without a sign of life after which a host counts as lost: $JNAS_HEARTBEAT, or 100. Raises UserError."""
    text = os.environ.get("JNAS_HEARTBEAT", "100")
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"JNAS_HEARTBEAT={text}: expected a whole number of seconds from 1 up")
    return int(text)


def to_be_watched() -> bool:
    """Whether this process belongs to a launch over several hosts and has no watcher yet."""
    return bool(os.environ.get("JAX_COORDINATOR_ADDRESS")) and PIPE not in os.environ


@contextmanager
def beating() -> Iterator[None]:
    """Says to the watcher, if there is one, which process of the launch this is, that it lives, and that it is done."""
    if PIPE not in os.environ:
        yield
        return
    import jax

    pipe, pause = int(os.environ[PIPE]), _pause(heartbeat())

    def beat() -> None:
        while True:
            time.sleep(pause)
            try:
                os.write(pipe, b".")
            except OSError:  # without a watcher nobody would learn what becomes of this host
                os._exit(RESUMABLE)

    os.write(pipe, f"{jax.process_index()} {jax.process_count()}\n".encode())
    threading.Thread(target=beat, name="beat", daemon=True).start()
    yield
    os.write(pipe, b"done\n")


def watch(command: Sequence[str], folder: Path) -> int:
    """Runs a training, one process of a launch, and returns its exit code, or 75 where it or another host was lost.

    `folder` is seen by all hosts and belongs to this training alone. Raises UserError if it cannot be made.
    """
    limit = heartbeat()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}); give another folder") from None
    said, says = os.pipe()
    child = subprocess.Popen(command, env={**os.environ, PIPE: str(says)}, pass_fds=[says])
    os.close(says)
    watcher = _Watcher(folder, limit, child, said)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(RESUMABLE))
    try:
        verdict = watcher.verdict()
        if verdict is None:
            return child.returncode if child.returncode >= 0 else RESUMABLE
        watcher.publish(verdict)
        print(f"error: {verdict[0]}", file=sys.stderr)
        return verdict[1]
    except (SystemExit, KeyboardInterrupt):
        watcher.publish(watcher.of_this_host("was asked to stop"))
        raise
    finally:
        child.kill()
        child.wait()
        os.close(said)
        with suppress(OSError):
            folder.rmdir()


@dataclass
class _Peer:
    """What another host's file says, and since when; what it said first may be of an earlier launch."""

    since: float
    text: str


@dataclass
class _Watcher:
    folder: Path
    limit: int
    child: subprocess.Popen
    pipe: int
    heard: bytes = b""
    beats: int = 0
    process: int = 0
    count: int = 0  # processes of the launch, once this one has joined the others
    peers: dict[int, _Peer] = field(default_factory=dict)

    def verdict(self) -> Verdict | None:
        """Waits until the training ends, for which there is none, or a host is lost."""
        last, code = time.monotonic(), None  # of the child's signs of life its death is the last
        while True:
            new = self._listen(_pause(self.limit))
            now = time.monotonic()
            if code is None and (code := self.child.poll()) is not None:
                new += self._listen(0)
            if code is not None and (not self.count or b"done" in self.heard):
                self._file(self.process).unlink(missing_ok=True)
                return None
            if code in (BAD_INPUT, -signal.SIGKILL):  # what no death elsewhere does to a training
                return self.of_this_host(_ended(code), BAD_INPUT if code == BAD_INPUT else RESUMABLE)
            if new:
                last = now
            if self.count and (new or code is not None):
                self.publish()
            found = self._lost(now)
            if found:
                return found
            # A training that failed waits for the cause elsewhere, for as long as others may take to miss a host.
            if self.count and now - last > self.limit + 2 * _pause(self.limit) * (code is not None):
                return self.of_this_host(_ended(code) if code is not None else _silent(self.limit))

    def publish(self, verdict: Verdict | None = None) -> None:
        """The file of this host; where it cannot be written the others will miss this host, as they should."""
        self.beats += 1
        file = self._file(self.process)
        text = json.dumps({"host": socket.gethostname(), "beat": self.beats, "verdict": verdict})
        with suppress(OSError):
            file.with_suffix(".new").write_text(text)
            file.with_suffix(".new").replace(file)

    def of_this_host(self, what: str, code: int = RESUMABLE) -> Verdict:
        return self._of(socket.gethostname(), self.process, what, code)

    def _listen(self, wait: float) -> bytes:
        """What the child says within so many seconds, if anything."""
        ready, _, _ = select.select([self.pipe], [], [], wait)
        new = os.read(self.pipe, 4096) if ready else b""
        if ready and not new:  # a dead child's pipe is always ready
            time.sleep(wait)
        self.heard += new
        if not self.count and b"\n" in self.heard:
            self.process, self.count = map(int, self.heard.split(b"\n")[0].split())
            now = time.monotonic()
            self.peers = {i: _Peer(now, self._read(i)) for i in range(self.count) if i != self.process}
        return new

    def _lost(self, now: float) -> Verdict | None:
        """What another host found out, or else the one that has been silent longest and too long."""
        for process, peer in list(self.peers.items()):
            text = self._read(process)
            if not text and peer.text:  # removed: it is done
                del self.peers[process]
            elif text != peer.text:
                self.peers[process] = _Peer(now, text)
                found = json.loads(text)["verdict"]
                if found:
                    return str(found[0]), int(found[1])
        silent = {process: peer for process, peer in self.peers.items() if now - peer.since > self.limit}
        if not silent:
            return None
        process, peer = min(silent.items(), key=lambda item: item[1].since)
        name = json.loads(peer.text)["host"] if peer.text else "unknown"
        return self._of(name, process, _silent(self.limit), RESUMABLE)

    def _of(self, host: str, process: int, what: str, code: int) -> Verdict:
        advice = "" if code == BAD_INPUT else "; the same command on all hosts goes on from the last checkpoint"
        return f"host {host} (process {process} of {self.count}) {what}{advice}", code

    def _read(self, process: int) -> str:
        try:
            return self._file(process).read_text()
        except OSError:
            return ""

    def _file(self, process: int) -> Path:
        return self.folder / f"process-{process}.json"


def _ended(code: int) -> str:
    return f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"


def _silent(limit: int) -> str:
    return f"gave no sign of life for {limit} s"


def _pause(limit: int) -> float:
    """Between two signs of life."""
    return min(5.0, limit / 10)
