"""What edits may use and where, so that a question offers only what serves its purpose. Pure (ours)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from jnas.trees.node import Node, Path

WHERE = ("stem", "early", "late")


@dataclass(frozen=True)
class Scope:
    """Limits of edits; None (and "", 0) stand for no limit.

    `blocks`: names of blocks and composites that may come in. `roles`: of settings that may change, those of
    block.ROLES; repeats count as depth, the scale of all widths as width, the place of a stride as stride, and the join
    of branches as join. `forms`: of compositions. `where`: one of WHERE; early and late are the first and the last
    third of the stages. `sign`: 1 when numbers may only grow, -1 when they may only shrink.
    """

    blocks: Collection[str] | None = None
    roles: Collection[str] | None = None
    forms: Collection[str] | None = None
    where: str = ""
    sign: int = 0

    def has_place(self, tree: Node, path: Path) -> bool:
        if not self.where:
            return True
        if self.where == "stem":
            return path[:1] == ("stem",)
        stages = len(tree.args.get("stages", ()))
        third = -(-stages // 3)
        if path[:1] != ("stages",) or len(path) < 2:
            return False
        return int(path[1]) < third if self.where == "early" else int(path[1]) >= stages - third

    def has_change(self, role: str, old: object, new: object) -> bool:
        if self.roles is not None and role not in self.roles:
            return False
        return not self.sign or self.sign == sign(old, new)


EVERYTHING = Scope()


def sign(old: object, new: object) -> int:
    """1 when a number grew, -1 when it shrank, 0 when it did not or that cannot be told."""
    if not isinstance(old, (int, float)) or not isinstance(new, (int, float)):
        return 0
    return (new > old) - (new < old)
