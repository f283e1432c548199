"""python -m jnas.benchmarks NAME: a table of measured rows and their targets; `--check` judges them."""

from __future__ import annotations

import argparse
import difflib
import importlib
import inspect
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from jnas.benchmarks.rows import Row, machine
from jnas.runs.claim import versions
from jnas.runs.directory import write_atomically
from translators.diagnostics import UserError

EVERYWHERE = ("name", "json", "check", "list")  # options that every benchmark has
MISSED = 3  # exit code of --check
# Name on the command line -> module with `measure(...) -> Sequence[Row]`, and what it measures.
BENCHMARKS = {
    "tpu-compile": (
        "jnas.benchmarks.tpu_compile",
        "training steps compiled for TPU v5e without one; roofline",
    ),
    "edits": ("jnas.benchmarks.edits", "chains of random edits: how many pass the gate, train, and how fast"),
    "engine": ("jnas.benchmarks.engine", "first step and step time beside flax's own layers and PyTorch"),
    "main-job": ("jnas.benchmarks.main_job", "the quickstart search: seconds and share of each phase"),
    "calibration": ("jnas.benchmarks.calibration", "whether what the planner believes comes true as often as it says"),
    "proposals": ("jnas.benchmarks.proposals", "milliseconds a proposal, and that they do not grow with the history"),
    "proposers": ("jnas.benchmarks.proposers", "edits by chance, edits by a language model, code that it writes"),
    "scale": ("jnas.benchmarks.scale", "a Ray cluster: throughput by workers, what isolation and a lost node cost"),
    "store": ("jnas.benchmarks.store", "a run of many candidates: opened, appended to, read as the planner reads it"),
    "translate": ("jnas.benchmarks.translate", "translated blocks against PyTorch, beside tools that trace it"),
    "fairness": ("jnas.benchmarks.fairness", "attribute-fair against uniform sampling of ideas on a --table of cells"),
    "landscapes": ("jnas.benchmarks.landscapes", "regret of the planners on real trees whose accuracies are made up"),
    "planner": ("jnas.benchmarks.planner", "queries that each planner needs on a --table of cells with known results"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="jnas benchmarks",
        description="Measure, and compare with the targets.",
        epilog="example: python -m jnas.benchmarks engine --check",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a benchmark; --list shows them")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write rows, machine and versions to this file")
    parser.add_argument("--check", action="store_true", help=f"exit with {MISSED} when a row misses its target")
    parser.add_argument("--list", action="store_true", help="print the benchmarks and what they measure")
    parser.add_argument("--tree", action="append", metavar="TREE", help="tpu-compile: as for jnas.train; repeatable")
    parser.add_argument("--edits", type=_positive, metavar="N", help="edits: proposals from every start tree")
    parser.add_argument("--train", type=int, metavar="N", help="edits: so many accepted trees take a training step")
    parser.add_argument("--sources", metavar="A,B", help='edits, landscapes: mined for blocks; "": none')
    parser.add_argument("--table", type=Path, metavar="FILE", help="planner: the results, an .npz file")
    parser.add_argument("--seeds", type=_positive, metavar="N", help="planner, landscapes: searches per planner")
    parser.add_argument("--queries", type=_positive, metavar="N", help="planner, landscapes: so many end a search")
    parser.add_argument("--results", type=Path, metavar="FILE", help="planner, landscapes: what is done, to go on from")
    parser.add_argument("--run", type=Path, metavar="DIR", help="calibration: the run to compare with its plans")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="planner, calibration: an SVG as well")
    parser.add_argument("--tries", type=_positive, metavar="N", help="proposers: proposals or texts of each")
    parser.add_argument("--questions", type=_positive, metavar="N", help="proposers: at least so many to the LLM")
    parser.add_argument("--llm", metavar="NAME", help="proposers: who is asked, as for jnas.search")
    parser.add_argument("--candidates", type=_positive, metavar="N", help="store: of the run")
    parser.add_argument("--spec", type=Path, metavar="FILE", help="translate: the blocks, as for translators verify")
    parser.add_argument("--root", action="append", metavar="NAME=DIR", help="translate: folder of a source")
    parser.add_argument("--python", action="append", metavar="TOOL=PATH", help="translate: interpreter that has a tool")
    options = parser.parse_args(arguments)
    if options.list:
        for name, (_, purpose) in BENCHMARKS.items():
            print(f"{name:<12}{purpose}")
        return 0
    try:
        given = {name: value for name, value in vars(options).items() if name not in EVERYWHERE and value is not None}
        return measured(options.name, options.json, options.check, **given)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def measured(name: str | None, out: Path | None, check: bool, **given: Any) -> int:
    """Measure `name` as `given`, show the table, write it to `out`. Returns the exit code; raises UserError."""
    if name not in BENCHMARKS:
        near = difflib.get_close_matches(name or "", BENCHMARKS, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"benchmark {name}: expected one of {', '.join(BENCHMARKS)}{hint}")
    if out is not None and not out.resolve().parent.is_dir():
        raise UserError(f"--json {out}: there is no folder {out.parent}; make it first")
    measure = importlib.import_module(BENCHMARKS[name][0]).measure
    for option in given:
        if option not in inspect.signature(measure).parameters:
            raise UserError(f"benchmark {name}: there is no option --{option} for it; --help tells what has one")
    rows = measure(**given)
    show(name, rows)
    if out is not None:
        document = {"benchmark": name, "machine": machine(), "versions": versions()}
        document["rows"] = [row.to_plain() for row in rows]
        write_atomically(out, json.dumps(document, indent=2) + "\n")
    missed = [row for row in rows if not row.met]
    for row in missed:
        print(f"missed: {row.name} is {row.value:g} {row.unit}".rstrip() + f", target {row.target}", file=sys.stderr)
    return MISSED if check and missed else 0


def show(name: str, rows: Sequence[Row]) -> None:
    """The table, with the machine and versions that it was measured on."""
    console = Console()
    table = Table(title=name, title_justify="left")
    table.add_column("row")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("target")
    table.add_column("note")
    for row in rows:
        verdict = "" if not row.target else f"{row.target}: {'met' if row.met else 'MISSED'}"
        table.add_row(row.name, f"{row.value:.4g}", row.unit, verdict, row.note, style="" if row.met else "bold red")
    console.print(table)
    for facts in (machine(), versions()):
        console.print(", ".join(f"{key} {value}" for key, value in facts.items()), soft_wrap=True, highlight=False)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1 up")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
