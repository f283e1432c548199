"""Submodules that write into what they get: `self.act = nn.ReLU(inplace=True)`, alone or first of a Sequential."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from translators.environment import dotted
from translators.rewriting.scopes import FunctionNode, own_nodes

ALWAYS, PERHAPS = "always", "perhaps"


def in_place_attributes(methods: Iterable[FunctionNode], foreign: Callable[[str | None], str]) -> dict[str, str]:
    """Attribute -> ALWAYS when calling it writes its argument and returns it, PERHAPS when that shows only at run time.

    `foreign` gives the canonical name of a torch symbol for a spelling, else an empty string.
    """
    found: dict[str, str] = {}
    for method in methods:
        for node in own_nodes(method):
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
                continue
            how = _writes(node.value, foreign)
            for target in node.targets:
                name = dotted(target) or ""
                if how is not None and name.startswith("self.") and name.count(".") == 1:
                    attribute = name.removeprefix("self.")
                    found[attribute] = how if found.get(attribute, how) == how else PERHAPS
    return found


def _writes(call: ast.Call, foreign: Callable[[str | None], str]) -> str | None:
    name = foreign(dotted(call.func))
    if name == "torch.nn.Sequential":
        first = call.args[0] if call.args else None
        return PERHAPS if isinstance(first, ast.Call) and _writes(first, foreign) is not None else None
    flags = [k.value for k in call.keywords if k.arg == "inplace"]
    if name.startswith("torch.nn."):  # nn.ReLU(True), nn.LeakyReLU(0.1, True)
        flags += [a for a in call.args if isinstance(a, ast.Constant) and a.value is True]
    if not flags or (isinstance(flags[0], ast.Constant) and not flags[0].value):
        return None
    return ALWAYS if name.startswith("torch.nn.") and isinstance(flags[0], ast.Constant) else PERHAPS
