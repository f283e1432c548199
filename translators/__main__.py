"""Command line: translate a source, verify translations against PyTorch, or count what a source holds."""

from __future__ import annotations

import argparse
import collections
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from translators.diagnostics import CODES, Refusal, Refused, UserError
from translators.sources import Source, open_source
from translators.translation import Translation, translate_class, translate_source


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m translators", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    translate = commands.add_parser("translate", help="write the translation of a source, or print that of one class")
    translate.add_argument("source", help="file, folder or installed package, with :CLASS for one class of it")
    translate.add_argument("--out", type=Path, help="folder for the emitted files")
    translate.add_argument(
        "--with", dest="others", action="append", default=[], help="further source to resolve names in"
    )
    verify = commands.add_parser("verify", help="compare translated classes with PyTorch")
    verify.add_argument("spec", type=Path, help="JSON list of rows: source, class, init, input_shapes")
    verify.add_argument("--root", action="append", default=[], metavar="NAME=DIR", help="folder of a source")
    verify.add_argument("--json", type=Path, help="where to write the result rows")
    verify.add_argument("--workers", type=int, default=0, metavar="N", help="processes; as many as cores by default")
    stats = commands.add_parser("stats", help="count classes, translations and refusals")
    stats.add_argument("sources", nargs="+")
    options = parser.parse_args(arguments)
    try:
        if options.command == "translate":
            return _translate(options.source, options.out, [open_source(other) for other in options.others])
        if options.command == "verify":
            return _verify(options.spec, options.root, options.json, options.workers)
        return _stats(options.sources)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _translate(spec: str, out: Path | None, others: Sequence[Source]) -> int:
    name, colon, wanted = spec.rpartition(":")
    source = open_source(name if colon else spec)
    translation = translate_class(source, wanted, others=others) if colon else translate_source(source, others=others)
    refused = {name: found for name, found in translation.outcomes.items() if isinstance(found, Refusal)}
    for found in refused.values() if colon else ():
        print(found, file=sys.stderr)
    if out is not None:
        write_modules(translation, out)
        print(f"{len(translation.outcomes) - len(refused)} translated, {len(refused)} refused, written to {out}")
    elif colon:
        from translators.emission import standalone

        print("\n\n".join(standalone(translation, name) for name in translation.outcomes if name not in refused))
    else:
        _print_counts(translation, 0.0)
    return 1 if colon and refused else 0


def write_modules(translation: Translation, folder: Path) -> None:
    """Write the emitted files below `folder`. Raises UserError when it cannot be written."""
    try:
        for path, text in translation.modules.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    except OSError as error:
        raise UserError(f"{folder}: not writable ({error.strerror}); give another --out folder") from error


def _verify(spec: Path, roots: Sequence[str], out: Path | None, workers: int) -> int:
    from translators.verification import require_torch, verify_rows

    require_torch()
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


def _stats(specs: Sequence[str]) -> int:
    sources = [open_source(spec) for spec in specs]
    for source in sources:
        started = time.perf_counter()
        translation = translate_source(source, others=[other for other in sources if other is not source])
        _print_counts(translation, time.perf_counter() - started)
    return 0


def _print_counts(translation: Translation, seconds: float) -> None:
    source = translation.source
    kinds = collections.Counter(mined.kind for mined in translation.classes)
    refused = [found for found in translation.outcomes.values() if isinstance(found, Refusal)]
    print(f"{source.name} {source.version}: {len(source.files)} files, {len(translation.classes)} classes", end=" ")
    print(f"({', '.join(f'{count} {kind}' for kind, count in kinds.most_common())})")
    print(f"translated {len(translation.classes) - len(refused)}, refused {len(refused)}, {seconds:.1f} s")
    for code, count in collections.Counter(found.code for found in refused).most_common():
        print(f"  {code} {CODES[code][0]}: {count}")
    for name, count in collections.Counter(found.name for found in refused).most_common(10):
        print(f"    {count:4} {name}")
    for path, reason in translation.skipped_files:
        print(f"  skipped {path}: {reason}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
