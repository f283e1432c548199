"""The gate of LLMasTool: E = executable x within caps x intended; only E = 1 trains."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace

from jnas.evaluation.outcomes import Verdict
from jnas.evaluation.pool import Reply
from jnas.library.block import Block
from jnas.runs.configuration import Caps
from jnas.trees.edits import Edit, intended
from jnas.trees.node import Node, canonical, tree_hash


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
    if not intended(canonical(parent, library), canonical(child, library), edit):
        return Verdict(
            False, False, False, "not intended", f"the tree did not change by {edit.kind} at the planned place"
        )
    if tree_hash(child, library) in known:
        return Verdict(False, False, True, "duplicate", "this tree has been proposed before")
    return judge_start(child, inspect, caps)


def judge_start(tree: Node, inspect: Callable[[Node], Reply], caps: Caps) -> Verdict:
    """The verdict on a tree that no edit made."""
    reply = inspect(tree)
    if reply.status != "ok":
        return Verdict(False, False, True, reply.status, reply.message)
    counts = {name: reply.value[name] for name in ("parameters", "multiply_adds")}
    limits = asdict(caps)
    over = [f"{name} {count:,}, at most {limits[name]:,}" for name, count in counts.items() if count > limits[name]]
    verdict = Verdict.from_plain(
        {"executable": True, "within_caps": not over, "intended": True, "shapes": reply.value["shapes"], **counts}
    )
    return verdict if not over else replace(verdict, reason="caps", message="; ".join(over))
