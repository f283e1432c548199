"""python -m jnas.report RUN: the report page of a run directory, or its summary in the terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from translators.diagnostics import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="jnas report", description="The report of a run, finished or not.")
    parser.add_argument("run", type=Path, metavar="RUN", help="a run directory, made by python -m jnas.search")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the page goes (default: RUN/report.html)")
    parser.add_argument("--text", action="store_true", help="print the summary in the terminal and write no page")
    options = parser.parse_args(arguments)
    from jnas.reports import html, summary
    from jnas.reports.run import Run

    try:
        run = Run.read(options.run)
        if options.text:
            summary.print_summary(run)
        else:
            out = options.out or run.directory.report
            html.write(run, out)
            print(out)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
