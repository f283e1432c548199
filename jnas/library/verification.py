"""Parity of a library's blocks with PyTorch: what is compared, what is known already, where the results live.

A result belongs to the content that it is about (the block's closure, the runtime, the arguments and shapes, PyTorch's
version) and is kept as soon as it is there, so that a run that was stopped goes on where it stood.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import translators
from jnas.library.binding import BindError, Shape, bind, contract_of, open_arguments, output_shape
from jnas.library.block import Block
from jnas.library.closures import Closures
from jnas.library.execution import Place
from jnas.library.files import write_atomically
from jnas.library.store import LIBRARY_FILE, MODULES_FOLDER, VERIFICATION_FILE, block_from_json
from translators import Source
from translators.spelling import is_spelled
from translators.verification import require_torch, verify_rows

SECONDS = 300.0  # for one block
_SETTLED = ("right", "wrong", "refused")  # a crash may be the machine's, and is tried again

_WIDTHS = (16, 32, 48, 64, 96, 128, 192, 256, 384)
_SIZES = (12, 14, 16, 28, 32, 56, 64)
_ODD_SIZES = ((13, 15), (15, 15), (18, 14), (21, 21), (20, 28), (24, 24), (48, 32))


def verify_library(
    folder: Path,
    sources: Sequence[Source],
    cache: Path,
    progress: Callable[[int, int], None],
    workers: int = 0,
) -> dict[str, dict[str, Any]]:
    """Compare every executed block of the library in `folder` with the class in `sources` that it was mined from.

    Returns the results by name, which `read_blocks` finds from then on. `cache` keeps results by content. Raises
    UserError where torch is not installed.
    """
    require_torch()
    modules = folder / MODULES_FOLDER
    closures, fixed = Closures(modules), _fixed_hash()
    cache.mkdir(parents=True, exist_ok=True)
    rows = {block.name: _row(block, cases, modules) for block, cases in _all_cases(folder)}
    keys = {name: _key(fixed, closures.hash_of(name), row["cases"]) for name, row in rows.items()}
    results = {name: found for name, key in keys.items() if (found := _read(cache / f"{key}.json")) is not None}
    missing = [name for name in rows if name not in results]
    progress(len(results), len(rows))
    with tempfile.TemporaryDirectory() as place:
        imported_from = _written_out(sources, Path(place))
        todo = [rows[name] | {"import_from": imported_from} for name in missing]
        for name, answer in zip(missing, verify_rows(todo, {}, workers=workers, seconds=SECONDS)):
            results[name] = _record(answer)
            if answer["status"] in _SETTLED:
                write_atomically(cache / f"{keys[name]}.json", json.dumps(results[name]))
            progress(len(results), len(rows))
    results = {name: results[name] for name in sorted(results)}
    write_atomically(folder / VERIFICATION_FILE, json.dumps(results, indent=1) + "\n")
    return results


def _all_cases(folder: Path) -> Iterator[tuple[Block, list[dict[str, Any]]]]:
    content = json.loads((folder / LIBRARY_FILE).read_text(encoding="utf-8"))
    for record in content["blocks"]:
        block = block_from_json(record, folder / MODULES_FOLDER)
        cases = list(cases_of(block, content["outcomes"][block.name].get("example")))
        if cases:
            yield block, cases


def cases_of(block: Block, example: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Constructor arguments and input shapes to compare on: as the contract binds them, then as probing ran them."""
    if block.contract is not None:
        yield from _bound_cases(block)
    if example is not None:
        batch, *rest = example["shape"]
        for shape in ([batch, *rest], [1, *rest]):
            yield _case(example["arguments"], shape)


def _bound_cases(block: Block) -> Iterator[dict[str, Any]]:
    """Three places: an even size, batch one at another width, odd sizes with other decisions (if they fit together)."""
    even = [(width, size, size) for size in _SIZES for width in _WIDTHS]
    odd = [(width, *sizes) for sizes in _ODD_SIZES for width in _WIDTHS]
    found = list(islice(_fitting(block, even), 2))
    for shape in found[:1]:
        yield _bound_case(block, {}, shape, 2)
    for shape in found[-1:]:
        yield _bound_case(block, {}, shape, 1)
    for shape in list(islice(_fitting(block, odd), 1)) or found[:1]:
        yield _bound_case(block, _other_decisions(block, shape), shape, 2)
        yield _bound_case(block, {}, shape, 2)


def _bound_case(block: Block, args: Mapping[str, Any], shape: Shape, batch: int) -> dict[str, Any]:
    place = Place(shape, contract_of(block).layout, batch)
    return _case(bind(block, args, shape), place.tensor)


def _other_decisions(block: Block, shape: Shape) -> dict[str, Any]:
    """For each argument that a tree may set here a value that is not its default, as long as all bind together."""
    args: dict[str, Any] = {}
    for name, values in open_arguments(block, shape).items():
        parameter = block.parameter(name)
        others = [value for value in values if parameter is None or value != parameter.default]
        for value in others[:1]:
            try:
                output_shape(block, {**args, name: value}, shape)
            except BindError:
                continue
            args[name] = value
    return args


def _fitting(block: Block, shapes: Sequence[Shape]) -> Iterator[Shape]:
    for shape in shapes:
        try:
            if min(output_shape(block, {}, shape)) >= 1:
                yield shape
        except BindError:
            continue


def _case(arguments: Mapping[str, Any], shape: Sequence[int]) -> dict[str, Any]:
    return {"init": {name: _spelled(value) for name, value in arguments.items()}, "input_shapes": [list(shape)]}


def _spelled(value: Any) -> Any:
    """Names of runtime classes as a verification row spells them."""
    if isinstance(value, (tuple, list)):
        return [_spelled(item) for item in value]
    return f"${value}" if is_spelled(value) else value


def _row(block: Block, cases: list[dict[str, Any]], modules: Path) -> dict[str, Any]:
    module, _, name = block.name.rpartition(".")
    path = str(block.provenance.get("path", module))
    return {"source": path, "class": name, "module": module, "emitted": str(modules), "cases": cases}


def _record(answer: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("status", "code", "reason", "output_diff", "gradient_diff", "train_diff", "shapes", "seconds_verify")
    return {name: answer.get(name) for name in kept} | {"torch": importlib.metadata.version("torch")}


def _written_out(sources: Sequence[Source], place: Path) -> list[str]:
    """Folders below `place` from which those sources can be imported that are not installed."""
    folders = []
    for number, source in enumerate(sources):
        if not Path(source.spec).expanduser().exists():
            continue
        folder = place / str(number)
        for file in (*source.context, *source.files):
            target = folder / file.emitted_path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.text, encoding="utf-8")
        folders.append(str(folder))
    return folders


def _fixed_hash() -> str:
    """Hash of what every comparison uses: the runtime, the comparison itself, PyTorch's version."""
    code = Path(translators.__file__).parent
    digest = hashlib.sha256(importlib.metadata.version("torch").encode())
    for path in (code / "comparison.py", code / "reference.py", *sorted((code / "runtime").rglob("*.py"))):
        digest.update(f"\0{path.relative_to(code)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _key(fixed: str, closure: str, cases: Sequence[Mapping[str, Any]]) -> str:
    return hashlib.sha256("\0".join((fixed, closure, json.dumps(cases, sort_keys=True))).encode()).hexdigest()


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
