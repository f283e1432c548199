from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from jnas.evaluation.gate import judge, narrowed
from jnas.evaluation.pool import Reply
from jnas.library.store import open_library
from jnas.models import costs
from jnas.runs.configuration import Caps
from jnas.trees.edits import KINDS, Edit, apply, intended
from jnas.trees.node import Node, canonical, tree_hash
from jnas.trees.options import Options
from jnas.trees.starts import START_TREES

LIBRARY = open_library()
SHAPE = (3, 32, 32)
PARENT = canonical(START_TREES["resnet8"](), LIBRARY)
WIDER = Edit("set", ("stem",), "out_channels", 24)
CAPS = Caps(parameters=1000, multiply_adds=1000, memory=2.5)


def inspected(parameters: int = 10, multiply_adds: int = 10, memory: int = 2**30) -> Reply:
    shapes = {"stem": [[3, 32, 32], [16, 32, 32]]}
    counts = {"parameters": parameters, "multiply_adds": multiply_adds, "memory": memory}
    return Reply("ok", {**counts, "shapes": shapes})


def verdict(edit: Edit, child: Node, reply: Reply, known: frozenset[str] = frozenset()):
    return judge(PARENT, child, edit, LIBRARY, lambda tree: reply, CAPS, known)


def test_a_child_that_runs_within_the_caps_and_changed_as_planned_passes() -> None:
    found = verdict(WIDER, apply(PARENT, WIDER), inspected())
    assert found.feasible and found.reason is None
    assert (found.parameters, found.shapes["stem"]) == (10, ((3, 32, 32), (16, 32, 32)))


@pytest.mark.parametrize(
    ("edit", "child", "reply", "known", "reason"),
    [
        (WIDER, PARENT, inspected(), (), "not intended"),
        (dataclasses.replace(WIDER, path=("stages", 0)), apply(PARENT, WIDER), inspected(), (), "not intended"),
        (Edit("delete", ("stages", 0)), apply(PARENT, WIDER), inspected(), (), "not intended"),
        (WIDER, apply(PARENT, WIDER), inspected(), (tree_hash(apply(PARENT, WIDER), LIBRARY),), "duplicate"),
        (WIDER, apply(PARENT, WIDER), Reply("shape", message="stem: 3 x 3"), (), "shape"),
        (WIDER, apply(PARENT, WIDER), Reply("time", message="over the time limit"), (), "time"),
        (WIDER, apply(PARENT, WIDER), inspected(parameters=1001), (), "caps"),
        (WIDER, apply(PARENT, WIDER), inspected(multiply_adds=1001), (), "caps"),
        (WIDER, apply(PARENT, WIDER), inspected(memory=3 * 2**30), (), "caps"),
    ],
)
def test_each_factor_stops_a_child_with_its_reason(edit: Edit, child: Node, reply: Reply, known, reason: str) -> None:
    found = verdict(edit, child, reply, frozenset(known))
    assert not found.feasible and found.reason == reason and found.message


def test_the_message_of_a_broken_cap_names_value_and_limit() -> None:
    found = verdict(WIDER, apply(PARENT, WIDER), inspected(parameters=123_456))
    assert found.executable and not found.within_caps
    assert found.message == "parameters 123,456, at most 1,000"


@pytest.mark.parametrize("kind", KINDS)
def test_enumerated_edits_are_recognised_as_intended(kind: str) -> None:
    rng, tree, recognised = np.random.default_rng(0), PARENT, 0
    options = Options(tree, LIBRARY, SHAPE)
    for _ in range(30):
        path = next(options.draw_places(kind, rng))
        block = next(options.draw_blocks(kind, path, rng), None)
        name = block.name if block else None
        offered = options.arguments(kind, path, name)
        if kind == "set":
            name = sorted(offered)[int(rng.integers(len(offered)))]
            offered = {name: offered[name]}
        args = {argument: values[int(rng.integers(len(values)))] for argument, values in list(offered.items())[:1]}
        edit = options.make_edit(kind, path, name, args)
        recognised += intended(tree, canonical(apply(tree, edit), LIBRARY), edit)
    assert recognised == 30


def test_a_tree_over_the_caps_is_narrowed_as_little_as_they_need() -> None:
    def inspect(tree: Node) -> Reply:
        found = costs.inspect(tree, LIBRARY, SHAPE, 10, 2)
        counts = {"parameters": found.parameters, "multiply_adds": found.multiply_adds, "memory": found.memory(2)}
        return Reply("ok", {**counts, "shapes": {}})

    whole = inspect(PARENT).value["parameters"]
    caps = Caps(parameters=whole // 2, multiply_adds=10**9)
    found = narrowed(PARENT, LIBRARY, SHAPE, inspect, caps)
    assert found is not None
    edit, verdict = found
    assert edit.kind == "set" and verdict.feasible and whole // 4 < verdict.parameters <= whole // 2
    child = canonical(apply(PARENT, edit), LIBRARY)
    assert intended(PARENT, child, edit) and inspect(child).value["parameters"] == verdict.parameters
    assert narrowed(PARENT, LIBRARY, SHAPE, inspect, Caps(parameters=10)) is None
