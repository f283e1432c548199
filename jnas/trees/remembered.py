"""What was worked out of a library or a node once, kept for the trees to come, which differ in few nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

NODES = 2**15  # a table of results by node keeps so many, those used last
LIBRARIES = 4


def per_library(make: Callable[[Mapping[str, Any]], T]) -> Callable[[Mapping[str, Any]], T]:
    """`make(library)`, called once for each of the last few libraries; which one it is counts, not what it holds."""
    kept: dict[int, tuple[Mapping[str, Any], T]] = {}  # with the library, so that its identity is not used twice

    def made(library: Mapping[str, Any]) -> T:
        found = kept.get(id(library))
        if found is None:
            for oldest in list(kept)[: max(0, len(kept) + 1 - LIBRARIES)]:
                kept.pop(oldest, None)
            found = kept[id(library)] = (library, make(library))
        return found[1]

    return made
