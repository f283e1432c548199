"""Weights of a model in the network of the tree that it was lifted into: what part of the one is what of the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jnas.models.assembly import Assembly, Joined, Part, Placed
from translators.runtime.state import load_state_dict, state_dict


def placements(assembly: Assembly) -> Iterator[str]:
    """The attribute path, in the built network, of every module of a tree in the order of data flow; the parts inside a
    module follow it. The last is the network's own classifier, where it has one."""
    yield from _placements(assembly.stem, "stem")
    yield from _placements(assembly.stages, "stages")
    if assembly.head is None:
        yield "classifier"
    else:
        yield from _placements(assembly.head, "head")


def _placements(part: Part, path: str) -> Iterator[str]:
    if isinstance(part, Joined):
        names = {"sequence": "", "residual": "body"}.get(part.kind, "branches.")
        for i, inner in enumerate(part.parts):
            yield from _placements(inner, f"{path}.{names}" if names == "body" else f"{path}.{names}{i}")
        return
    yield from _placed(part, path if part.layouts is None else f"{path}.block")


def _placed(part: Placed, path: str) -> Iterator[str]:
    yield path
    for inside in part.inside:
        for i, (inner, _, _) in enumerate(inside.parts):
            place = f"{path}.{inside.place}.{i}" if inside.many else f"{path}.{inside.place}"
            yield from _placements(inner, f"{place}.part")


def carry(state: Mapping[str, Any], origins: tuple[str, ...], assembly: Assembly, network: Any) -> None:
    """Write the state of the lifted model (by PyTorch names) into the network. Raises ValueError where it cannot."""
    pairs = sorted(zip(placements(assembly), origins, strict=True), key=lambda pair: -len(pair[0]))
    carried = {}
    for name in state_dict(network):
        place, origin = next(pair for pair in pairs if name.startswith(f"{pair[0]}."))
        inside = name.removeprefix(f"{place}.")
        carried[name] = state[f"{origin}.{inside}" if origin else inside]
    load_state_dict(network, carried)
