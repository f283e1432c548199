"""Command line: translate a source, verify translations against PyTorch, or count what a source holds."""

from __future__ import annotations

import argparse
import collections
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from translators.diagnostics import CODES, Refusal, Refused, UserError
from translators.sources import Source, open_source, split_class
from translators.statistics import Statistics, statistics_of
from translators.translation import translate_class, translate_source

_SOURCES = """A SOURCE is a .py file, a Jupyter notebook, a folder, a wheel, a .zip or .tar of source, or the name of an
installed package. It is read, never imported and never run. Sources given together resolve each other's imports."""
_CODES = """exit codes: 0 done; 1 {failure}; 2 bad input, said in one line"""
_EXAMPLES = {
    "translate": """examples:
  python -m translators translate timm:Mlp                        one class, as a standalone file, to the screen
  python -m translators translate timm:Mlp --out blocks           the same, to blocks/Mlp.py
  python -m translators translate net-1.0.tar.gz --out flax       every class, in the layout of its package
  python -m translators translate mmpretrain --with mmcv --with mmengine --out flax""",
    "verify": """example:
  python -m translators verify blocks.json --root mypackage=src/mypackage --json results.json""",
    "stats": """examples:
  python -m translators stats timm
  python -m translators stats mmpretrain-1.2.0-py2.py3-none-any.whl mmcv-2.1.0.tar.gz --json counts.json
  python -m translators stats src/mypackage --at-least 95         for continuous integration""",
}
_FAILURES = {
    "translate": "the class was refused (of a whole source, refusals are counted and no failure)",
    "verify": "a class was wrong or crashed",
    "stats": "less was translated than --at-least asks for",
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        if options.command == "translate":
            return _translate(options.source, options.out, [open_source(other) for other in options.others])
        if options.command == "verify":
            return _verify(options.spec, options.root, options.json, options.workers)
        return _stats(options.sources, options.json, options.at_least)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m translators",
        description=__doc__,
        epilog=f"{_SOURCES} Example: python -m translators translate timm:Mlp --out blocks",
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, does: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=does,
            description=f"{does[0].upper()}{does[1:]}.\n{_SOURCES}",
            epilog=f"{_EXAMPLES[name]}\n{_CODES.format(failure=_FAILURES[name])}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    translate = command("translate", "write the translation of a source, or of one class of it")
    translate.add_argument("source", metavar="SOURCE[:CLASS]", help="what to translate")
    translate.add_argument("--out", type=Path, metavar="DIR", help="folder for the emitted files")
    translate.add_argument(
        "--with", dest="others", action="append", default=[], metavar="SOURCE", help="further source to find names in"
    )
    verify = command("verify", "compare translated classes with PyTorch")
    verify.add_argument("spec", type=Path, help="JSON list of rows: source, class, init, input_shapes")
    verify.add_argument("--root", action="append", default=[], metavar="NAME=DIR", help="folder of a source")
    verify.add_argument("--json", type=Path, metavar="OUT", help="where to write the result rows")
    verify.add_argument("--workers", type=int, default=0, metavar="N", help="processes; as many as cores by default")
    stats = command("stats", "count classes, translations and refusals")
    stats.add_argument("sources", nargs="+", metavar="SOURCE", help="what to count")
    stats.add_argument("--json", type=Path, metavar="OUT", help="also write the counts as JSON")
    stats.add_argument("--at-least", type=float, default=0.0, metavar="PERCENT", help="share that must be translated")
    return parser


def _translate(spec: str, out: Path | None, others: Sequence[Source]) -> int:
    path, wanted = split_class(spec)
    source = open_source(path)
    if wanted is not None:
        return _translate_class(source, wanted, out, others)
    started = time.perf_counter()
    translation = translate_source(source, others=others)
    counted = statistics_of(translation)
    if out is None:
        _print(counted, time.perf_counter() - started)
    else:
        write_files(translation.modules, out)
        print(f"{counted.translated} translated, {counted.classes - counted.translated} refused, written to {out}")
    return 0


def _translate_class(source: Source, name: str, out: Path | None, others: Sequence[Source]) -> int:
    from translators.emission import standalone

    translation = translate_class(source, name, others=others)
    refused = {name: found for name, found in translation.outcomes.items() if isinstance(found, Refusal)}
    for found in refused.values():
        print(found, file=sys.stderr)
    whole = [name for name in translation.outcomes if name not in refused]
    texts = {name: standalone(translation, name) for name in whole}
    if out is None:
        print("\n\n".join(texts.values()))
    else:
        # Two classes of one name keep theirs apart by their modules.
        short = {name: name.rpartition(".")[2] if len(whole) == 1 else name for name in whole}
        write_files({f"{short[name]}.py": text for name, text in texts.items()}, out)
        for name in whole:
            print(f"{name}: written to {out / short[name]}.py")
    return 1 if refused else 0


def write_files(texts: Mapping[str, str], folder: Path) -> None:
    """Write emitted files (path -> text) below `folder`. Raises UserError when it cannot be written."""
    try:
        for path, text in texts.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: not writable ({error.strerror}); give another --out folder") from error


def _verify(spec: Path, roots: Sequence[str], out: Path | None, workers: int) -> int:
    from translators.verification import require_torch, verify_rows

    try:
        rows = json.loads(spec.read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{spec}: not readable as JSON ({error}); give a list of rows with source, class, init, input_shapes"
        ) from error
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and {"source", "class"} <= row.keys() for row in rows
    ):
        raise UserError(f"{spec}: expected a JSON list of objects with source, class, init and input_shapes")
    if any("=" not in root for root in roots):
        raise UserError(f"--root {' '.join(roots)}: expected NAME=DIR")
    require_torch()
    folders = {name: Path(folder) for name, folder in (root.split("=", 1) for root in roots)}
    results = []
    for result in verify_rows(rows, folders, workers=workers):
        results.append(result)
        status = f"refused {result['code']}" if result["status"] == "refused" else result["status"]
        differences = " ".join(f"{result[key]:.1e}" for key in _DIFFERENCES if result.get(key) is not None)
        seconds = (result.get("seconds_translate") or 0.0) + (result.get("seconds_verify") or 0.0)
        print(f"{status:12} {result['source']} {result['class']} {differences} {seconds:.1f} s", flush=True)
        if result["status"] in ("wrong", "crashed"):
            print(f"    {result.get('reason')}", flush=True)
    totals = collections.Counter(result["status"] for result in results)
    print(", ".join(f"{totals[status]} {status}" for status in ("right", "refused", "wrong", "crashed")))
    if out is not None:
        out.write_text(json.dumps(results, indent=1) + "\n")
    return 1 if totals["wrong"] or totals["crashed"] else 0


