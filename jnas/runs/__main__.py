"""Look after runs: python -m jnas.runs list | show | verify | export | repair-copy."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jnas.runs.database import RunDatabase
from jnas.runs.directory import RunDirectory, write_atomically
from jnas.runs.maintenance import export_lines, faults, find_runs, repair_copy
from translators.diagnostics import UserError

FAULTY = 1  # exit code of verify


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 when `verify` finds a fault; 2 for bad input."""
    options = _parser().parse_args(arguments)
    try:
        return options.action(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _list(options: argparse.Namespace) -> int:
    for run in find_runs(options.folder):
        best = "-" if run.best is None else f"{100 * run.best:.2f} %"
        told = run.problem or f"{run.trained}/{run.budget} trained, best {best}, {run.seconds / 3600:.2f} hours"
        print(f"{run.directory}: {told}")
    return 0


def _show(options: argparse.Namespace) -> int:
    with RunDatabase.read(RunDirectory(options.run).database) as database:
        rows = database.candidates()
        facts = {
            "candidates": len(rows),
            "with a result": sum(row.result is not None for row in rows),
            "proposals turned down": len(database.attempts()),
            "questions": len(database.choices()),
            "recorded answers of a model": len(database.exchanges()),
            "longer trainings": len(database.finals()),
            **{f"seconds {name}": f"{seconds:.1f}" for name, seconds in database.phases().items()},
            **(database.fact("versions") or {}),
            **{f"library {i}": folder for i, folder in enumerate(database.fact("libraries") or [])},
        }
    for name, value in facts.items():
        print(f"{name:<28} {value}")
    print(f"\nIts candidates and its best tree: python -m jnas.report {options.run} --text")
    return 0


def _verify(options: argparse.Namespace) -> int:
    found = faults(options.run)
    for fault in found:
        print(fault)
    if found:
        print(f"Save what can be read: python -m jnas.runs repair-copy {options.run} COPY", file=sys.stderr)
        return FAULTY
    print(f"{options.run}: no fault found")
    return 0


def _export(options: argparse.Namespace) -> int:
    lines = "".join(line + "\n" for line in export_lines(options.run))
    if options.out is None:
        sys.stdout.write(lines)
    else:
        try:
            write_atomically(options.out, lines)
        except OSError as error:
            raise UserError(f"--out {options.out}: cannot be written ({error.strerror}); give another file") from None
    return 0


def _repair_copy(options: argparse.Namespace) -> int:
    saved = repair_copy(options.run, options.copy)
    for table, rows in saved.rows.items():
        print(f"{table:<12}{rows:>8} rows")
    print(f"A search can go on from {saved.candidates} candidates: give it --run-dir {options.copy}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jnas runs", description="Look after run directories.", epilog="example: python -m jnas.runs list runs"
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, action, purpose in (
        ("list", _list, "the runs in a folder"),
        ("show", _show, "what a run directory holds"),
        ("verify", _verify, f"look for damage; exit code {FAULTY} when there is any"),
        ("export", _export, "every row as a line of JSON"),
        ("repair-copy", _repair_copy, "save what can be read of a damaged run"),
    ):
        given = {"list": "runs", "repair-copy": "runs/quickstart runs/copy"}.get(name, "runs/quickstart")
        example = f"example: python -m jnas.runs {name} {given}"
        verb = verbs.add_parser(name, help=purpose, description=purpose, epilog=example)
        verb.set_defaults(action=action)
        if name == "list":
            verb.add_argument("folder", type=Path, nargs="?", default=Path("runs"), metavar="FOLDER")
        else:
            verb.add_argument("run", type=Path, metavar="RUN", help="a run directory")
        if name == "export":
            verb.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
        if name == "repair-copy":
            verb.add_argument("copy", type=Path, metavar="COPY", help="a folder for the copy")
    return parser


if __name__ == "__main__":
    sys.exit(main())
