"""The result of rewriting one unit: its text and everything that the closure and the emitted module need to know."""

from __future__ import annotations

from dataclasses import dataclass, field

from translators.diagnostics import Refusal
from translators.index import Module, Unit


@dataclass(frozen=True)
class Call:
    """A call of `name` on 'self', on 'super', or on a unit: there the name of a method of a class, or empty."""

    on: str
    name: str
    unit: Unit | None = None


@dataclass
class Facts:
    """What one function or method does. `refusals` and `calls` hold those reached whenever it runs."""

    refusals: list[Refusal] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


@dataclass
class Rewritten:
    """A unit on the runtime. `imports` maps local names to (unit, its name), `modules` to modules of the sources, and
    `namespaces` to foreign modules or names.

    `failure` says why the unit cannot be emitted. `eager` holds the units needed when the module is executed. `entries`
    is the table of a registry, which stands in `text` as {}: name -> (unit, None where the runtime has it; expression).
    """

    unit: Unit
    text: str = ""
    imports: dict[str, tuple[Unit, str]] = field(default_factory=dict)
    modules: dict[str, Module] = field(default_factory=dict)
    namespaces: dict[str, str] = field(default_factory=dict)
    references: set[Unit] = field(default_factory=set)
    eager: set[Unit] = field(default_factory=set)
    facts: dict[str, Facts] = field(default_factory=dict)
    later: list[Refusal] = field(default_factory=list)
    failure: Refusal | None = None
    entries: dict[str, tuple[Unit | None, str]] | None = None
