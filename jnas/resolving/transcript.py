"""What was asked and answered, by hash, so that a run can be continued and repeated without asking again."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Exchange:
    """A request and what came back, as JSON values. `identity` is the model and the parameters of all its requests."""

    key: str
    identity: Mapping[str, Any]
    request: Mapping[str, Any]
    reply: Mapping[str, Any]


def key_of(identity: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """sha256 (hex) over model, parameters, instructions, prompt, schema and seed."""
    return hashlib.sha256(json.dumps([identity, request], sort_keys=True).encode()).hexdigest()


class Transcript:
    """Exchanges by key. `keep` is called with each new one before its answer is used."""

    def __init__(self, exchanges: Iterable[Exchange] = (), keep: Callable[[Exchange], None] | None = None) -> None:
        self._by_key = {exchange.key: exchange for exchange in exchanges}
        self._keep = keep

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        return tuple(self._by_key.values())

    def recall(self, key: str) -> Mapping[str, Any] | None:
        """The reply that was recorded."""
        found = self._by_key.get(key)
        return None if found is None else found.reply

    def record(self, exchange: Exchange) -> None:
        if self._keep is not None:
            self._keep(exchange)
        self._by_key[exchange.key] = exchange

    def difference(self, request: Mapping[str, Any]) -> str:
        """How the nearest recorded request differs from this one, in one line."""
        nearest = max(self._by_key.values(), key=lambda exchange: _likeness(exchange.request, request), default=None)
        if nearest is None:
            return "nothing is recorded"
        for name in request:
            old, new = nearest.request.get(name), request[name]
            if old != new:
                old, new = _first_difference(old, new)
                return f"the nearest recording has {name} {old!r}, asked for {new!r}"
        return "the nearest recording is of another model"


def _likeness(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    mine, theirs = (str(request.get("prompt", "")).splitlines() for request in (one, other))
    same_lines = difflib.SequenceMatcher(None, mine, theirs, autojunk=False).ratio()
    return same_lines + (one.get("seed") == other.get("seed"))


def _first_difference(old: Any, new: Any) -> tuple[Any, Any]:
    if not (isinstance(old, str) and isinstance(new, str)):
        return old, new
    for before, after in zip(old.splitlines(), new.splitlines()):
        if before != after:
            return before[:100], after[:100]
    return len(old.splitlines()), len(new.splitlines())
