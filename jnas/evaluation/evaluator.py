"""Trees in, verdict material and results out: what the search asks of the pool, as jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from jnas.evaluation.inspection import inspection
from jnas.evaluation.outcomes import Result
from jnas.evaluation.pool import Job, Pool, Reply
from jnas.evaluation.ray_pool import RayPool
from jnas.library.store import Library
from jnas.models.build import BuildError
from jnas.models.costs import Unmeasured
from jnas.runs.configuration import Configuration, EvaluationSettings, FinalSettings
from jnas.runs.randomness import folded_seed
from jnas.training.fidelity import rung_file, survivors
from jnas.training.recipe_files import recipe
from jnas.trees.node import Node, to_json

Progress = Callable[[int, Mapping[str, Any]], None]


@dataclass(frozen=True)
class LongTraining:
    """Of a stored tree. On "validation" without its images, on "test" with them; the end state is kept in `weights`."""

    number: int
    tree: Mapping[str, Any]
    seed: int
    split: str
    weights: Path | None = None


@dataclass(frozen=True)
class Evaluator:
    """A pool of workers and everything about the run that a worker has to know."""

    pool: Pool | RayPool
    configuration: Configuration
    libraries: Sequence[Path]
    shape: tuple[int, int, int]
    classes: int
    library: Library

    def inspect(self, tree: Node) -> Reply:
        """Abstract execution; the value is that of `inspection`. A worker is asked where mined code has to run."""
        settings = self.configuration.evaluation
        batch = recipe(settings.recipe).batch_size
        try:
            return Reply("ok", inspection(tree, self.library, self.shape, self.classes, batch, execute=False))
        except BuildError as error:
            return Reply(error.reason, message=str(error))
        except Unmeasured:
            pass
        extra = {"shape": self.shape, "classes": self.classes}
        (reply,) = self.pool.run([self._job("inspect", to_json(tree), settings, extra)])
        return reply

    def train(
        self, trees: Sequence[Mapping[str, Any]], progress: Progress, finished: Callable[[int, Result], None]
    ) -> None:
        """Short trainings of stored trees, scored on validation; `progress` and `finished` hear of them by index.

        All take the same seed, so that what two trees share starts equal and sees the images in the same order.
        """
        seed = folded_seed(self.configuration.search.seed, "training") % 2**31
        extra = {"seed": seed, "score_on": "validation"}
        settings = self.configuration.evaluation
        jobs = [self._job("train", tree, settings, extra) for tree in trees]
        if settings.rungs:
            self._train_by_rungs(jobs, progress, finished)
        else:
            self.pool.run(jobs, progress, lambda index, reply: finished(index, _result(reply)))

    def _train_by_rungs(self, jobs: Sequence[Job], progress: Progress, finished: Callable[[int, Result], None]) -> None:
        """Results are told when the last rung is done: whoever stays depends on all, also after a restart."""
        settings = self.configuration.evaluation
        open_, results = list(range(len(jobs))), [Result("lost")] * len(jobs)
        for rung in settings.rungs:
            here = [replace(jobs[i], arguments=_rung(jobs[i].arguments, rung)) for i in open_]

            def done(place: int, reply: Reply, indices: Sequence[int] = tuple(open_)) -> None:
                results[indices[place]] = _result(reply)

            self.pool.run(here, lambda place, values, indices=tuple(open_): progress(indices[place], values), done)
            kept = survivors([results[i].accuracy for i in open_], settings.keep)
            open_ = [open_[place] for place in kept]
        for index, job in enumerate(jobs):
            finished(index, results[index])
            rung_file(job.arguments).remove()

    def train_longer(
        self, trainings: Sequence[LongTraining], progress: Progress, finished: Callable[[int, Result], None]
    ) -> None:
        """Trainings by the final recipe."""
        jobs = []
        for training in trainings:
            weights = None if training.weights is None else str(training.weights.resolve())
            extra = {"seed": training.seed, "score_on": training.split, "weights": weights}
            jobs.append(self._job("train", training.tree, self.configuration.final, extra))
        self.pool.run(jobs, progress, lambda index, reply: finished(index, _result(reply)))

    def _job(
        self,
        operation: str,
        tree: Mapping[str, Any],
        settings: EvaluationSettings | FinalSettings,
        extra: Mapping[str, Any],
    ) -> Job:
        arguments = {
            "tree": tree,
            "libraries": [str(folder) for folder in self.libraries],
            "dataset": asdict(self.configuration.dataset),
            "recipe": asdict(recipe(settings.recipe, _epochs(settings))),
            **extra,
        }
        return Job(operation, arguments, settings.time_limit)


def _epochs(settings: EvaluationSettings | FinalSettings) -> int | None:
    """Of the whole schedule: by rungs, those of the last."""
    if isinstance(settings, EvaluationSettings) and settings.rungs:
        return settings.rungs[-1]
    return settings.epochs


def _rung(arguments: Mapping[str, Any], epochs: int) -> dict[str, Any]:
    return {**arguments, "rung": {"epochs": epochs, "of": arguments}}


def _result(reply: Reply) -> Result:
    if reply.status == "ok":
        return Result.from_plain(reply.value)
    return Result(status=reply.status, message=reply.message)
