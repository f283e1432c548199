"""Mine blocks from PyTorch source: python -m jnas.mine SOURCE..."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from translators.diagnostics import CODES, UserError

if TYPE_CHECKING:
    from jnas.library.mining import MiningReport, SourceReport

_EXAMPLES = """A source is read, never imported; sources given together resolve each other's imports.

examples:
  python -m jnas.mine timm
  python -m jnas.mine src/mypackage net-1.0.tar.gz --json counts.json
  python -m jnas.mine mmpretrain-1.2.0-py2.py3-none-any.whl mmcv-2.1.0.tar.gz mmengine-0.10.7-py3-none-any.whl

exit codes: 0 done; 2 bad input, said in one line"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Mine, print what was found; 0, or 2 for bad input."""
    options = _parser().parse_args(arguments)
    from jnas.library.mining import mine

    console = Console()
    try:
        with _progress(console) as progress:
            report = mine(options.sources, options.library, progress, refresh=options.refresh, verify=options.verify)
        if options.json is not None:
            _write_json(options.json, report)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for source in report.sources:
        _print(console, source)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jnas.mine",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a .py file, a notebook, a folder, an archive (wheel, zip, tar) or an installed package",
    )
    parser.add_argument(
        "--library", type=Path, metavar="DIR", help="keep libraries here instead of in the user's cache"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the counts as JSON")
    parser.add_argument("--verify", action="store_true", help="compare what executes with PyTorch (the torch extra)")
    parser.add_argument("--refresh", action="store_true", help="mine again even if nothing changed")
    return parser


@contextmanager
def _progress(console: Console) -> Iterator:
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_interactive) as bars:
        tasks = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield update


def _write_json(path: Path, report: MiningReport) -> None:
    try:
        path.write_text(json.dumps(report.to_json(), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); give another file to --json") from error


def _print(console: Console, source: SourceReport) -> None:
    state = "from the cache" if source.cached else "mined"
    table = Table(title=f"{source.source} {source.version} ({state} in {source.seconds:.1f} s)", title_justify="left")
    table.add_column("what")
    table.add_column("classes", justify="right")
    table.add_column("detail")
    table.add_row("found", str(source.classes), f"{source.blocks} blocks, {source.models} models")
    table.add_row("translated", str(source.translated), f"{source.translated_blocks} of the blocks")
    table.add_row("executed", str(source.executed), "blocks that ran abstractly")
    table.add_row("placeable", str(source.placeable), _join(source.families))
    if source.verified:
        table.add_row("verified", str(sum(source.verified.values())), _join(source.verified) + " against PyTorch")
    codes = {f"{code} {CODES[code][0]}": count for code, count in source.refused.items()}
    table.add_row("refused", str(sum(source.refused.values())), _join(codes))
    if source.missing:
        table.add_row("", "", "most wanted: " + _join(dict(list(source.missing.items())[:8])))
    if source.skipped_files:
        table.add_row("skipped files", str(source.skipped_files), "unreadable or not Python")
    console.print(table)
    console.print(f"library: {source.folder}", soft_wrap=True, highlight=False, markup=False)


def _join(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


if __name__ == "__main__":
    sys.exit(main())
