"""Worker processes and their limits: what a candidate does to its process, it does to nothing else.

Each worker has the walls of `translators.confinement` and a small environment without keys. A job that exceeds its time
is ended here with all that it started, or by the worker's supervisor when this process is too busy for that. Workers
stay warm between jobs and are replaced when they die.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import jnas
from jnas.evaluation.outcomes import RETRIED
from jnas.evaluation.placement import Placement, placements
from jnas.library.store import default_cache
from jnas.training.processor import HUGE_PAGES
from translators.confinement import EXPIRED, OVERGROWN, Confined
from translators.diagnostics import UserError

AHEAD = {"train": "compile"}  # what a compiler does for a job that waits for a worker
TRIES = 3  # of a job whose worker died under it without a reason that lies in the candidate
START_LIMIT = 180.0  # seconds until a worker has imported everything
LARGEST_REPLY = 16 * 2**20  # bytes in one line
LARGEST_LOG = 16 * 2**20  # bytes that earlier jobs may leave
LOG_TAIL = 4000  # characters
KEPT = 0.5  # share of its memory limit that a worker may begin its next job with

# Everything else stays out, keys above all. PYTHONHASHSEED is fixed because translated code may iterate over sets.
ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "TFDS_DATA_DIR",
    *HUGE_PAGES,
)
ENVIRONMENT_PREFIXES = ("JAX_", "XLA_", "TPU_", "LIBTPU_", "CUDA_VISIBLE", "GLIBC_TUNABLES")
BESIDE = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # of a process that shares the accelerator of a worker
OUT_OF_MEMORY = ("std::bad_alloc", "MemoryError", "out of memory", "Out of memory", "Cannot allocate memory")


@dataclass(frozen=True)
class Job:
    """`operation` is one of the worker's; `time_limit` in seconds counts from when a worker takes the job."""

    operation: str
    arguments: Mapping[str, Any]
    time_limit: float


@dataclass(frozen=True)
class Reply:
    """`status` is "ok" with a `value`, or the type of a failure with a one-line `message`."""

    status: str
    value: Any = None
    message: str = ""


@dataclass(frozen=True)
class Setting:
    """What a worker gets: its limits, and what it sees of the machine besides Python and the cache.

    `memory_limit` in GiB; `cores`: see `placements`; `command` starts a worker, the memory limit in bytes is appended.
    """

    memory_limit: float
    cores: int | None = None
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    network: bool = False
    command: tuple[str, ...] = (sys.executable, "-m", "jnas.evaluation.worker")
    environment: Mapping[str, str] = field(default_factory=lambda: small_environment())


