"""What was compiled ahead is what a training finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from jnas.evaluation.evaluator import Evaluator
from jnas.evaluation.outcomes import Result
from jnas.evaluation.pool import AHEAD, Job, Pool, Reply, Setting
from jnas.library.store import open_library
from jnas.runs.configuration import from_plain
from jnas.trees.node import to_json
from jnas.trees.starts import START_TREES


class Twice:
    """Compiles ahead in one process; another one trains."""

    def __init__(self, cache: Path) -> None:
        self.cache, self.files = cache, list[set[str]]()

    def run(self, jobs: Sequence[Job], progress: Any, finished: Any) -> list[Reply]:
        (job,) = jobs
        for operation in (AHEAD[job.operation], job.operation):
            with Pool(1, Setting(4), self.cache) as pool:
                (reply,) = pool.run([Job(operation, job.arguments, job.time_limit)])
            self.files.append({path.name for path in self.cache.glob("compiled/*-cache")})
        finished(0, reply)
        return [reply]


def test_a_training_compiles_nothing_that_was_compiled_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path))
    told: dict[int, Result] = {}
    pool: Any = Twice(tmp_path)
    configuration = from_plain({"dataset": {"validation": 4800}, "evaluation": {"epochs": 1}}, "test")
    evaluator = Evaluator(pool, configuration, (), (1, 28, 28), 10, open_library())
    evaluator.train([to_json(START_TREES["resnet8"]())], lambda *_: None, told.__setitem__)
    assert told[0].status == "ok"
    before, after = pool.files
    assert before and after == before
