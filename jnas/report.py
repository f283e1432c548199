"""python -m jnas.report RUN: the report page of a run directory, its summary in the terminal, or its data as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from translators.diagnostics import UserError

EXAMPLES = """examples:
  python -m jnas.report runs/quickstart --open        write the page and look at it
  python -m jnas.report runs/quickstart --serve 8000  follow a search that runs
  python -m jnas.report runs/quickstart --json | jq .best
"""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    from jnas.reports import html, summary
    from jnas.reports.content import content
    from jnas.reports.run import Run

    try:
        if options.serve is not None:
            return serve(options.run, options.serve, options.open)
        run = Run.read(options.run)
        if options.text:
            summary.print_summary(run)
        elif options.json:
            json.dump(content(run), sys.stdout)
            print()
        else:
            out = options.out or run.directory.report
            html.write(run, out)
            print(out)
            if options.open:
                webbrowser.open(out.resolve().as_uri())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def serve(folder: Path, port: int, open_it: bool) -> int:
    """Until Ctrl-C. Raises UserError where there is no run, or the port is taken."""
    from jnas.reports.serve import HOST, Follower, server

    with server(Follower(folder), port) as found:
        url = f"http://{HOST}:{found.server_port}/"
        print(f"{url} follows {folder}; end with Ctrl-C", flush=True)
        if open_it:
            webbrowser.open(url)
        try:
            found.serve_forever()
        except KeyboardInterrupt:
            print(file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jnas.report",
        description="The report of a run, finished or not.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run directory, made by python -m jnas.search")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the page goes (default: RUN/report.html)")
    parser.add_argument("--open", action="store_true", help="show the page in the browser of this machine")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--serve", type=int, metavar="PORT", help="serve a page that follows the run, to this machine")
    form.add_argument("--text", action="store_true", help="print the summary in the terminal and write no page")
    form.add_argument("--json", action="store_true", help="print all that the page shows as one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
