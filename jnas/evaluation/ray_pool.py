"""Candidates as tasks of a Ray cluster: one a task, inside the same walls as on one machine, with the same results.

A node needs jnas and its packages, and the data by path; the library goes to it with the first task, and weights come
back with the reply. A task whose node or process is lost runs again elsewhere.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Self

import jnas
from jnas.evaluation.outcomes import RETRIED
from jnas.evaluation.placement import tpu_chips
from jnas.evaluation.pool import TRIES, Job, Pool, Reply, Setting, small_environment
from jnas.library.store import default_cache
from translators.diagnostics import UserError

JOIN_SECONDS = 60


class RayPool:
    """As many tasks at a time as there are `workers`; a context manager that leaves the cluster.

    `address` as Ray knows it, "auto" for the cluster that this machine belongs to, "" for one of this machine alone.
    Raises UserError where Ray is not installed or does not answer.
    """

    def __init__(self, workers: int, setting: Setting, address: str) -> None:
        try:
            import ray
        except ImportError:
            raise UserError('search.pool = ray: Ray is not installed; pip install "jnas[ray]"') from None
        here = str(Path(jnas.__file__).resolve().parents[1])
        joining = {"address": address} if address else {"include_dashboard": False, "num_cpus": os.cpu_count()}
        try:
            ray.init(**joining, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": here}})  # type: ignore[arg-type]
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"search.pool = ray:{address}: no cluster answers ({reason}); give ray:HOST:6379") from None
        self._ray, self._workers, self._setting = ray, workers, setting
        self._libraries: dict[str, Any] = {}
        needs: dict[str, Any] = {"num_cpus": setting.cores or 1, "max_retries": 0}
        kinds = ray.cluster_resources()
        if kinds.get("TPU"):
            needs["resources"] = {"TPU": 1}
        elif kinds.get("GPU"):
            needs["num_gpus"] = 1
        self._evaluate = ray.remote(**needs)(evaluate)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what still runs and leave the cluster."""
        self._ray.shutdown()

    def run(
        self,
        jobs: Sequence[Job],
        progress: Callable[[int, Mapping[str, Any]], None] = lambda index, values: None,
        finished: Callable[[int, Reply], None] = lambda index, reply: None,
    ) -> list[Reply]:
        """As `Pool.run`; `progress` hears nothing, for the epochs of a task stay where it runs."""
        replies: dict[int, Reply] = {}
        tries = [0] * len(jobs)
        waiting, running = deque(range(len(jobs))), dict[Any, int]()
        while len(replies) < len(jobs):
            while waiting and len(running) < self._workers:
                index = waiting.popleft()
                running[self._submit(jobs[index])] = index
            for task in self._ray.wait(list(running), num_returns=1)[0]:
                index = running.pop(task)
                reply = self._reply(task, jobs[index])
                tries[index] += 1
                if reply.status == "user":
                    raise UserError(reply.message)
                if reply.status in RETRIED and tries[index] < TRIES:
                    waiting.appendleft(index)
                else:
                    replies[index] = reply
                    finished(index, reply)
        return [replies[index] for index in range(len(jobs))]

    def _submit(self, job: Job) -> Any:
        folders = job.arguments.get("libraries", ())
        for folder in folders:
            if folder not in self._libraries:
                self._libraries[folder] = self._ray.put(packed(Path(folder)))
        return self._evaluate.remote(self._setting, job, *(self._libraries[folder] for folder in folders))

    def _reply(self, task: Any, job: Job) -> Reply:
        try:
            reply, weights = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            return Reply("lost", message=f"{type(error).__name__}: {str(error).strip().splitlines()[0][:300]}")
        if weights is not None:
            unpack(weights, Path(job.arguments["weights"]))
        return reply


def evaluate(setting: Setting, job: Job, *libraries: bytes) -> tuple[Reply, bytes | None]:
    """On a node: the reply to a job, by a warm worker of this process, and the weights that it left."""
    arguments = dict(job.arguments)
    if libraries:
        arguments["libraries"] = [
            _at_hand(folder, content) for folder, content in zip(arguments["libraries"], libraries)
        ]
    setting = replace(setting, environment=small_environment(), network=setting.network or bool(tpu_chips()))
    with _scratch(arguments) as weights:
        try:
            (reply,) = _pool(setting, os.environ.get("CUDA_VISIBLE_DEVICES")).run([replace(job, arguments=arguments)])
        except UserError as error:
            return Reply("user", message=str(error)), None
        return reply, packed(weights) if weights is not None and weights.is_dir() else None


def _at_hand(folder: str, content: bytes) -> str:
    """The folder of a library on this node: the same one where files are shared, else a copy in the cache."""
    if Path(folder).is_dir():
        return folder
    copy = default_cache() / "libraries" / Path(folder).name
    if not copy.is_dir():
        unpack(content, copy)
    return str(copy)


@contextmanager
def _scratch(arguments: dict[str, Any]) -> Iterator[Path | None]:
    """A place of this node for the weights that a job is asked to leave, if it is."""
    if not arguments.get("weights"):
        yield None
        return
    default_cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="weights-", dir=default_cache()) as folder:
        arguments["weights"] = str(Path(folder) / "state")
        yield Path(arguments["weights"])


def packed(folder: Path) -> bytes:
    """A folder as the bytes of an archive."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", compresslevel=1) as archive:
        archive.add(folder, arcname=".")
    return content.getvalue()


def unpack(content: bytes, folder: Path) -> None:
    """The folder of `packed`, whole or not at all; it replaces one that is there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(unfinished, filter="data")
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@cache
def _place() -> Path:
    logs = default_cache() / "logs" / f"ray-{os.getpid()}"
    logs.mkdir(parents=True, exist_ok=True)
    return logs


_pools: dict[str, Pool] = {}


def _pool(setting: Setting, devices: str | None) -> Pool:
    """One warm worker for each setting that this process has served."""
    key = repr((setting, devices))
    if key not in _pools:
        _pools[key] = Pool(1, setting, _place(), first=os.getpid())
    return _pools[key]
