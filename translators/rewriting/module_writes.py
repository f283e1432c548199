"""Submodules that write into what they get: `self.act = nn.ReLU(inplace=True)`, alone or first of a Sequential."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from translators.environment import dotted
from translators.rewriting.methods import in_place_position
from translators.rewriting.scopes import FunctionNode, own_nodes

ALWAYS, PERHAPS, ARGUMENT = "always", "perhaps", "argument"


def in_place_attributes(
    methods: Iterable[FunctionNode], foreign: Callable[[str | None], str], writes: Callable[[str | None], bool]
) -> dict[str, str]:
    """Attribute -> ALWAYS when calling it writes its argument and returns it, PERHAPS when that shows only at run time,
    ARGUMENT when it writes its argument and returns something else.

    `foreign` gives the canonical name of a torch symbol for a spelling, else an empty string; `writes` says of a class
    of the sources whether its forward writes into its argument.
    """
    found: dict[str, str] = {}
    for method in methods:
        assigned = [n for n in own_nodes(method) if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call)]
        for node in assigned:
            assert isinstance(node.value, ast.Call)
            how = _writes(node.value, method, foreign, writes)
            for target in node.targets:
                name = dotted(target) or ""
                if how is not None and name.startswith("self.") and name.count(".") == 1:
                    attribute = name.removeprefix("self.")
                    found[attribute] = how if found.get(attribute, how) == how else PERHAPS
    return found


def is_flagged(call: ast.Call) -> bool:
    """Whether a call says `inplace=` something that is not False."""
    flags = [keyword.value for keyword in call.keywords if keyword.arg == "inplace"]
    return bool(flags) and not (isinstance(flags[0], ast.Constant) and not flags[0].value)


def _writes(
    call: ast.Call, method: FunctionNode, foreign: Callable[[str | None], str], writes: Callable[[str | None], bool]
) -> str | None:
    name = foreign(dotted(call.func))
    if name == "torch.nn.Sequential":
        first = call.args[0] if call.args else None
        if isinstance(first, ast.Call):
            how = _writes(first, method, foreign, writes)
            return ARGUMENT if how == ARGUMENT else PERHAPS if how is not None else None
        # Filled from a list or, when empty, later: what stands first shows at run time.
        nodes = [node for node in own_nodes(method) if isinstance(node, ast.Call) and node is not call]
        filled = call.args or any((dotted(node.func) or "").endswith((".add_module", ".append")) for node in nodes)
        return PERHAPS if filled and any(_activates(node, foreign) is not None for node in nodes) else None
    if writes(dotted(call.func)):
        return ARGUMENT
    return _activates(call, foreign)


def _activates(call: ast.Call, foreign: Callable[[str | None], str]) -> str | None:
    """How a call makes an activation that works in place."""
    name = foreign(dotted(call.func))
    flags = [keyword.value for keyword in call.keywords if keyword.arg == "inplace"]
    position = in_place_position(name)  # nn.ReLU(True), nn.LeakyReLU(0.1, True)
    if position is not None and len(call.args) > position:
        flags.append(call.args[position])
    if not flags or (isinstance(flags[0], ast.Constant) and not flags[0].value):
        return None
    return ALWAYS if name.startswith("torch.nn.") and isinstance(flags[0], ast.Constant) else PERHAPS
