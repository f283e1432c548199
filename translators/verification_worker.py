"""The child process of a verification: it imports and runs the original and the translated class, and answers.

`python -m translators.verification_worker` reads one JSON request per line and writes one JSON answer per line.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from translators.absent import import_original
from translators.comparison import Different, compare, described
from translators.diagnostics import Refusal, Refused, UserError
from translators.sources import Source, identifier, open_source
from translators.verification import MEMORY_LIMIT, result_row


def verify(row: Mapping[str, Any], roots: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Translate into `folder` unless the row tells where the class was emitted, load, compare; every way to fail is a
    status."""
    from translators import load_object, reference

    seconds: dict[str, float] = {}
    started = time.perf_counter()
    try:
        if "emitted" in row:
            reference.make_importable([Path(place) for place in row["import_from"]])
            folder, module, name = Path(row["emitted"]), row["module"], f"{row['module']}.{row['class']}"
        else:
            spec, import_root, module = locate(row, roots)
            reference.make_importable([import_root, *(Path(root).parent for root in roots.values())])
            outcome, name = _translate(spec, module, row["class"], folder, [r for r in roots.values() if r != spec])
            seconds["seconds_translate"] = time.perf_counter() - started
            if isinstance(outcome, Refusal):
                return result_row(row, "refused", code=outcome.code, reason=str(outcome), **seconds)
        started = time.perf_counter()
        found = compare(load_object(folder, name), module, row["class"], _cases(row))
        seconds["seconds_verify"] = time.perf_counter() - started
        return result_row(row, "right", **found, **seconds)
    except Refused as error:
        return result_row(row, "refused", code=error.code, reason=error.message, **seconds)
    except Different as error:
        return result_row(row, "wrong", reason=str(error), **seconds)
    except Exception as error:
        return result_row(row, "crashed", reason=described(error), **seconds)


def locate(row: Mapping[str, Any], roots: Mapping[str, str]) -> tuple[str, Path, str]:
    """(what the translator opens, folder to import from, dotted module) of a row."""
    name, _, relative = row["source"].partition(":")
    if name in roots:
        folder = Path(roots[name])
        spec = str(folder)
    else:
        found = importlib.util.find_spec(name)
        if found is None or not found.submodule_search_locations:
            raise UserError(f"{name}: no installed package of this name; install it, or add --root {name}=FOLDER")
        folder, spec = Path(next(iter(found.submodule_search_locations))), name
    if not (folder / relative).is_file():
        raise UserError(f"{folder / relative}: no such file; a source is written PACKAGE:path/in/package.py")
    package = (folder / "__init__.py").is_file()
    dotted = relative.removesuffix(".py").replace("/", ".").removesuffix("__init__").removesuffix(".")
    parts = [folder.name, dotted] if package else [dotted]
    return spec, folder.parent if package else folder, ".".join(filter(None, parts))


def _cases(row: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], list[tuple[int, ...]]]]:
    """(constructor arguments, shapes of the inputs), the likeliest first; of the others a class may refuse some."""
    if "cases" in row:
        return [(case["init"], [tuple(shape) for shape in case["input_shapes"]]) for case in row["cases"]]
    return [(row["init"], list(shapes)) for shapes in variants(row["input_shapes"])]


def variants(shapes: Sequence[Sequence[int]]) -> list[tuple[tuple[int, ...], ...]]:
    """The shapes as given, then candidates for batch 1 and for odd sizes; a class need not accept the latter."""
    given = tuple(tuple(shape) for shape in shapes)
    enlarged = {4: ((2, 3), (1, 2)), 3: ((2,), (1,))}.get(len(given[0]), ((2, 3, 4),))
    odd = [tuple(tuple(n + (i in axes and 1 + i % 2) for i, n in enumerate(s)) for s in given) for axes in enlarged]
    return [given, tuple((1, *shape[1:]) for shape in given), *odd]


def _translate(spec: str, module: str, name: str, folder: Path, others: Sequence[str]) -> tuple[Any, str]:
    """Emit the class into `folder`. Returns its outcome and its qualified name."""
    from translators import translate_class

    source, further = _source(spec), [_source(other) for other in others]
    original_module, module = module, ".".join(map(identifier, module.split(".")))
    try:
        translation = translate_class(source, f"{module}.{name}", others=further)
    except UserError:
        original = getattr(import_original(original_module), name)  # an alias of a class that is defined elsewhere
        module, name = original.__module__, original.__qualname__
        translation = translate_class(source, f"{module}.{name}", others=further)
    for path, text in translation.modules.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return translation.outcomes[f"{module}.{name}"], f"{module}.{name}"


@functools.cache
def _source(spec: str) -> Source:
    return open_source(spec)


def main() -> None:
    """Answers requests, one JSON line each. What imported packages print goes to the log, not into the answers."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import jax
    import torch

    torch.set_num_threads(1)  # there are as many processes as cores
    jax.config.update("jax_default_matmul_precision", "highest")
    _limit_memory()
    print(file=answers, flush=True)  # ready
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            answer = verify(request["row"], request["roots"], Path(folder))
        print(json.dumps(answer), file=answers, flush=True)
        jax.clear_caches()  # no program is used for a second row


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * resource.getpagesize() + MEMORY_LIMIT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