_DIFFERENCES = ("output_diff", "gradient_diff", "train_diff")


def _stats(specs: Sequence[str], out: Path | None, at_least: float) -> int:
    sources = [open_source(spec) for spec in specs]
    counted = []
    for source in sources:
        started = time.perf_counter()
        translation = translate_source(source, others=[other for other in sources if other is not source])
        counted.append(statistics_of(translation))
        _print(counted[-1], time.perf_counter() - started)
    if out is not None:
        try:
            out.write_text(json.dumps([found.to_json() for found in counted], indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{out}: not writable ({error.strerror}); give another --json file") from error
    return 1 if any(found.share < at_least for found in counted) else 0


def _print(counted: Statistics, seconds: float) -> None:
    name = " ".join(filter(None, (counted.source, counted.version)))
    print(f"{name}: {counted.files} files, {counted.classes} classes, ", end="")
    print(f"{counted.blocks} of them blocks and {counted.models} models")
    refused = counted.classes - counted.translated
    print(f"translated {counted.translated} ({counted.share:.1f} %), of the blocks {counted.translated_blocks}", end="")
    print(f"; refused {refused}; {seconds:.1f} s")
    for code, count in sorted(counted.refused.items(), key=lambda item: (-item[1], item[0])):
        print(f"  {code} {CODES[code][0]}: {count}")
    if counted.missing:
        print("  most wanted:")
        for name, count in list(counted.missing.items())[:20]:
            print(f"    {count:4} {name}")
    for path, reason in counted.skipped_files:
        print(f"  skipped {path}: {reason}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
