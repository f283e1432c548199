"""What the steps of a search need, opened and checked: data set, workers, library, chooser, run directory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jnas.evaluation.evaluator import Evaluator, Progress
from jnas.evaluation.outcomes import Result
from jnas.evaluation.placement import tpu_chips
from jnas.evaluation.pool import Pool, Setting
from jnas.evaluation.ray_pool import RayPool
from jnas.knowledge.ideas import STARTER_NAME, Knowledge, read_ideas, write_ideas
from jnas.knowledge.template import template
from jnas.library.mining import mine
from jnas.library.store import Library, open_library
from jnas.library.written import read_written
from jnas.models.starts import names_model
from jnas.planning.fairnad import STAGES
from jnas.planning.planners import INFORMED, check_objectives, planner
from jnas.reports.live import LiveView
from jnas.resolving.asking import ModelChooser
from jnas.resolving.budget import Limits
from jnas.resolving.choosers import REPLAY, Chooser, make_chooser
from jnas.resolving.transcript import Transcript
from jnas.runs import archive
from jnas.runs.claim import claim, claim_library
from jnas.runs.configuration import Configuration, DatasetSettings, LanguageModelSettings
from jnas.runs.database import RunDatabase
from jnas.runs.directory import RunDirectory
from jnas.runs.phases import Phases
from jnas.searching.steps import Search
from jnas.training.data import open_dataset
from jnas.training.folders import PREFIX
from jnas.training.proxies import PROXIES
from jnas.training.recipe_files import recipe
from jnas.trees.starts import START_TREES
from translators.diagnostics import UserError

PROPOSERS = ("edits", "code")


@contextmanager
def prepared(configuration: Configuration, directory: RunDirectory, quiet: bool) -> Iterator[Search]:
    """Everything that the steps of a search need, the run directory held. Raises UserError."""
    plan = planner(configuration.planner.name)
    check_names(configuration)
    with _kept_once_begun(directory) as database:
        chooser = open_chooser(configuration.llm, database)
        claim(directory, database, configuration)
        phases = Phases(database, "starting")
        dataset = open_dataset(**asdict(configuration.dataset))
        pool = open_pool(configuration, directory)
        with pool, _view(configuration, directory, database, quiet) as view:
            phases.enter("mining")
            library, folders = _mined(configuration, phases, view)
            claim_library(directory, database, library, folders)
            knowledge = open_knowledge(configuration, directory, library)
            evaluator = Evaluator(pool, configuration, folders, dataset.shape, dataset.classes, library)
            view.phase("search", f"{configuration.planner.name} planner, LLM: {chooser.name}")
            job = Search(configuration, directory, database, library, evaluator, plan, chooser, phases, view, knowledge)
            for path in sorted(directory.written.glob("*.py")):
                job.adopt(read_written(path))
            yield job


@contextmanager
def _kept_once_begun(directory: RunDirectory) -> Iterator[RunDatabase]:
    """The directory held, and its database; what a refused command made for a run without candidates goes again."""
    fresh = not directory.root.exists()
    with directory.held(), RunDatabase.open(directory.database) as database:
        try:
            yield database
        except UserError:
            if fresh and not database.count():
                shutil.rmtree(directory.root)
            raise


def open_pool(configuration: Configuration, directory: RunDirectory) -> Pool | RayPool:
    """The workers of this machine, or of a cluster. Raises UserError."""
    search = configuration.search
    workers, compilers, name = search.workers, search.compilers, search.pool
    kind, _, address = name.partition(":")
    if compilers and (kind == "ray" or tpu_chips()):
        raise UserError(
            f"search.compilers = {compilers}: nothing compiles ahead on a cluster, nor on a TPU, whose chips belong to "
            "one process each; set it to 0"
        )
    if kind == "ray":
        return RayPool(workers, setting(configuration, directory), address)
    if name != "local":
        raise UserError(f"search.pool = {name}: expected local, ray or ray:ADDRESS{_nearest(kind, ('local', 'ray'))}")
    return Pool(workers, setting(configuration, directory), directory.logs, compilers=compilers)


def setting(configuration: Configuration, directory: RunDirectory) -> Setting:
    """What the workers of a run get and see: the blocks written for it, its data, and a place for weights."""
    weights = directory.root.resolve() / "weights"
    weights.mkdir(exist_ok=True)
    data = configuration.dataset.data_dir or os.environ.get("TFDS_DATA_DIR") or str(Path.home() / "tensorflow_datasets")
    return Setting(
        configuration.evaluation.memory_limit,
        configuration.evaluation.cores,
        readable=(str(directory.written.resolve()), data, *_named_files(configuration.dataset)),
        writable=(str(weights),),
        network="://" in data or bool(tpu_chips()),  # the runtime of a TPU asks the machine's metadata server
    )


def _named_files(dataset: DatasetSettings) -> Iterator[str]:
    """Absolute paths that a data set's name and splits give."""
    for path in (dataset.splits, dataset.name.removeprefix(PREFIX) if dataset.name.startswith(PREFIX) else None):
        if path is not None:
            yield str(Path(path).resolve())


@contextmanager
def rehearsal(configuration: Configuration, quiet: bool = False) -> Iterator[Search]:
    """A search in a folder of its own that vanishes, in which every tree is as good as its parent, untrained."""
    with (
        tempfile.TemporaryDirectory() as folder,
        prepared(configuration, RunDirectory(Path(folder) / "run"), quiet) as job,
    ):
        job.evaluator = Untrained(**vars(job.evaluator))
        yield job


