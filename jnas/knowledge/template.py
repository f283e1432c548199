"""The template of FairNAD's design knowledge: levels, categories and sub-categories, in words of our own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from jnas.library.block import FAMILIES, ROLES
from jnas.trees.edits import KINDS
from jnas.trees.options import FORMS
from jnas.trees.scope import WHERE
from translators.diagnostics import UserError

TEMPLATE = Path(__file__).with_name("template.toml")
LEVELS = ("operation", "block", "network")
LISTS = {"kinds": KINDS, "roles": (*ROLES, "join"), "families": FAMILIES, "forms": FORMS}
BRINGING = ("swap", "insert", "compose")  # kinds that need a block


@dataclass(frozen=True)
class SubCategory:
    """Which edits realise an idea of it: `kinds`; `roles` of what a "set" may change; `families` of what may come in;
    `forms` of compositions (none: all); `where`, as in jnas.trees.scope.
    """

    category: str
    name: str
    definition: str
    kinds: tuple[str, ...]
    roles: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    where: str = ""

    @property
    def key(self) -> str:
        return f"{self.category}/{self.name}"


@dataclass(frozen=True)
class Category:
    name: str
    level: str
    definition: str
    subs: tuple[SubCategory, ...]


@dataclass(frozen=True)
class Template:
    categories: tuple[Category, ...]

    @cached_property
    def subs(self) -> Mapping[str, SubCategory]:
        """By key, in order."""
        return {sub.key: sub for category in self.categories for sub in category.subs}

    def level(self, key: str) -> str:
        """Of the sub-category with that key."""
        return next(category.level for category in self.categories if category.name == self.subs[key].category)


@cache
def template() -> Template:
    """The template that comes with the package."""
    return read_template(TEMPLATE.read_text(encoding="utf-8"), str(TEMPLATE))


def read_template(text: str, origin: str) -> Template:
    """Raises UserError naming the first thing that is wrong."""
    try:
        categories = tomllib.loads(text).get("category", [])
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{origin}: not TOML: {error}") from None
    made = tuple(_category(values, origin) for values in categories)
    keys = [sub.key for category in made for sub in category.subs]
    for found in (keys, [category.name for category in made]):
        if double := next((key for key in found if found.count(key) > 1), None):
            raise UserError(f"{origin}: {double} stands there twice; give it one name and one place")
    return Template(made)


def _category(values: Mapping[str, Any], origin: str) -> Category:
    where = f"{origin}: category {values.get('name', '?')}"
    _check(values, {"name", "level", "definition", "sub"}, {"name", "level", "definition", "sub"}, where)
    _one_of(values["level"], LEVELS, f"{where}: level")
    return Category(
        values["name"],
        values["level"],
        values["definition"],
        tuple(_sub(values["name"], sub, where) for sub in values["sub"]),
    )


def _sub(category: str, values: Mapping[str, Any], where: str) -> SubCategory:
    where = f"{where}, {values.get('name', '?')}"
    _check(values, {"name", "definition", "kinds"}, {"name", "definition", "where", *LISTS}, where)
    for name, known in LISTS.items():
        for value in values.get(name, ()):
            _one_of(value, known, f"{where}: {name}")
    _one_of(values.get("where", ""), ("", *WHERE), f"{where}: where")
    if "set" in values["kinds"] and not values.get("roles"):
        raise UserError(f"{where}: kind set without roles; say which settings may change")
    if {*BRINGING} & {*values["kinds"]} and not values.get("families"):
        raise UserError(f"{where}: kinds {', '.join(values['kinds'])} without families; say which blocks may come in")
    lists = {name: tuple(values.get(name, ())) for name in LISTS}
    return SubCategory(category, values["name"], values["definition"], where=values.get("where", ""), **lists)


def _check(values: Mapping[str, Any], needed: set[str], known: set[str], where: str) -> None:
    if missing := sorted(needed - values.keys()):
        raise UserError(f"{where}: no {missing[0]}; expected {', '.join(sorted(needed))}")
    if extra := sorted(values.keys() - known):
        raise UserError(f"{where}: unknown key {extra[0]}; expected some of {', '.join(sorted(known))}")


def _one_of(value: object, known: Sequence[str], where: str) -> None:
    if value not in known:
        raise UserError(f"{where} = {value!r}: expected one of {', '.join(known)}")
