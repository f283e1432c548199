"""Successive halving within a round, over a pool that trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from jnas.evaluation.evaluator import Evaluator
from jnas.evaluation.operations import proxy, train
from jnas.evaluation.outcomes import Result
from jnas.evaluation.pool import Job, Reply
from jnas.library.store import open_library
from jnas.runs.configuration import from_plain
from jnas.training.proxies import PROXIES
from jnas.trees.node import Node, network, to_json
from translators.diagnostics import UserError

ACCURACY = {"bad": 0.1, "middle": 0.5, "good": 0.9}


class Recording:
    """A pool whose trees are names; the accuracy of each is known and grows with the epochs."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def run(self, jobs: Sequence[Job], progress: Callable) -> list[Reply]:
        replies = []
        for index, job in enumerate(jobs):
            name, epochs = str(job.arguments["tree"]), job.arguments["rung"]["epochs"]
            assert job.arguments["rung"]["of"]["recipe"]["epochs"] == 9
            self.asked.append((name, epochs))
            progress(index, {"epoch": epochs, "epochs": 9, "loss": 1.0})
            replies.append(Reply("ok", Result("ok", ACCURACY[name] + epochs / 100).to_plain()))
        return replies


def evaluator(pool: Any, **settings: Any) -> Evaluator:
    configuration = from_plain({"evaluation": settings}, "test")
    return Evaluator(pool, configuration, (), (1, 28, 28), 10, open_library())


def test_the_best_of_a_round_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path))
    pool, told, seen = Recording(), {}, []
    settings = evaluator(pool, rungs=[1, 3, 9], keep=0.5)
    trees: list[Any] = ["bad", "good", "middle"]
    settings.train(trees, lambda index, values: seen.append((index, values["epoch"])), told.__setitem__)
    first, second = [("bad", 1), ("good", 1), ("middle", 1)], [("good", 3), ("middle", 3)]
    assert pool.asked == [*first, *second, ("good", 9)]
    assert seen == [(0, 1), (1, 1), (2, 1), (1, 3), (2, 3), (1, 9)]
    assert {index: result.accuracy for index, result in told.items()} == pytest.approx({0: 0.11, 1: 0.99, 2: 0.53})


def test_a_worker_goes_on_from_the_rung_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path))
    monkeypatch.setattr("jnas.evaluation.operations.enable_compilation_cache", lambda folder: None)
    steps: list[float] = []

    class Here:
        def run(self, jobs: Sequence[Job], progress: Callable) -> list[Reply]:
            return [Reply("ok", train(job.arguments, lambda **values: steps.append(values["epoch"]))) for job in jobs]

    told: dict[int, Result] = {}
    tree = to_json(network(Node("jnas.ConvNormAct", {"out_channels": 4, "stride": 2}), [Node("jnas.MaxPool")]))
    plain: Mapping[str, Any] = {"evaluation": {"rungs": [1, 2]}, "dataset": {"validation": 4800}}
    by_rungs = Evaluator(Here(), from_plain(plain, "test"), (), (1, 28, 28), 10, open_library())  # type: ignore[arg-type]
    by_rungs.train([tree], lambda *_: None, told.__setitem__)
    assert steps == sorted(set(steps)) and steps[-1] == 2
    assert [point["epoch"] for point in told[0].curve] == [0, 1]
    assert not list((tmp_path / "rungs").iterdir())


def test_a_proxy_lets_only_the_best_of_a_round_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path))
    asked: list[tuple[str, str]] = []

    class Here:
        def run(self, jobs: Sequence[Job], progress: Callable) -> list[Reply]:
            replies = []
            for job in jobs:
                name = str(job.arguments["tree"])
                asked.append((job.operation, name))
                value = Result("ok", 0.5).to_plain() if job.operation == "train" else 100 * ACCURACY[name]
                replies.append(Reply("ok", value) if name != "bad" else Reply("memory", message="too large"))
            return replies

    told: dict[int, Result] = {}
    trees: list[Any] = ["bad", "good", "middle"]
    evaluator(Here(), prefilter="parameters").train(trees, lambda *_: None, told.__setitem__)
    assert asked == [("proxy", "bad"), ("proxy", "good"), ("proxy", "middle"), ("train", "good")]
    assert [told[index].status for index in range(3)] == ["memory", "ok", "filtered"]
    assert told[2].message == "parameters 50, below others of its round"


@pytest.mark.parametrize("name", PROXIES)
def test_a_worker_knows_every_proxy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path))
    monkeypatch.setattr("jnas.evaluation.operations.enable_compilation_cache", lambda folder: None)
    values = []
    for width in (4, 16):
        tree = to_json(network(Node("jnas.ConvNormAct", {"out_channels": width, "stride": 2}), [Node("jnas.MaxPool")]))
        job = evaluator(None)._job("proxy", tree, evaluator(None).configuration.evaluation, {"seed": 0, "proxy": name})
        values.append(proxy(job.arguments, lambda **_: None))
    assert values[0] < values[1]


@pytest.mark.parametrize("rungs", [[3, 1], [1, 1], [0, 2]])
def test_rungs_that_do_not_rise_are_refused(rungs: list[int]) -> None:
    from jnas.searching.preparation import check_names

    with pytest.raises(UserError, match=r"evaluation\.rungs = .*expected numbers of epochs that rise"):
        check_names(from_plain({"evaluation": {"rungs": rungs}}, "test"))
