"""Training: the programs of a network run over the epochs of a recipe, measured, kept and continued."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jnas.training.batches import Batches, epoch_batches, evaluation_batches, for_seeds
from jnas.training.data import Dataset
from jnas.training.examples import Split, joined
from jnas.training.feeding import Feed
from jnas.training.programs import Programs
from jnas.training.recipes import Recipe
from jnas.training.sharding import data_mesh
from jnas.training.snapshots import Course, EpochMetrics, Snapshot, Snapshots
from translators.diagnostics import UserError
from translators.runtime.module import Module
from translators.runtime.state import state_dict

Progress = Callable[[int, int, int, float], None]  # epoch, step, steps in all, loss


@dataclass(frozen=True)
class Fit:
    """The outcome of a training: `accuracy` (0 to 1) and `loss` on the scored images after the last epoch.

    `status` is "nan" where the loss stopped being a number, "diverged" where it stayed above that of guessing for
    long; then there is no score. `state` holds the weights under PyTorch's names. Seconds are sums over all processes
    that took part. `latency`: seconds per image in the fastest scoring of all, reading the images included.
    """

    status: str
    accuracy: float | None
    loss: float | None
    curve: tuple[EpochMetrics, ...]
    seconds_compile: float
    seconds_train: float
    state: dict[str, np.ndarray] = field(repr=False)
    latency: float | None = None


def enable_compilation_cache(folder: Path) -> None:
    """Keep compiled programs in `folder`, so that later processes need not compile them again. Raises UserError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}); set JNAS_CACHE to a folder of yours") from None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def fit(model: Module, dataset: Dataset, recipe: Recipe, *, seed: int, **options: Any) -> Fit:
    """Trains `model` in place and scores it after the last epoch; the options are those of `fit_seeds`."""
    (fitted,) = fit_seeds([model], dataset, recipe, seeds=[seed], **options)
    return fitted


def fit_seeds(
    models: Sequence[Module],
    dataset: Dataset,
    recipe: Recipe,
    *,
    seeds: Sequence[int],
    score_on: str = "validation",
    devices: int | None = None,
    progress: Progress | None = None,
    snapshots: Snapshots | None = None,
    save_every: float = 1.0,
    epochs: int | None = None,
) -> tuple[Fit, ...]:
    """Trains models of one tree in place, one for each seed, as one program; on CPU that is slower than one by one.

    `score_on="validation"` trains on the training images and scores every epoch; `score_on="test"` trains on those held
    out as well and scores the test images once. The same seed gives the same curve, bit for bit, on the same machine.
    With `snapshots` the training goes on from the newest and is saved after every `save_every` epochs and at its end,
    which comes after `epochs`; the recipe's schedule is the same for any number of them, and with 0 nothing is trained:
    the programs are compiled, into the cache where there is one.
    """
    train, scored = _splits(dataset, score_on)
    mesh = data_mesh(recipe.batch_size, devices)
    steps = len(train) // recipe.batch_size
    if not steps:
        raise UserError(
            f"batch_size = {recipe.batch_size}: more than the {len(train)} training images; choose a smaller one"
        )
    total = recipe.epochs * steps
    last = recipe.epochs if epochs is None else min(epochs, recipe.epochs)
    interval = min(steps, max(1, round(save_every * steps)))

    started = time.perf_counter()
    programs = Programs(models, dataset, recipe, mesh)
    carry, course = programs.start(), Course.begin(len(seeds))
    found = snapshots.load(carry) if snapshots else None
    if found:
        carry, course = found.carry, found.course
    feed, scored_feed = Feed(programs, train), Feed(programs, scored)
    constants = programs.constants(seeds)
    rates = recipe.learning_rates(steps)
    evaluation = evaluation_batches(len(scored), recipe.batch_size)

    def batches(epoch: int) -> Batches:
        return for_seeds([epoch_batches(train, recipe, rates, seed, epoch) for seed in seeds])

    trains = course.epoch < last or not last
    programs.compile(
        carry,
        constants,
        train=(feed.data, feed.first(batches(0), interval)) if trains else None,
        score=(scored_feed.data, scored_feed.first(evaluation)),
    )
    course.seconds_compile += time.perf_counter() - started

    chance, patience = math.log(dataset.classes), max(LEAST_PATIENCE, math.ceil(PATIENCE * total))
    while course.epoch < last and "ok" in course.statuses:
        epoch, started, before = course.epoch, time.perf_counter(), course.seconds
        for batch in feed.chunks(batches(epoch), len(course.losses), interval):
            carry, metrics = programs.train(carry, feed.data, batch, constants)
            _record(course, metrics, chance, patience)
            course.seconds = before + time.perf_counter() - started
            done = len(course.losses)
            if "ok" not in course.statuses:
                break
            if progress:
                progress(epoch, epoch * steps + done, total, float(np.nanmean(course.losses[-1])))
            if snapshots and done % interval == 0 and done < steps:
                snapshots.save(Snapshot(carry, course))
        scores: list[tuple[float, float]] | None = None
        if "ok" in course.statuses and (score_on == "validation" or epoch == recipe.epochs - 1):
            score_started = time.perf_counter()
            scores = _score(programs, carry, scored_feed, evaluation)
            latency = (time.perf_counter() - score_started) / len(scored)
            course.latency = min(latency, course.latency or latency)
        course.seconds = before + time.perf_counter() - started
        _close_epoch(course, scores, time.perf_counter() - started)
        ended = course.epoch == last or "ok" not in course.statuses
        if snapshots and (ended or course.epoch % max(1, round(save_every)) == 0):
            snapshots.save(Snapshot(carry, course))
    programs.finish(carry)
    return tuple(_fit(course, index, model) for index, model in enumerate(models))


