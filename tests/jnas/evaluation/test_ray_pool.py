"""Candidates on a cluster of two nodes, one of which is lost in the middle."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from jnas.evaluation.pool import Job, Pool, Setting
from jnas.evaluation.ray_pool import RayPool, packed, unpack
from translators.diagnostics import UserError

WORKER = """
import os, time
from pathlib import Path
from jnas.evaluation.worker import main

def square(arguments, progress):
    time.sleep(arguments.get("seconds", 0))
    if arguments.get("weights"):
        Path(arguments["weights"]).mkdir()
        (Path(arguments["weights"]) / "state").write_text("w")
    seen = [(Path(folder) / "library.json").read_text() for folder in arguments.get("libraries", ())]
    return [arguments["x"] ** 2, *seen]

def crash(arguments, progress):
    os._exit(3)

main({"square": square, "crash": crash})
"""
SETTING = Setting(1, command=(sys.executable, "-c", WORKER))
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray")


def test_a_folder_travels_whole(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_text("text")
    (tmp_path / "there").mkdir()
    unpack(packed(tmp_path / "a"), tmp_path / "there")
    assert (tmp_path / "there" / "b" / "file").read_text() == "text"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "there"]


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="ray is there")
def test_without_ray_the_way_to_it_is_told() -> None:
    with pytest.raises(UserError, match=r'pip install "jnas\[ray\]"'):
        RayPool(1, SETTING, "")


@needs_ray
@pytest.mark.slow
def test_a_lost_node_costs_its_tasks_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the replies are those of a pool of this machine; the library went along, the weights came back."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("JNAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    library, weights = tmp_path / "library", tmp_path / "weights"
    library.mkdir()
    (library / "library.json").write_text("of blocks")
    jobs = [Job("square", {"x": x, "seconds": 1, "libraries": [str(library)]}, 60) for x in range(8)]
    jobs += [Job("square", {"x": 9, "weights": str(weights)}, 60), Job("crash", {}, 60)]
    (tmp_path / "logs").mkdir()
    with Pool(2, SETTING, tmp_path / "logs") as pool:
        expected = pool.run([Job(job.operation, {**job.arguments, "weights": None}, 60) for job in jobs])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    try:
        lost = cluster.add_node(num_cpus=2)
        with RayPool(4, SETTING, cluster.address) as pool:
            replies = pool.run(jobs, finished=lambda index, reply: _lose(cluster, lost))
    finally:
        cluster.shutdown()
    assert [(reply.status, reply.value) for reply in replies] == [(reply.status, reply.value) for reply in expected]
    assert (weights / "state").read_text() == "w"


def _lose(cluster, node) -> None:
    if node in cluster.worker_nodes:
        cluster.remove_node(node, allow_graceful=False)
