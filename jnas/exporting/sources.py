"""The sources that the blocks of a tree were mined from: found again, and the same as they were."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from jnas.exporting.expression import Design
from jnas.exporting.originals import Originals
from jnas.library.block import Block
from jnas.library.store import LIBRARY_FILE
from translators.diagnostics import UserError
from translators.sources import Source, open_source


def opened(plan: Design, specs: Sequence[str]) -> Originals:
    """Originals of the mined blocks of a tree, from `specs` and installed packages. Raises UserError where one is
    missing, or is not what was mined."""
    named = dict.fromkeys([*specs, *_packages(plan.mined)])
    originals = Originals([source for spec in named if (source := _open(spec, required=spec in specs)) is not None])
    for block in plan.mined:
        module = block.name.rpartition(".")[0]
        if originals.sha256(module) != block.provenance.get("sha256"):
            known = (str(block.provenance.get(key, "")) for key in ("package", "version", "path"))
            raise UserError(
                f"{block.name}: the PyTorch source that it was mined from ({' '.join(filter(None, known))}) is not "
                "here as it was; name it with --source, or export with --to flax"
            )
    return originals


def _packages(blocks: Sequence[Block]) -> Iterator[str]:
    """Packages of the blocks, and those that their translation was completed from."""
    yield from (str(block.provenance.get("package", "")) for block in blocks)
    for folder in sorted({block.folder for block in blocks if block.folder}):
        file = Path(folder).parent / LIBRARY_FILE
        if file.is_file():
            yield from (name for name, digest in json.loads(file.read_text())["installed"].items() if digest)


def _open(spec: str, required: bool) -> Source | None:
    try:
        return open_source(spec)
    except UserError:
        if required:
            raise
        return None
