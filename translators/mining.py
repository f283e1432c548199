"""Every nn.Module class of a source: signature, ports of forward, closure, provenance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Argument:
    """A constructor argument; `default` is its value when the source spells a literal, else None."""

    name: str
    required: bool
    default: Any
    default_source: str
    annotation: str


@dataclass(frozen=True)
class Provenance:
    """Where a class comes from; `lines` is (first, last), `sha256` that of the whole file."""

    package: str
    version: str
    path: str
    lines: tuple[int, int]
    licence: str
    sha256: str


@dataclass(frozen=True)
class MinedClass:
    """A class that derives from nn.Module. `inputs` are the required tensor arguments of forward.

    `returns` is 'tensor', 'tuple', 'dict' or 'unknown'; `kind` is 'block' (one tensor in, one out), 'model' or 'other'.
    """

    qualified_name: str
    module: str
    name: str
    path: str
    first_line: int
    last_line: int
    arguments: tuple[Argument, ...]
    inputs: tuple[str, ...]
    returns: str
    kind: str
    doc: str
    bases: tuple[str, ...]
    closure: tuple[str, ...]
    provenance: Provenance
