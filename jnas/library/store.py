"""Libraries in memory and on disk: which blocks there are, and their classes when a worker needs them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jnas.library.block import Block, Contract, Parameter
from jnas.library.declarations import OWN_BLOCKS
from jnas.library.exact import Evaluate, unknown
from jnas.library.layers import LAYERS
from jnas.library.memo import FILE, memo_in
from jnas.library.places import Places
from translators.diagnostics import UserError
from translators.spelling import is_spelled, spelled

LIBRARY_FILE = "library.json"
MODULES_FOLDER = "modules"
VERIFICATION_FILE = "verification.json"
OWN_PREFIX = "jnas."


@dataclass(frozen=True)
class Library(Mapping[str, Block]):
    """Blocks by name: our own and those of any number of mined sources."""

    blocks: Mapping[str, Block]
    evaluate: Evaluate = field(default=unknown, compare=False, repr=False)  # of what has no contract

    def __getitem__(self, name: str) -> Block:
        return self.blocks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.blocks)

    def __len__(self) -> int:
        return len(self.blocks)

    def placeable(self) -> tuple[Block, ...]:
        """Blocks with a contract, in a fixed order: the search draws from these."""
        return self._placeable

    @cached_property
    def _placeable(self) -> tuple[Block, ...]:
        return tuple(self.blocks[name] for name in sorted(self.blocks) if self.blocks[name].placeable)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of every record (where the emitted files lie does not matter)."""
        records = [block_to_json(self.blocks[name]) for name in sorted(self.blocks)]
        return hashlib.sha256(json.dumps(records, sort_keys=True).encode()).hexdigest()


def default_cache() -> Path:
    """Where libraries are kept: $JNAS_CACHE, or ~/.cache/jnas."""
    return Path(os.environ.get("JNAS_CACHE") or Path.home() / ".cache" / "jnas").expanduser()


def open_library(paths: Sequence[Path] = ()) -> Library:
    """Our own blocks and those of the library folders `paths`. Raises UserError where a folder holds no library."""
    blocks = OWN_BLOCKS | LAYERS
    for path in paths:
        blocks |= {block.name: block for block in read_blocks(Path(path))}
    return Library(MappingProxyType(blocks), Places(paths, memo_in(default_cache() / FILE)))


def read_blocks(folder: Path) -> tuple[Block, ...]:
    """The blocks of one library folder. One that was found to compute something else than PyTorch has no contract.

    Raises UserError.
    """
    try:
        content = json.loads((folder / LIBRARY_FILE).read_text(encoding="utf-8"))
        records = [*content["blocks"], *content.get("models", ())]
        blocks = tuple(block_from_json(record, folder / MODULES_FOLDER) for record in records)
        file = folder / VERIFICATION_FILE
        results = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return tuple(_verified(block, results[block.name]) if block.name in results else block for block in blocks)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder}: not a block library ({type(error).__name__}: {error}); make one with python -m jnas.mine SOURCE"
        ) from error


def _verified(block: Block, result: Mapping[str, Any]) -> Block:
    contract = None if result["status"] == "wrong" else block.contract
    return replace(block, contract=contract, verification=MappingProxyType(dict(result)))


def load_class(block: Block) -> Any:
    """The Flax class of a block (of a model factory the function).

    Imports emitted code: call it in worker processes only (our own blocks anywhere).
    """
    if block.name in LAYERS:
        return runtime_class(block.name)
    if block.folder is None:
        from jnas.library import primitives

        return getattr(primitives, block.name.removeprefix(OWN_PREFIX))
    from translators import load_object

    return load_object(Path(block.folder), block.name)


def load_reference(name: str, library: Library) -> Any:
    """A class or function of the runtime ("nn.LayerNorm") or of a mined source, by qualified name. Raises UserError."""
    if name.startswith("nn."):
        return runtime_class(name)
    from translators import load_object

    package = name.split(".")[0] + "."
    folders = {block.folder for block in library.values() if block.folder and block.name.startswith(package)}
    if not folders:
        raise UserError(f"{name}: no library has the source of {package[:-1]}; mine it")
    return load_object(Path(sorted(folders)[0]), name)


def construct(block: Block, arguments: Mapping[str, Any]) -> Any:
    """The module that `bind` arguments describe; names of runtime classes ("nn.GELU") become the classes."""
    return load_class(block)(**{name: runtime_class(value) for name, value in arguments.items()})


def runtime_class(value: Any) -> Any:
    """The class that a name like "nn.GELU" means, the module for "nn.Conv2d(8, 8, 1)"; other values as they are."""
    if is_spelled(value):
        from translators.runtime import nn

        return spelled(value, nn)
    if isinstance(value, tuple):
        return tuple(runtime_class(item) for item in value)
    return value


def block_to_json(block: Block) -> dict[str, Any]:
    """A record as JSON values; where it was found (the folder) and what was found later (the verification) left out."""
    record = {
        f.name: getattr(block, f.name)
        for f in fields(block)
        if f.name not in ("folder", "parameters", "contract", "verification")
    }
    record["provenance"] = dict(block.provenance)
    record["parameters"] = [dict(vars(parameter)) for parameter in block.parameters]
    record["contract"] = None
    if block.contract is not None:
        contract = {f.name: getattr(block.contract, f.name) for f in fields(block.contract)}
        record["contract"] = contract | {"supplied": dict(block.contract.supplied)}
    return record


def block_from_json(record: Mapping[str, Any], folder: Path | None) -> Block:
    """The inverse of block_to_json; JSON lists become tuples."""
    contract = record["contract"]
    if contract is not None:
        values = {name: tuples(value) for name, value in contract.items()}
        contract = Contract(**values | {"supplied": MappingProxyType(values["supplied"])})
    return Block(
        name=record["name"],
        family=record["family"],
        parameters=tuple(Parameter(**{k: tuples(v) for k, v in p.items()}) for p in record["parameters"]),
        contract=contract,
        description=record["description"],
        provenance=MappingProxyType(tuples(record["provenance"])),
        folder=None if folder is None else str(folder),
    )


def tuples(value: Any) -> Any:
    """JSON lists as tuples, at every depth."""
    if isinstance(value, list):
        return tuple(tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: tuples(item) for key, item in value.items()}
    return value
