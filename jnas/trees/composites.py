"""Composites: what past edits put together, as templates that are offered again like blocks (ours). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from jnas.library.block import Block
from jnas.trees.edits import Edit, node_name
from jnas.trees.node import Node, canonical, tree_hash, walk
from jnas.trees.remembered import NODES, per_library

FAMILY = "composite"
MOST_PARTS = 5


def composites(edits: Iterable[Edit], library: Mapping[str, Block]) -> dict[str, Node]:
    """Templates by name of what the "compose" edits among `edits` made of two to MOST_PARTS blocks, oldest first.

    A tree that uses one holds all of it, so names are needed where composites are offered only.
    """
    found: dict[str, Node] = {}
    for edit in edits:
        if edit.kind == "compose" and len(blocks_in(edit.value)) <= MOST_PARTS:
            name, template = _templates(library)(edit.value)
            found.setdefault(name, template)
    return found


@lru_cache(NODES)
def as_block(name: str, template: Node) -> Block:
    """The record by which a composite is drawn and shown. It cannot be placed by a contract: see placing.py."""
    return Block(name, FAMILY, description=node_name(template))


@per_library
def _templates(library: Mapping[str, Block]) -> Callable[[Node], tuple[str, Node]]:
    """(name, template) of a composition."""

    @lru_cache(NODES)
    def named(composed: Node) -> tuple[str, Node]:
        template = canonical(_template(composed, library), library)
        return f"{FAMILY}.{tree_hash(template, library)[:8]}", template

    return named


def blocks_in(node: Node) -> list[str]:
    return [inner.block for _, inner in walk(node) if not inner.is_container]


def _template(value: Any, library: Mapping[str, Block]) -> Any:
    """Without widths and strides, which come from the place."""
    if isinstance(value, tuple):
        return tuple(_template(item, library) for item in value)
    if not isinstance(value, Node):
        return value
    contract = None if value.is_container else library[value.block].contract
    placed = () if contract is None else (contract.output_width, contract.stride)
    return Node(value.block, {k: _template(v, library) for k, v in value.args.items() if k not in placed})
