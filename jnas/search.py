"""The main job: search for an architecture. python -m jnas.search --help"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from jnas.planning.planners import PLANNERS
from jnas.runs.configuration import Configuration, load, names
from jnas.runs.directory import RunDirectory
from jnas.runs.remote import is_remote, mirrored
from translators.diagnostics import UserError

RESUMABLE = os.EX_TEMPFAIL  # 75: whoever asked for the stop may run the same command again
REHEARSED = 8  # candidates that a dry run goes through


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the budget is spent; 2 for bad input; 75 when asked to stop, 130 by Ctrl-C: the same command continues."""
    options = _parser().parse_args(arguments)
    try:
        configuration, place = requested(arguments)
        with _stoppable():
            if options.dry_run:
                rehearse(configuration, options.quiet)
            else:
                with mirrored(place) if is_remote(place) else nullcontext(RunDirectory(Path(place))) as directory:
                    search(configuration, directory, options.quiet)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Stopped as stop:
        command = shlex.join(["python", "-m", "jnas.search", *(sys.argv[1:] if arguments is None else arguments)])
        print(f"stopped by {stop.signal.name}; no result is lost. Continue with\n  {command}", file=sys.stderr)
        return 128 + stop.signal if stop.signal == signal.SIGINT else RESUMABLE
    return 0


def requested(arguments: Sequence[str] | None = None) -> tuple[Configuration, str]:
    """The configuration and the run directory, here or remote, that a command line asks for. Raises UserError."""
    options = _parser().parse_args(arguments)
    return load(options.config, _overrides(options)), options.run_dir or str(Path("runs") / Path(options.config).stem)


def search(configuration: Configuration, directory: RunDirectory, quiet: bool = False) -> None:
    """Spend the budget, train the best longer, write what remains. Continues a run that was started before."""
    from jnas.reports import html
    from jnas.reports.run import Run
    from jnas.reports.summary import print_summary
    from jnas.searching.preparation import prepared

    with prepared(configuration, directory, quiet) as job:
        job.run_rounds()
        job.view.phase("final training", configuration.final.recipe)
        best = job.train_best_longer()
        job.phases.enter("reporting")
        job.write_best(best)
        run = Run.read(directory.root)
        html.write(run, directory.report)
        job.phases.enter("done")
    print_summary(run)


def rehearse(configuration: Configuration, quiet: bool = False) -> None:
    """Say what a search would ask and cost: its first rounds, with nobody asked and nothing trained."""
    from jnas.reports.preview import preview, print_preview
    from jnas.resolving.choosers import UniformChooser
    from jnas.searching.preparation import rehearsal

    budget = min(configuration.search.budget, REHEARSED)
    edits = replace(configuration.llm, proposer="edits")
    short = replace(configuration, llm=edits, search=replace(configuration.search, budget=budget))
    with rehearsal(short, quiet) as job:
        chooser, job.chooser = job.chooser, UniformChooser(job.chooser.reads_source)
        job.run_rounds()
        job.phases.enter("done")
        found = preview(job.database.choices(), budget, configuration.search.budget, chooser.thinking)
        scale = configuration.search.budget / budget
        phases = {name: scale * seconds for name, seconds in job.database.phases().items()}
    print_preview(found, configuration, chooser.name, chooser.price, phases)


class Stopped(BaseException):
    """SIGINT, SIGTERM or SIGHUP; everything that was acknowledged is in the database."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = signal.Signals(number)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn the signals that ask for an end into an exception, so that workers and database are closed."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jnas.search",
        description=(__doc__ or "").splitlines()[0],
        epilog="example: python -m jnas.search --config quickstart --run-dir runs/quickstart --budget 8",
    )
    parser.add_argument("--config", default="quickstart", metavar="NAME|FILE", help=f"{', '.join(names())} or a file")
    parser.add_argument(
        "--run-dir", metavar="DIR", help="default: runs/NAME; or gs://BUCKET/RUN; a run there is continued"
    )
    parser.add_argument("--budget", type=int, metavar="N", help="candidates to train in all; may grow")
    parser.add_argument("--dataset", metavar="NAME", help="the embedded fashion_mnist_small, or any name of tfds")
    parser.add_argument("--data-dir", metavar="DIR", help="where tfds keeps prepared data sets")
    parser.add_argument("--planner", metavar="NAME", help=", ".join(PLANNERS))
    parser.add_argument(
        "--llm", metavar="NAME", help="auto, none, local, local:PATH, gemini, gemini:MODEL or replay:RUN"
    )
    parser.add_argument("--proposer", metavar="NAME", help="edits, or code: the LLM writes blocks (a comparison)")
    parser.add_argument("--seed", type=int, metavar="N")
    parser.add_argument("--pool", metavar="NAME", help="local, ray or ray:ADDRESS: where candidates are trained")
    parser.add_argument("--max-hours", type=float, metavar="H", help="of all starts together; no round begins after")
    parser.add_argument("--max-usd", type=float, metavar="D", help="for the language model; machines are not counted")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any field, e.g. caps.parameters=500_000"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what will be asked, tokens, dollars, time; train nothing"
    )
    parser.add_argument("--quiet", action="store_true", help="plain lines instead of a live view")
    return parser


def _overrides(options: argparse.Namespace) -> list[str]:
    """The options that have a field, written as --set would be."""
    fields = {
        "search.budget": options.budget,
        "dataset.name": options.dataset,
        "dataset.data_dir": options.data_dir,
        "planner.name": options.planner,
        "llm.name": options.llm,
        "llm.proposer": options.proposer,
        "search.seed": options.seed,
        "search.pool": options.pool,
        "search.hours": options.max_hours,
        "llm.dollars": options.max_usd,
    }
    return [*options.set, *(f"{key}={json.dumps(value)}" for key, value in fields.items() if value is not None)]


if __name__ == "__main__":
    sys.exit(main())