class Untrained(Evaluator):
    """Inspects as ever, but trains nothing: every tree is as good as its parent."""

    def train(
        self, trees: Sequence[Mapping[str, Any]], progress: Progress, finished: Callable[[int, Result], None]
    ) -> None:
        for index in range(len(trees)):
            finished(index, Result("ok", accuracy=0.5))


def open_knowledge(configuration: Configuration, directory: RunDirectory, library: Library) -> Knowledge | None:
    """The ideas that the library can realise, where the search uses any; the run keeps those that it began with.

    Raises UserError.
    """
    chosen = configuration.planner.knowledge or (STARTER_NAME if configuration.planner.name == "fairnad" else None)
    if chosen is None:
        return None
    if not directory.knowledge.is_file():
        write_ideas(read_ideas(chosen), directory.knowledge)
    knowledge = Knowledge(template(), read_ideas(str(directory.knowledge)))
    if configuration.llm.proposer == "code":
        return knowledge
    return knowledge.realisable({block.family for block in library.placeable()})


def open_chooser(settings: LanguageModelSettings, database: RunDatabase) -> Chooser:
    """Who answers: with the transcript of this run, or of the run that is replayed. Raises UserError."""
    if settings.name.startswith(REPLAY):
        with RunDatabase.read(RunDirectory(Path(settings.name.removeprefix(REPLAY))).database) as recorded:
            transcript = Transcript(recorded.exchanges())
    else:
        transcript = Transcript(database.exchanges(), database.add_exchange)
    limits = Limits(settings.calls, settings.tokens, settings.dollars)
    chooser = make_chooser(settings.name, transcript, limits, settings.calls_per_minute, settings.thinking)
    if settings.proposer == "code" and not isinstance(chooser, ModelChooser):
        raise UserError("llm.proposer = code: a language model has to write the code; give --llm gemini or local")
    return chooser


def check_names(configuration: Configuration) -> None:
    """Raises UserError for objectives, a recipe or a start tree that do not exist, before anything is made."""
    check_objectives(configuration.planner.name, configuration.planner.objectives)
    planning = configuration.planner
    if planning.knowledge is not None and planning.name not in INFORMED:
        raise UserError(
            f"planner.knowledge = {planning.knowledge}: planner {planning.name!r} draws no ideas; "
            f"choose one of {', '.join(INFORMED)}"
        )
    stages = planning.stages
    if len(stages) != len(STAGES) or min(stages) < 0 or not sum(stages):
        raise UserError(f"planner.stages = {list(stages)}: expected how many candidates are {', '.join(STAGES)}")
    for key, name in (
        ("evaluation.recipe", configuration.evaluation.recipe),
        ("final.recipe", configuration.final.recipe),
    ):
        recipe(name, origin=f"{key} = ")
    prefilter = configuration.evaluation.prefilter
    if prefilter and prefilter not in PROXIES:
        raise UserError(
            f"evaluation.prefilter = {prefilter}: expected one of {', '.join(PROXIES)}{_nearest(prefilter, PROXIES)}"
        )
    rungs = configuration.evaluation.rungs
    if list(rungs) != sorted(set(rungs)) or min(rungs, default=1) < 1:
        raise UserError(f"evaluation.rungs = {list(rungs)}: expected numbers of epochs that rise, such as [1, 3, 9]")
    if rungs and configuration.evaluation.epochs is not None:
        raise UserError("evaluation.epochs: the last of evaluation.rungs says how long a training is; leave it out")
    if configuration.llm.proposer not in PROPOSERS:
        proposer = configuration.llm.proposer
        raise UserError(
            f"llm.proposer = {proposer}: expected one of {', '.join(PROPOSERS)}{_nearest(proposer, PROPOSERS)}"
        )
    start = configuration.start
    if start not in START_TREES and not names_model(start) and not Path(start).is_file():
        known = f"expected a tree file, SOURCE:MODEL or one of {', '.join(START_TREES)}{_nearest(start, START_TREES)}"
        raise UserError(f"start = {configuration.start}: {known}")


def _mined(configuration: Configuration, phases: Phases, view: LiveView) -> tuple[Library, tuple[Path, ...]]:
    """Our own blocks and those of the sources; no sources, our own alone."""
    if not configuration.sources:
        return open_library(), ()
    view.phase("mining", ", ".join(configuration.sources))

    def progress(stage: str, done: int, total: int) -> None:
        phases.enter(stage)
        view.detail(f"{stage} {done} of {total}")

    report = mine(configuration.sources, progress=progress)
    report.require_placeable()
    placeable = sum(source.placeable for source in report.sources)
    view.note(f"{placeable} placeable blocks of {sum(source.classes for source in report.sources)} classes")
    return open_library(report.folders), report.folders


def _view(configuration: Configuration, directory: RunDirectory, database: RunDatabase, quiet: bool) -> LiveView:
    rows = database.candidates()
    best = archive.finalists(rows, 1)
    return LiveView(
        directory.root.name,
        configuration.search.budget,
        finished=sum(row.number > 0 and row.result is not None for row in rows),
        best=(best[0].number, archive.score(best[0]) or 0.0) if best else None,
        quiet=quiet,
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
