"""A block from one text of PyTorch source, as a language model writes it: mined, translated, verified, probed."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

from jnas.library.block import Block
from jnas.library.mining import mine
from jnas.library.store import LIBRARY_FILE, read_blocks
from translators.diagnostics import UserError


@dataclass(frozen=True)
class Written:
    """What became of a text: a block and the library folder that holds it, or the reason why there is none."""

    block: Block | None
    reason: str = ""
    folder: Path | None = None


def write_block(text: str, folder: Path) -> Written:
    """Keep `text` in `folder` under its hash and mine it. It is compared with PyTorch where torch is installed."""
    path = folder / f"code_{hashlib.sha256(text.encode()).hexdigest()[:12]}.py"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return read_written(path)


def read_written(path: Path) -> Written:
    """The block of a file that `write_block` left."""
    try:
        report = mine([str(path)], verify=importlib.util.find_spec("torch") is not None)
    except UserError as error:
        return Written(None, str(error))
    (library,) = report.folders
    placeable = [block for block in read_blocks(library) if block.placeable]
    if placeable:
        return Written(placeable[-1], folder=library)
    outcomes = json.loads((library / LIBRARY_FILE).read_text(encoding="utf-8"))["outcomes"]
    reasons = [f"{name.rpartition('.')[2]}: {o['code'] or o['status']} {o['reason']}" for name, o in outcomes.items()]
    return Written(None, "; ".join(reasons) or "no class with one tensor in and one out")
