"""Candidates on a Ray cluster of this machine: what more workers bring, what the walls cost, what a lost node costs.

An evaluation sleeps, so that workers do not compete for cores and many fit on a small machine.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jnas.benchmarks.rows import Row
from jnas.evaluation.pool import Job, Pool, Reply, Setting
from jnas.evaluation.ray_pool import RayPool
from jnas.evaluation.worker import main
from translators.diagnostics import UserError

WORKERS = (1, 2, 4, 8)
SECONDS = 2.0  # of an evaluation
ROUNDS = 4  # evaluations of each worker
EMPTY = 20  # evaluations that do nothing
LIMIT = 120.0  # seconds of a job
NODE = 2  # workers of each of the two nodes of which one is lost
LINEAR, ISOLATION_SECONDS = 0.9, 0.3


def measure() -> Sequence[Row]:
    """Rows of throughput and overhead. Raises UserError where Ray is not installed."""
    with tempfile.TemporaryDirectory(prefix="jnas-scale-") as folder:
        return [*_throughput(), *_isolation(Path(folder)), *_lost_node(Path(folder))]


def _throughput() -> Iterator[Row]:
    """Evaluations a second of clusters with so many cores, one evaluation on each; all of them warm."""
    single = 0.0
    for workers in WORKERS:
        jobs = [Job("sleep", {"x": x, "seconds": SECONDS}, LIMIT) for x in range(ROUNDS * workers)]
        with _cluster(workers) as cluster, RayPool(workers, _setting(), cluster.address) as pool:
            pool.run(jobs[: 2 * workers])
            throughput = len(jobs) / _timed(pool.run, jobs)
        single = single or throughput
        note = f"{throughput:.2f} evaluations of {SECONDS:g} s a second, {throughput * SECONDS / workers:.2f} of ideal"
        low = LINEAR if workers > 1 else None
        yield Row(f"{workers} workers: share of linear", throughput / (workers * single), low=low, note=note)


def _isolation(folder: Path) -> Iterator[Row]:
    """Seconds of an evaluation that does nothing, in a warm process behind its walls."""
    job = Job("sleep", {"x": 0, "seconds": 0.0}, LIMIT)
    with Pool(1, _setting(), folder) as pool:
        yield _overhead("isolation, warm", pool.run, job)
    with _cluster(1) as cluster, RayPool(1, _setting(), cluster.address) as ray_pool:
        yield _overhead("isolation and Ray, warm", ray_pool.run, job)


def _overhead(name: str, run: Callable[[Sequence[Job]], Any], job: Job) -> Row:
    run([job, job])
    seconds = [_timed(run, [job]) for _ in range(EMPTY)]
    note = f"median of {EMPTY}, longest {max(seconds):.3f}"
    return Row(name, statistics.median(seconds), "s", high=ISOLATION_SECONDS, note=note)


def _lost_node(folder: Path) -> Iterator[Row]:
    """A node is killed when half of the evaluations have ended: what runs again, and whether the replies differ."""
    runs = folder / "runs"
    runs.mkdir()
    arguments = {"seconds": SECONDS, "runs": str(runs)}
    jobs = [Job("sleep", {**arguments, "x": x}, LIMIT) for x in range(2 * ROUNDS * NODE)]
    with Pool(2 * NODE, _setting(), folder) as local:
        expected = local.run([Job("sleep", {"x": job.arguments["x"], "seconds": 0.0}, LIMIT) for job in jobs])
    with _cluster(NODE) as cluster:
        nodes, ended = [cluster.add_node(num_cpus=NODE)], list[int]()

        def finished(index: int, reply: Reply) -> None:
            ended.append(index)
            if nodes and 2 * len(ended) >= len(jobs):
                cluster.remove_node(nodes.pop(), allow_graceful=False)

        with RayPool(2 * NODE, _setting(str(runs)), cluster.address) as pool:
            replies = pool.run(jobs, finished=finished)
    wrong = sum(reply != other for reply, other in zip(replies, expected, strict=True))
    again = len(list(runs.iterdir())) - len(jobs)
    yield Row("node lost: evaluations run again", again, high=NODE, note=f"{NODE} of {len(jobs)} ran on it")
    yield Row("node lost: replies unlike those of one machine", wrong, high=0, note="by slot, as the archive has them")


@contextmanager
def _cluster(cores: int) -> Iterator[Any]:
    try:
        from ray.cluster_utils import Cluster
    except ImportError:
        raise UserError('benchmark scale: Ray is not installed; pip install "jnas[ray]"') from None
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cores})
    try:
        yield cluster
    finally:
        cluster.shutdown()


def _setting(*writable: str) -> Setting:
    return Setting(1, writable=writable, command=(sys.executable, "-m", "jnas.benchmarks.scale"))


def _timed(run: Callable[[Sequence[Job]], Any], jobs: Sequence[Job]) -> float:
    """Seconds."""
    started = time.perf_counter()
    run(jobs)
    return time.perf_counter() - started


def sleep(arguments: Mapping[str, Any], progress: Callable[..., None]) -> int:
    """An evaluation: its number squared after so many seconds, and a file for each time that it ran."""
    if arguments.get("runs"):
        (Path(arguments["runs"]) / f"{arguments['x']}-{uuid.uuid4().hex}").touch()
    time.sleep(arguments["seconds"])
    return arguments["x"] ** 2


if __name__ == "__main__":  # what a worker of this benchmark starts with
    main({"sleep": sleep})
