"""Ideas: one or two sentences each, with where they come from, as lines of JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from jnas.knowledge.template import Template, template
from jnas.library.files import write_atomically
from translators.diagnostics import UserError

STARTER = Path(__file__).with_name("starter.jsonl")
STARTER_NAME = "starter"
MOST_EDITS = 3
SIGNS = {"": 0, "up": 1, "down": -1}
NEEDED, KNOWN = {"place", "text", "source"}, {"place", "text", "source", "edits", "direction"}


@dataclass(frozen=True)
class Idea:
    """`place` is the key of a sub-category. `source` tells where the idea comes from: authors, title and year of the
    publication that introduced it, or path and sha256 of the document that it was found in.

    `edits`: how many it takes; `direction`: "up" or "down" where it asks for more or for less of something.
    """

    place: str
    text: str
    source: Mapping[str, Any] = field(hash=False)
    edits: int = 1
    direction: str = ""

    @cached_property
    def key(self) -> str:
        """Says where the idea belongs and which one it is; the same wherever it is stored."""
        return f"{self.place}/{hashlib.sha256(self.text.encode()).hexdigest()[:8]}"

    @property
    def category(self) -> str:
        return category_of(self.place)

    def to_plain(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"place": self.place, "text": self.text, "source": dict(self.source)}
        plain |= {"edits": self.edits} if self.edits != 1 else {}
        return plain | ({"direction": self.direction} if self.direction else {})


def category_of(place: str) -> str:
    return place.partition("/")[0]


@dataclass(frozen=True)
class Knowledge:
    """Ideas, and the template that they are sorted into."""

    template: Template
    ideas: tuple[Idea, ...]

    def realisable(self, families: Iterable[str]) -> Knowledge:
        """Without the ideas that no edit can realise where only blocks of these families may come in."""
        there, subs = {*families}, self.template.subs
        kept = [
            idea
            for idea in self.ideas
            if {"set", "delete"} & {*subs[idea.place].kinds} or there & {*subs[idea.place].families}
        ]
        return Knowledge(self.template, tuple(kept))


def read_ideas(name: str) -> tuple[Idea, ...]:
    """The starter ideas, or those of a file. Raises UserError naming the line."""
    path = STARTER if name == STARTER_NAME else Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise UserError(
            f"knowledge {name}: {reason}; expected {STARTER_NAME!r} or a file made by python -m jnas.knowledge build"
        ) from None
    return parse_ideas(text, str(path), template())


def parse_ideas(text: str, origin: str, template: Template) -> tuple[Idea, ...]:
    """One idea a line; of two that say the same the first. Raises UserError naming the line."""
    found: dict[str, Idea] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            idea = _idea(line, f"{origin}, line {number}", template)
            found.setdefault(idea.key, idea)
    return tuple(found.values())


def write_ideas(ideas: Iterable[Idea], path: Path) -> None:
    """Whole or not at all."""
    write_atomically(path, "".join(json.dumps(idea.to_plain(), ensure_ascii=False) + "\n" for idea in ideas))


def _idea(line: str, where: str, template: Template) -> Idea:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise UserError(f"{where}: not JSON ({error}); expected one idea a line") from None
    if not isinstance(values, dict) or not NEEDED <= values.keys() <= KNOWN:
        raise UserError(f"{where}: expected an object with {', '.join(sorted(NEEDED))}, and perhaps edits, direction")
    place, text, edits = values["place"], values["text"], values.get("edits", 1)
    if place not in template.subs:
        near = get_close_matches(str(place), template.subs, n=1)
        raise UserError(
            f"{where}: place {place!r} is no sub-category{f'; did you mean {near[0]!r}?' if near else ''}; "
            "python -m jnas.knowledge stats lists them"
        )
    if not isinstance(text, str) or not text.strip() or not isinstance(values["source"], dict):
        raise UserError(f"{where}: expected a text of one or two sentences and a source")
    if edits not in range(1, MOST_EDITS + 1) or values.get("direction", "") not in SIGNS:
        raise UserError(f'{where}: expected edits from 1 to {MOST_EDITS} and direction "up" or "down"')
    return Idea(place, " ".join(text.split()), values["source"], edits, values.get("direction", ""))
