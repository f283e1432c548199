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
from jnas.training.recipes import Recipe
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
        if settings.rungs or settings.prefilter:
            self._train_in_stages(jobs, progress, finished)
        else:
            self.pool.run(jobs, progress, lambda index, reply: finished(index, _result(reply)))

    def _train_in_stages(
        self, jobs: Sequence[Job], progress: Progress, finished: Callable[[int, Result], None]
    ) -> None:
        """A proxy and rungs, each passed by the best share of those who came to it.

        Results are told when the last stage is done: whoever stays depends on all, also after a restart.
        """
        settings = self.configuration.evaluation
        open_, results = list(range(len(jobs))), [Result("lost")] * len(jobs)
        for rung in (*((0,) if settings.prefilter else ()), *(settings.rungs or (_schedule(settings).epochs,))):
            here = [_rung(jobs[i], rung) if rung else _proxied(jobs[i], settings.prefilter) for i in open_]
            replies = self.pool.run(here, _renumbered(progress, open_))
            scores: list[float | None] = []
            for index, reply in zip(open_, replies, strict=True):
                if rung or reply.status != "ok":
                    results[index] = _result(reply)
                    scores.append(results[index].accuracy)
                else:
                    message = f"{settings.prefilter} {reply.value:.5g}, below others of its round"
                    results[index] = Result("filtered", message=message)
                    scores.append(reply.value)
            open_ = [open_[place] for place in survivors(scores, settings.keep)]
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
            "recipe": asdict(_schedule(settings)),
            **extra,
        }
        return Job(operation, arguments, settings.time_limit)


def _schedule(settings: EvaluationSettings | FinalSettings) -> Recipe:
    """Of the whole training: by rungs, the epochs of the last."""
    rungs = settings.rungs if isinstance(settings, EvaluationSettings) else ()
    return recipe(settings.recipe, rungs[-1] if rungs else settings.epochs)


def _renumbered(progress: Progress, indices: Sequence[int]) -> Progress:
    return lambda place, values: progress(indices[place], values)


def _rung(job: Job, epochs: int) -> Job:
    return replace(job, arguments={**job.arguments, "rung": {"epochs": epochs, "of": job.arguments}})


def _proxied(job: Job, proxy: str) -> Job:
    return replace(job, operation="proxy", arguments={**job.arguments, "proxy": proxy})


def _result(reply: Reply) -> Result:
    if reply.status == "ok":
        return Result.from_plain(reply.value)
    return Result(status=reply.status, message=reply.message)
