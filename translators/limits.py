"""Processor time and memory for one piece of somebody else's source, so that what explodes costs only itself."""

from __future__ import annotations

import contextlib
import gc
import resource
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

SECONDS = 20.0  # of processor time: a busy machine changes no outcome
MEGABYTES = 2048  # beyond what the process has already


class LimitExceeded(Exception):
    """The message says which limit."""


@contextlib.contextmanager
def limited(seconds: float = SECONDS, megabytes: int = MEGABYTES) -> Iterator[None]:
    """Raises LimitExceeded when the body takes more, also for nesting that Python cannot follow.

    Time can be limited in the main thread only, memory where the system tells how much is in use.
    """
    try:
        with _memory(megabytes), _time(seconds):
            yield
    except MemoryError as error:
        raise LimitExceeded(f"takes more than {megabytes} MB") from error
    except RecursionError as error:
        raise LimitExceeded("is nested too deeply") from error


@contextlib.contextmanager
def collecting_rarely() -> Iterator[None]:
    """The collector of cycles looks rarely: it walks all syntax trees each time, and these stay anyway."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextlib.contextmanager
def _time(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread() or signal.getitimer(signal.ITIMER_VIRTUAL)[0]:
        yield  # an outer limit goes on
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise LimitExceeded(f"takes longer than {seconds:g} s")

    earlier = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, earlier)


@contextlib.contextmanager
def _memory(megabytes: int) -> Iterator[None]:
    try:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    allowed = used + (megabytes << 20)
    if soft != resource.RLIM_INFINITY and soft <= allowed:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
