"""Rewriting in several processes: each fills the store for its share of the modules, before the first goes on alone.

`python -m translators.warming CACHE NUMBER COUNT SOURCE...` does share NUMBER of COUNT; the first is the caller's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from translators.closure import Closures
from translators.index import Module
from translators.limits import collecting_rarely
from translators.sources import Source, open_source

_PAYS = 1_500_000  # characters that are not in the store: below, a process costs more than it saves
_ROOT = Path(__file__).resolve().parents[1]


def warm(sources: Sequence[Source], closures: Closures) -> None:
    """Rewrite what the store lacks in several processes, this one among them, where that is much."""
    count, store = os.cpu_count() or 1, closures.rewriter.store
    assert store is not None
    modules = _modules(sources[0], closures)
    missing = [module for module in modules if not store.has(module)]
    if count < 2 or sum(len(module.file.text) for module in missing) < _PAYS:
        return
    specs = [source.spec for source in sources]
    command = [sys.executable, "-m", "translators.warming", str(store.folder)]
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(_ROOT),
        "PYTHONSAFEPATH": "1",
        "JAX_PLATFORMS": "cpu",
    }
    started = [
        subprocess.Popen([*command, str(number), str(count), *specs], env=environment, stderr=subprocess.DEVNULL)
        for number in range(1, count)
    ]
    try:
        _rewrite(modules, closures, 0, count)
        for process in started:
            process.wait()
    finally:
        for process in started:
            process.kill()
            process.wait()


def _rewrite(modules: Sequence[Module], closures: Closures, number: int, count: int) -> None:
    """Share `number` of the modules, then what other processes have not come to, from their ends."""
    store = closures.rewriter.store
    assert store is not None
    own = modules[number::count]
    for module in [*own, *(module for module in reversed(modules) if module not in own)]:
        for unit in module.units if not store.has(module) else ():
            if unit.kind in ("class", "function"):
                closures.rewriter.rewrite(unit)
        store.flush()


def _modules(source: Source, closures: Closures) -> list[Module]:
    """Modules of the source that define module classes, large ones first."""
    found = {
        cls.unit.module
        for cls in closures.classes.classes.values()
        if cls.unit.module.source.spec == source.spec and closures.classes.is_module(cls)
    }
    return sorted(found, key=lambda module: (-len(module.file.text), module.name))


@collecting_rarely()
def main() -> None:
    from translators.translation import prepare

    cache, number, count, *specs = sys.argv[1:]
    sources = tuple(open_source(spec) for spec in specs)
    closures = prepare(sources, Path(cache))
    _rewrite(_modules(sources[0], closures), closures, int(number), int(count))
    os._exit(0)  # all is written: freeing the trees of a library one by one takes seconds


if __name__ == "__main__":
    main()
