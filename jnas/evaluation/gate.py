"""The gate of LLMasTool: E = executable x within caps x intended; only E = 1 trains."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from jnas.evaluation.outcomes import Verdict
from jnas.evaluation.pool import Reply
from jnas.library.binding import Shape
from jnas.library.block import Block
from jnas.runs.configuration import Caps
from jnas.trees.edits import Edit, apply, intended
from jnas.trees.node import Node, canonical, tree_hash
from jnas.trees.shapes import inference_of
from jnas.trees.widths import scaled

GIB = 2**30
NARROWINGS = 4  # trials of a scale, as many as FairNAD has; the scale is then known to 1/16


def judge(
    parent: Node,
    child: Node,
    edit: Edit,
    library: Mapping[str, Block],
    inspect: Callable[[Node], Reply],
    caps: Caps,
    known: Collection[str] = (),
) -> Verdict:
    """The cheap factors first: after the first one that fails nothing else is examined.

    `known`: hashes of trees proposed before, which are not trained again (ours). `inspect` builds the child and runs it
    abstractly in a worker.
    """
    before, after = canonical(parent, library), canonical(child, library)
    if not intended(before, after, edit):
        return Verdict(
            False, False, False, "not intended", f"the tree did not change by {edit.kind} at the planned place"
        )
    if known and tree_hash(after, library) in known:
        return Verdict(False, False, True, "duplicate", "this tree has been proposed before")
    return judge_start(child, inspect, caps)


def narrowed(
    tree: Node, library: Mapping[str, Block], shape: Shape, inspect: Callable[[Node], Reply], caps: Caps
) -> tuple[Edit, Verdict] | None:
    """The edit that scales all widths of a tree over the caps by as much as they allow, found by bisection.

    None where no scale that was tried helps. Bisection is ours.
    """
    inference, low, high = inference_of(library), 0.0, 1.0
    found: tuple[Edit, Verdict] | None = None
    for _ in range(NARROWINGS):
        factor = (low + high) / 2
        edit = scaled(tree, (), factor, inference, shape)
        verdict = None if edit is None else judge_start(apply(tree, edit), inspect, caps)
        if edit is not None and verdict is not None and verdict.feasible:
            found, low = (edit, verdict), factor
        else:
            high = factor
    return found


def judge_start(tree: Node, inspect: Callable[[Node], Reply], caps: Caps) -> Verdict:
    """The verdict on a tree that no edit made."""
    reply = inspect(tree)
    if reply.status != "ok":
        return Verdict(False, False, True, reply.status, reply.message)
    counts = {name: reply.value[name] for name in ("parameters", "multiply_adds")}
    limits = {"parameters": caps.parameters, "multiply_adds": caps.multiply_adds}
    over = [f"{name} {count:,}, at most {limits[name]:,}" for name, count in counts.items() if count > limits[name]]
    if caps.memory is not None and reply.value["memory"] > caps.memory * GIB:
        over.append(f"memory {reply.value['memory'] / GIB:.2f} GiB, at most {caps.memory:g}")
    verdict = Verdict.from_plain(
        {"executable": True, "within_caps": not over, "intended": True, "shapes": reply.value["shapes"], **counts}
    )
    return verdict if not over else replace(verdict, reason="caps", message="; ".join(over))
