"""What a measurement of blocks depends on, as a hash: it is the key of the memo."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jnas.library.block import Block
from jnas.library.memo import code_hash, source_hash
from jnas.library.store import OWN_PREFIX, block_to_json
from jnas.trees.remembered import per_library


def content_key(library: Mapping[str, Block], names: frozenset[str], *facts: Any) -> str:
    """Hash of the facts (JSON values), the blocks of these names, their emitted source, our code and JAX's version."""
    block_hash = _block_hashes(library)
    text = json.dumps([code_hash(), [block_hash(name) for name in sorted(names)], *facts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@per_library
def _block_hashes(library: Mapping[str, Block]) -> Callable[[str], str]:
    @cache
    def block_hash(name: str) -> str:
        block = library[name]
        record = {k: v for k, v in block_to_json(block).items() if k in ("name", "parameters", "contract")}
        source = "" if block.folder is None or name.startswith(OWN_PREFIX) else source_hash(Path(block.folder))
        return hashlib.sha256((json.dumps(record, sort_keys=True) + source).encode()).hexdigest()

    return block_hash
