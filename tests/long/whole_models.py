"""How many model classes of a mined library build, and equal PyTorch: python tests/long/whole_models.py LIBRARY OUT.

One factory stands for each class, at the smallest settings that its signature offers. Results are lines of JSON in
OUT; what is there already is not done again. With --verify each is compared with PyTorch (state copied, evaluation and
training mode), which needs torch and the package itself.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jnas.library.block import Block
from jnas.library.models import MAKES
from jnas.library.store import Library, open_library
from jnas.models.build import construct
from jnas.models.lifting import CLASS_COUNTS, SIZES
from jnas.models.tracing import record
from translators.verification import Verifier

CLASSES = 10
IMAGES = (64, 224, 96, 128, 256, 32, 160, 192, 240, 288, 299, 384)
FACTORIES = 4  # of a class that are tried


def model_classes(library: Library) -> dict[str, list[Block]]:
    """Class -> its factories: those of its own module first, then those of the shortest names."""
    found: dict[str, list[Block]] = {}
    for block in library.values():
        for name in block.provenance.get(MAKES, ()):
            found.setdefault(name, []).append(block)

    def order(block: Block) -> tuple[bool, int, str]:
        beside = block.name.rpartition(".")[0] == name.rpartition(".")[0]
        return not beside, len(block.name), block.name

    for name in found:
        found[name].sort(key=order)
    return dict(sorted(found.items()))


def settings(block: Block) -> Iterator[tuple[dict[str, Any], int]]:
    """(keyword arguments, image size), the smallest first."""
    names = {parameter.name: parameter for parameter in block.parameters}
    classes = {name: CLASSES for name in CLASS_COUNTS[:1] if name in names}
    shallow = {}
    for parameter in block.parameters:
        if parameter.role == "depth" and not parameter.name.startswith("num_stages"):
            default = parameter.default
            if isinstance(default, (tuple, list)) and all(type(v) is int for v in default):
                shallow[parameter.name] = tuple(min(v, 1) for v in default)
            elif type(default) is int and default > 1:
                shallow[parameter.name] = 1
    size = next((name for name in SIZES if name in names), None)
    for small in (shallow, {}) if shallow else ({},):
        for image in IMAGES[: len(IMAGES) if not small else 3]:
            sizes = [{size: image}] if size else [{}]
            for more in sizes:
                yield classes | small | more, image


def smallest(block: Block, library: Library) -> tuple[dict[str, Any], int, int] | str:
    """The first settings at which a factory builds and gives logits, and how many calls of modules that takes; else
    the last reason why not."""
    failure = "no settings"
    for values, image in settings(block):
        try:
            recording = record(lambda: construct(block, values, library), (2, 3, image, image))  # noqa: B023
            if getattr(recording.call.returned, "shape", ())[:1] == (2,):
                return values, image, sum(1 for _ in recording.call.walk())
            failure = f"returns {type(recording.call.returned).__name__}"
        except Exception as error:  # whatever translated code raises
            failure = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200]}"
    return failure


def row_of(block: Block, values: Mapping[str, Any], image: int, package: Path) -> dict[str, Any]:
    """The verification of one factory where it was emitted."""
    module, _, name = block.name.rpartition(".")
    return {
        "source": module,
        "class": name,
        "module": module,
        "emitted": block.folder,
        "import_from": [str(package)],
        "cases": [{"init": dict(values), "input_shapes": [[2, 3, image, image]]}],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--verify", type=Path, metavar="DIR", help="where the original package can be imported from")
    parser.add_argument("--only", default="", metavar="TEXT", help="classes whose names hold this text")
    options = parser.parse_args()
    library = open_library([options.library])
    done = {}
    if options.out.is_file():
        done = {row["model"]: row for row in map(json.loads, options.out.read_text().splitlines())}
    classes = {name: found for name, found in model_classes(library).items() if options.only in name}
    with options.out.open("a") as out, Verifier({}, seconds=900) as verifier:
        for number, (model, factories) in enumerate(classes.items(), 1):
            if model in done and (options.verify is None or "verified" in done[model]):
                continue
            started = time.process_time()
            tried = [(block, smallest(block, library)) for block in factories[:FACTORIES]]
            built = [(block, found) for block, found in tried if not isinstance(found, str)]
            if built:
                block, (values, image, _) = min(built, key=lambda pair: pair[1][2])
                row = {"model": model, "factory": block.name, "status": "builds", "init": values, "image": image}
                if options.verify is not None:
                    row["verified"] = verifier.verify(row_of(block, values, image, options.verify))
            else:
                block, reason = tried[-1]
                row = {"model": model, "factory": block.name, "status": "fails", "reason": reason}
            row["seconds"] = round(time.process_time() - started, 1)
            done[model] = row
            out.write(json.dumps(row) + "\n")
            out.flush()
            print(f"{number}/{len(classes)} {row['status']:7} {model} {row.get('reason', '')}", flush=True)
    builds = sum(row["status"] == "builds" for row in done.values())
    right = sum(row.get("verified", {}).get("status") == "right" for row in done.values())
    print(f"{len(done)} model classes, {builds} build ({builds / len(done):.0%}), {right} equal PyTorch")
    return 0


if __name__ == "__main__":
    sys.exit(main())
