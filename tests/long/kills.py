"""Searches killed, frozen and shuffled in every way, and their archives compared with that of one left alone.

    python tests/long/kills.py --kill 300 --group 100 --worker 100 --freeze 100 --shuffle 50

Everything is the search itself but what a worker does: it makes a number of the tree instead of training it. Searches
are forks of this process, which has imported everything once. Prints a line of JSON; exit code 1 when anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from jnas.evaluation.evaluator import Evaluator
from jnas.evaluation.inspection import inspection
from jnas.evaluation.pool import Reply, Setting
from jnas.models.build import BuildError
from jnas.runs.configuration import load
from jnas.runs.directory import RunDirectory
from jnas.searching import preparation
from jnas.trees.node import Node
from translators.confinement import _below

WORKER = """
import hashlib, json, random, time
from jnas.evaluation.worker import main

def train(arguments, progress):
    time.sleep(random.random() * 0.04)  # whoever was asked last may answer first
    score = int(hashlib.sha256(json.dumps(arguments["tree"], sort_keys=True).encode()).hexdigest()[:8], 16)
    return {"status": "ok", "accuracy": score % 997 / 997, "curve": []}

main({"train": train})
"""
TABLES = {
    "candidates": "number, round, slot, parent, tree, tree_hash, edit, description, plan, verdict",
    "results": "number, status, accuracy, loss, curve, message",
    "attempts": "round, slot, attempt, parent, kind, way, description, reason, message",
    "choices": "round, slot, attempt, step, question, answer, source, problem",
    "finals": "number, seed, split, status, accuracy, loss, curve, message",
}
SETTINGS = [
    "sources=[]",
    "llm.name=none",
    "search.budget=8",
    "search.round_size=4",
    "evaluation.time_limit=2",
    "final.time_limit=2",
    "final.candidates=2",
]
ORPHAN_SECONDS = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for mode, purpose in MODES.items():
        parser.add_argument(f"--{mode}", type=int, default=0, metavar="N", help=purpose)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="jnas-kills-") as folder:
        root = Path(folder)
        started = time.monotonic()
        if wait(start(root / "undisturbed", 1)) != 0:
            raise SystemExit((root / "undisturbed.log").read_text())
        undisturbed, seconds = archive(root / "undisturbed"), time.monotonic() - started
        counts = {
            mode: sum(
                trial(mode, root / f"{mode}-{i}", undisturbed, seconds, chance) for i in range(vars(options)[mode])
            )
            for mode in MODES
        }
    print(json.dumps({"trials": {mode: vars(options)[mode] for mode in MODES}, "wrong": counts}))
    return 1 if any(counts.values()) else 0


MODES = {
    "kill": "kill -9 of the search at random instants, restarted until it is done",
    "group": "the same for its process group",
    "worker": "kill -9 of one of its workers, with all that serves it",
    "freeze": "SIGSTOP of a worker",
    "shuffle": "1, 2 or 8 workers, undisturbed",
}


def trial(mode: str, run: Path, undisturbed: object, seconds: float, chance: random.Random) -> bool:
    """Whether anything was wrong."""
    workers = (1, 2, 8)[chance.randrange(3)] if mode == "shuffle" else 2
    if mode in ("kill", "group"):
        code = None
        while code is None:
            code = wait(search := start(run, workers), chance.uniform(0, seconds))
            if code is None:
                (os.killpg if mode == "group" else os.kill)(search, signal.SIGKILL)
                wait(search)
                if not gone(run):
                    return told(mode, run, "left a process behind")
    else:
        search = start(run, workers)
        code = wait(search, None if mode == "shuffle" else chance.uniform(0, seconds))
        if code is None:
            below = list(_below(search))
            with suppress(ProcessLookupError, IndexError):
                os.kill(chance.choice(below), signal.SIGKILL if mode == "worker" else signal.SIGSTOP)
            code = wait(search)
    if code != 0:
        return told(mode, run, f"ended with {code}")
    if not gone(run):
        return told(mode, run, "left a process behind")
    if mode != "freeze" and archive(run) != undisturbed:
        return told(mode, run, "has another archive")
    return False


def told(mode: str, run: Path, words: str) -> bool:
    print(f"{mode}: {run.name} {words}", file=sys.stderr)
    return True


def start(run: Path, workers: int) -> int:
    """A search of its own session; its number."""
    child = os.fork()
    if child:
        with suppress(OSError):
            os.setpgid(child, child)
        return child
    code = 1
    try:
        with suppress(OSError):
            os.setpgid(0, 0)
        search(run, workers)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def search(run: Path, workers: int) -> None:
    configuration = load("quickstart", [*SETTINGS, f"search.workers={workers}"])
    usual = preparation.setting

    def setting(*arguments: object) -> Setting:
        command = (sys.executable, "-c", f"{WORKER}# {run}")
        return replace(usual(*arguments), command=command)  # type: ignore[arg-type]

    preparation.setting = setting  # type: ignore[assignment]
    output = os.open(run.parent / f"{run.name}.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    with preparation.prepared(configuration, RunDirectory(run), quiet=True) as job:
        job.evaluator = OwnBlocks(**vars(job.evaluator))
        job.run_rounds()
        job.train_best_longer()


class OwnBlocks(Evaluator):
    """Looks at trees here: they have no mined blocks, and the workers know nothing of them."""

    def inspect(self, tree: Node) -> Reply:
        try:
            return Reply("ok", inspection(tree, self.library, self.shape, self.classes, 64, execute=True))
        except BuildError as error:
            return Reply(error.reason, message=str(error))


def wait(child: int, seconds: float | None = None) -> int | None:
    """Its exit code; None when it is not done by then. A second wait for a child that is done is an error."""
    deadline = time.monotonic() + (300.0 if seconds is None else seconds)
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.002)


def gone(run: Path) -> bool:
    """Whether no worker of the run is left after a while."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while any(f"# {run}".encode() in line for line in command_lines()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def command_lines() -> list[bytes]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_bytes())
    return found


def archive(run: Path) -> dict[str, list[object]]:
    with closing(sqlite3.connect(run / "run.sqlite")) as connection:
        return {
            table: connection.execute(f"SELECT {columns} FROM {table} ORDER BY {columns}").fetchall()
            for table, columns in TABLES.items()
        }


if __name__ == "__main__":
    sys.exit(main())