LEAST_PATIENCE, PATIENCE = 100, 0.1  # steps, and share of all steps, for which a loss may stay above that of guessing


def _record(course: Course, metrics: dict[str, Any], chance: float, patience: int) -> None:
    """Adds the rows of one call, and finds the seeds that failed in it."""
    seeds = len(course.statuses)
    losses, hits = (np.asarray(metrics[name], np.float64).reshape(-1, seeds) for name in ("loss", "accuracy"))
    course.losses += losses.tolist()
    course.hits += hits.tolist()
    for index in range(seeds):
        for loss in losses[:, index]:
            course.above[index] = course.above[index] + 1 if loss > chance else 0
            if course.statuses[index] == "ok" and not math.isfinite(loss):
                course.statuses[index] = "nan"
            elif course.statuses[index] == "ok" and course.above[index] >= patience:
                course.statuses[index] = "diverged"


def _close_epoch(course: Course, scores: Sequence[tuple[float, float]] | None, seconds: float) -> None:
    """Turns the rows of the epoch into a point of each curve; one that failed ends with the epoch in which it did."""
    for index, curve in enumerate(course.curves):
        if course.ended[index]:
            continue
        ok = course.statuses[index] == "ok"
        accuracy, loss = scores[index] if scores and ok else (None, None)
        if loss is not None and not math.isfinite(loss):
            course.statuses[index] = "nan"
        train_loss, train_accuracy = (
            float(np.mean([row[index] for row in rows])) for rows in (course.losses, course.hits)
        )
        curve.append(EpochMetrics(course.epoch, train_loss, train_accuracy, accuracy, loss, seconds))
        course.ended[index] = course.statuses[index] != "ok"
    course.losses, course.hits = [], []
    course.epoch += 1


def _score(programs: Programs, carry: Any, feed: Feed, batches: Batches) -> list[tuple[float, float]]:
    """(accuracy, loss) of each seed."""
    # NumPy from here on: an operation on a device array would compile a program, on several hosts a collective one.
    results = [jax.tree.map(np.asarray, programs.score(carry, feed.data, batch)) for batch in feed.chunks(batches)]
    seeds, count = len(programs.models), float(batches["weight"].sum())
    sums = {
        name: np.sum([r[name].reshape(-1, seeds).sum(0) for r in results], axis=0) / count
        for name in ("accuracy", "loss")
    }
    return [(float(sums["accuracy"][index]), float(sums["loss"][index])) for index in range(seeds)]


def _fit(course: Course, index: int, model: Module) -> Fit:
    status, curve = course.statuses[index], tuple(course.curves[index])
    scored = curve[-1] if curve and status == "ok" else None
    return Fit(
        status,
        scored.accuracy if scored else None,
        scored.loss if scored else None,
        curve,
        course.seconds_compile,
        course.seconds,
        state_dict(model),
        course.latency,
    )


def _splits(dataset: Dataset, score_on: str) -> tuple[Split, Split]:
    if score_on == "validation":
        return dataset.train, dataset.validation
    if not dataset.held_out:
        return dataset.train, dataset.test
    return joined(dataset.train, dataset.validation), dataset.test