class Pool:
    """Workers of this machine; a context manager that ends them. `first` is the place of the first among its cores.

    `compilers` are further processes, which compile what waits; a worker then finds it in the cache. What becomes of
    that changes no reply.
    """

    def __init__(self, workers: int, setting: Setting, logs: Path, first: int = 0, compilers: int = 0) -> None:
        self._workers: list[_Worker] = []
        self._compilers: list[_Worker] = []
        try:
            for index, placement in enumerate(placements(workers, setting.cores, first)):
                self._workers.append(_Worker(setting, placement, logs / f"worker-{index}.log"))
            for index, placement in enumerate(placements(compilers, setting.cores, first + workers)):
                beside = replace(placement, environment={**placement.environment, **BESIDE})
                self._compilers.append(_Worker(setting, beside, logs / f"compiler-{index}.log"))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill every worker and all that it started."""
        for worker in (*self._workers, *self._compilers):
            worker.kill()

    def run(
        self,
        jobs: Sequence[Job],
        progress: Callable[[int, Mapping[str, Any]], None] = lambda index, values: None,
        finished: Callable[[int, Reply], None] = lambda index, reply: None,
    ) -> list[Reply]:
        """The replies in the order of the jobs. `progress` and `finished` hear of each job, by index, as it happens.

        Raises UserError when a worker meets bad input.
        """
        replies: dict[int, Reply] = {}
        tries = [0] * len(jobs)
        waiting = deque(range(len(jobs)))
        ahead = deque(index for index, job in enumerate(jobs) if job.operation in AHEAD)

        def settle(worker: _Worker, index: int, reply: Reply) -> None:
            if worker in self._compilers:
                return  # the worker that takes the job will find the same fault
            tries[index] += 1
            if reply.status == "user":
                raise UserError(reply.message)
            if reply.status == "memory" and worker.served > 1:
                worker.kill()  # what earlier jobs left in the process must not decide: once more in a fresh one
                waiting.appendleft(index)
            elif reply.status in RETRIED and tries[index] < TRIES:
                waiting.appendleft(index)
            else:
                replies[index] = reply
                finished(index, reply)

        while len(replies) < len(jobs):
            for worker in self._workers:
                if waiting and worker.job is None:
                    index = waiting.popleft()
                    worker.take(index, jobs[index])
            for compiler in self._compilers:
                while ahead and compiler.job is None:
                    index = ahead.popleft()
                    if index in waiting:
                        compiler.take(index, replace(jobs[index], operation=AHEAD[jobs[index].operation]))
            self._listen(progress, settle)
        return [replies[index] for index in range(len(jobs))]

    def _listen(
        self, progress: Callable[[int, Mapping[str, Any]], None], settle: Callable[[_Worker, int, Reply], None]
    ) -> None:
        """Wait until some worker says something or reaches its deadline, and deal with that."""
        busy = [worker for worker in (*self._workers, *self._compilers) if worker.job is not None]
        with selectors.DefaultSelector() as selector:
            for worker in busy:
                selector.register(worker.output, selectors.EVENT_READ, worker)
            nearest = min(worker.deadline for worker in busy)
            ready = {key.data for key, _ in selector.select(max(0.0, nearest - time.monotonic()))}
        for worker in busy:
            assert worker.job is not None
            index = worker.job[0]
            messages = worker.read() if worker in ready else []
            for message in messages or ():
                if message.get("id") != worker.message_id:
                    continue
                if "progress" in message:
                    progress(index, message["progress"])
                else:
                    worker.job = None
                    failure = message.get("failure")
                    if message.get("kept", 0) > KEPT * worker.limit:
                        worker.kill()  # pieces that the allocator keeps would crowd out a later candidate
                    settle(worker, index, Reply(**failure) if failure else Reply("ok", message["value"]))
            if worker.job is None:
                continue
            if messages is None:
                settle(worker, index, worker.bury())
            elif time.monotonic() >= worker.deadline:
                settle(worker, index, worker.expire())


class _Worker:
    """One process, started again after every death. `job` is (index, job) while it works, `served` counts its jobs."""

    def __init__(self, setting: Setting, placement: Placement, log: Path) -> None:
        self._setting, self._placement, self._log = setting, placement, log
        self.limit = int(setting.memory_limit * 2**30)
        self.job: tuple[int, Job] | None = None
        self.message_id = 0
        self.deadline = 0.0
        self._start()

    def _start(self) -> None:
        setting, limit = self._setting, self.limit
        environment = {**setting.environment, **self._placement.environment}
        cache = Path(environment["JNAS_CACHE"])
        cache.mkdir(parents=True, exist_ok=True)
        with open(self._log, "ab") as log:
            self._log_start = log.tell()
            self._child = Confined(
                [*setting.command, str(limit)],
                env=environment,
                stderr=log,
                readable=setting.readable,
                writable=(cache, *setting.writable),
                network=setting.network,
                memory=limit,
                cores=self._placement.cores,
            )
        self.output = self._child.stdout.fileno()
        self._buffer = b""
        self._ready = False
        self.served = 0

    def take(self, index: int, job: Job) -> None:
        if self._child.process.poll() is not None:
            self.kill()
            self._start()
        self.job = (index, job)
        self.served += 1
        self.message_id += 1
        self._log_start = self._log.stat().st_size
        if self._log_start > LARGEST_LOG:
            os.truncate(self._log, 0)
            self._log_start = 0
        self._allow(job.time_limit if self._ready else START_LIMIT)
        line = json.dumps({"id": self.message_id, "operation": job.operation, "arguments": dict(job.arguments)})
        with suppress(BrokenPipeError):  # it died this moment; its closed output says so at the next read
            self._child.stdin.write(line.encode() + b"\n")
            self._child.stdin.flush()

    def read(self) -> list[Mapping[str, Any]] | None:
        """What has arrived, as whole messages; None when the process is gone or no longer speaks the protocol."""
        data = os.read(self.output, 2**20)
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if not data or len(self._buffer) > LARGEST_REPLY:
            return None
        try:
            messages = [json.loads(line) for line in lines]
        except ValueError:
            return None
        if not self._ready and messages:
            assert self.job is not None
            self._ready = True
            self._allow(self.job[1].time_limit)
        return messages

    def _allow(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self._child.allow(seconds)

    def bury(self) -> Reply:
        """After its output ended: name the cause as far as it left one."""
        assert self.job is not None
        job = self.job[1]
        too_long = len(self._buffer) > LARGEST_REPLY
        code = self.kill()
        tail = self._tail()
        last = tail.strip().splitlines()[-1][:300] if tail.strip() else "no log"
        if code == EXPIRED:
            return self._late(job)
        if too_long:
            return Reply("error", message=f"the reply exceeded {LARGEST_REPLY} bytes")
        if code == OVERGROWN or any(phrase in tail for phrase in OUT_OF_MEMORY):
            return Reply("memory", message=f"over the memory limit: {last}")
        status = "lost" if self._ready else "infrastructure"
        return Reply(status, message=f"the worker ended ({_death(code)}): {last}")

    def expire(self) -> Reply:
        assert self.job is not None
        job = self.job[1]
        self.kill()
        return self._late(job)

    def _late(self, job: Job) -> Reply:
        if self._ready:
            return Reply("time", message=f"over the time limit of {job.time_limit:g} s")
        return Reply("infrastructure", message=f"the worker did not start within {START_LIMIT:g} s; see {self._log}")

    def kill(self) -> int:
        """End the process and all that it started; its exit code."""
        self.job = None
        return self._child.kill()

    def _tail(self) -> str:
        with open(self._log, "rb") as log:
            log.seek(self._log_start)
            return log.read()[-LOG_TAIL:].decode(errors="replace")


def small_environment(source: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a worker sees of the environment."""
    source = os.environ if source is None else source
    kept = {
        name: value for name, value in source.items() if name in ENVIRONMENT or name.startswith(ENVIRONMENT_PREFIXES)
    }
    here = str(Path(jnas.__file__).resolve().parents[1])
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (here, kept.get("PYTHONPATH"))))
    return {**HUGE_PAGES, **kept, "JNAS_CACHE": str(default_cache()), "PYTHONHASHSEED": "0"}


def _death(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
