"""A tree for the eyes, as lines that a terminal and a browser show alike: what stands where, how wide, at what cost."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from jnas.library.binding import Shape
from jnas.library.block import Block
from jnas.library.exact import Bound
from jnas.trees.edits import node_name, place_name, value_text
from jnas.trees.node import AT, Node, Path, children, path_text, walk
from jnas.trees.shapes import infer, is_row

MOST_LINES = 60  # of one picture, before what lies deepest is folded
CONTEXT = 2  # lines as before around a change
JOIN_SIGNS = {"add": "sum of branches", "concat": "branches side by side", "gate": "first branch gated by the others"}
Costs = Mapping[str, tuple[int, int]]  # (parameters, multiply-adds) by path text


@dataclass(frozen=True)
class Line:
    """One node, or one run of folded nodes. `mark`: "" or "*" (changed), "+" (came), "-" (went), "." (folded).

    `guides` says of each level above, the own one last, whether it ends here. A container has no family.
    """

    name: str
    details: str = ""
    family: str | None = None
    guides: tuple[bool, ...] = ()
    before: Shape | None = None
    after: Shape | None = None
    cost: tuple[int, int] | None = None
    mark: str = ""

    @property
    def shape_text(self) -> str:
        """`16 @ 28x28` as it leaves, with an arrow where it came in otherwise."""
        if self.before is None or self.after is None:
            return ""
        kept = self.before == self.after
        return size_text(self.after) if kept else f"-> {size_text(self.after)}"

    @property
    def cost_text(self) -> tuple[str, str]:
        """Parameters and multiply-adds."""
        return ("", "") if self.cost is None else (count_text(self.cost[0]), count_text(self.cost[1]))


def lines(
    tree: Node,
    library: Mapping[str, Block],
    shape: Shape,
    changed: Collection[Path] = (),
    costs: Costs | None = None,
    most: int = MOST_LINES,
) -> list[Line]:
    """The whole tree from the root on; nodes at `changed` paths are marked. Big trees are folded from below."""
    shapes = infer(tree, library, shape)
    marked = {tuple(path) for path in changed}
    costs, found = costs or {}, []
    for deepest in sorted({len(guides) for *_, guides in _visited(tree, (), ())}, reverse=True):
        found = list(_lines(tree, library, shapes, marked, costs, deepest))
        if len(found) <= most:
            break
    root = Line("network", size_text(shape), cost=costs.get(""), mark="*" if () in marked else "")
    if "head" in tree.args:
        return [root, *found]
    words = f"from {shapes[()][1][0]} channels"
    return [root, *found, Line("pooling, linear", words, guides=(True,), cost=costs.get("classifier"))]


def compared(before: Sequence[Line], after: Sequence[Line]) -> list[Line]:
    """Both pictures in one: what went and what came is marked, long runs that stayed are folded."""
    keys = [
        [(line.name, line.details if line.family else "", len(line.guides)) for line in picture]
        for picture in (before, after)
    ]
    found: list[Line] = []
    for kind, i, j, k, m in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes():
        if kind == "equal":
            found += [replace(line, mark="") for line in after[k:m]]
        else:
            found += [replace(line, mark="-") for line in before[i:j]]
            found += [replace(line, mark="+") for line in after[k:m]]
    return list(_shortened(found))


def _shortened(merged: Sequence[Line]) -> Iterator[Line]:
    changed = [i for i, line in enumerate(merged) if line.mark]
    kept = [len(line.guides) <= 1 or any(abs(i - j) <= CONTEXT for j in changed) for i, line in enumerate(merged)]
    run = 0
    for i, line in enumerate(merged):
        if not kept[i] and run == 0:
            run = next((j for j in range(i, len(merged)) if kept[j]), len(merged)) - i
            if run > 1:
                level = len(line.guides) - 1
                ends = any(len(other.guides) == level + 1 and other.guides[level] for other in merged[i : i + run])
                guides = (*line.guides[:level], ends)
                yield Line(f"{run} lines as before", guides=guides, mark=".")
        if kept[i] or run == 1:
            yield line
            run = 0


def _visited(
    node: Node, path: Path, guides: tuple[bool, ...]
) -> Iterator[tuple[Path, Path, Node, int, tuple[bool, ...]]]:
    """(path, path of what is repeated there, that node, how often, guides) of everything below `node`."""
    below = list(children(node))
    classifier = node.block == "network" and "head" not in node.args
    for i, (step, child) in enumerate(below):
        place, inner, times = path + step, path + step, 1
        while child.block == "repeat":  # one line says how often
            times, child, inner = times * child.args["times"], child.args["body"], (*inner, "body")
        here = (*guides, i == len(below) - 1 and not classifier)
        yield place, inner, child, times, here
        yield from _visited(child, inner, here)


def _lines(
    tree: Node,
    library: Mapping[str, Block],
    shapes: Mapping[Path, tuple[Shape, Shape]],
    marked: Collection[Path],
    costs: Costs,
    deepest: int,
) -> Iterator[Line]:
    for place, inner, node, times, guides in _visited(tree, (), ()):
        if len(guides) > deepest:
            continue
        name, details, family = _words(node, inner, library)
        hidden = sum(1 for _ in walk(node)) - 1
        if hidden and len(guides) == deepest:
            details = f"{details} ({hidden} nodes inside)".strip()
        yield Line(
            f"{times} x {name}" if times > 1 else name,
            details,
            family,
            guides,
            *shapes[inner],
            costs.get(path_text(place)),
            "*" if place in marked or inner in marked else "",
        )


def _words(node: Node, path: Path, library: Mapping[str, Block]) -> tuple[str, str, str | None]:
    """(name, details, family); what replaces a part of a block says where it stands."""
    slots = [str(path[i + 1]) for i, step in enumerate(path[:-1]) if step == AT and i + 3 >= len(path)]
    place = f"{slots[-1]}: " if slots else ""
    if len(path) == 2 and path[0] == "stages" and node.block == "sequence":
        return place_name(path), "", None
    if len(path) == 1 and node.block == "sequence":
        return str(path[0]), "", None
    if node.block == "branches":
        return place + JOIN_SIGNS[node.args["join"]], "", None
    if node.is_container:
        return place + {"residual": "input + residual of"}.get(node.block, node.block), "", None
    given = ((name, value) for name, value in node.args.items() if not isinstance(value, Bound))
    decisions = ", ".join(f"{name}={value_text(value)}" for name, value in given)
    return place + node_name(node), decisions, library[node.block].family


def size_text(shape: Shape) -> str:
    """Channels and size of a feature map; tokens that form no grid say how many."""
    return f"{shape[0]} @ {shape[1]}" if is_row(shape) else f"{shape[0]} @ {shape[1]}x{shape[2]}"


def count_text(count: int) -> str:
    """Three digits and a unit: 466907 -> "467k"."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:.3g}{unit}" if count < 999.5 * size else f"{count / size:.0f}{unit}"
    return str(count)
