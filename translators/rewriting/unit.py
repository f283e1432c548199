"""The result of rewriting one unit: its text and everything that the closure and the emitted module need to know."""

from __future__ import annotations

from dataclasses import dataclass, field

from translators.diagnostics import Refusal
from translators.index import Unit


@dataclass
class Facts:
    """What one function, method or class body does. `refusals` and `calls` hold those reached whenever it runs.

    A call is ('unit', Unit), ('self', method name) or ('super', method name).
    """

    refusals: list[Refusal] = field(default_factory=list)
    calls: list[tuple[str, object]] = field(default_factory=list)


@dataclass
class Rewritten:
    """A unit on the runtime. `imports` maps local names to (unit, its name); `namespaces` maps local names to modules.

    `failure` says why the unit as a whole cannot be emitted. `eager` holds the units needed when the module is executed.
    """

    unit: Unit
    text: str = ""
    imports: dict[str, tuple[Unit, str]] = field(default_factory=dict)
    namespaces: dict[str, str] = field(default_factory=dict)
    references: set[Unit] = field(default_factory=set)
    eager: set[Unit] = field(default_factory=set)
    facts: dict[str, Facts] = field(default_factory=dict)
    later: list[Refusal] = field(default_factory=list)
    failure: Refusal | None = None
