"""What stands inside blocks, whatever it is: stored, hashed alike everywhere, recovered."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jnas.library.exact import Bound, Reference
from jnas.library.store import open_library
from jnas.trees.edits import Edit, apply, diff, intended
from jnas.trees.node import AT, Node, canonical, from_json, network, to_json, tree_hash
from jnas.trees.starts import START_TREES

LIBRARY = open_library()
NAMES = st.sampled_from(["conv1", "layer2.0.conv1", "blocks", "blocks.10", "head.fc", "0", "at.block"])
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.floats(-2, 2, allow_nan=False)
    | st.sampled_from(["nn.GELU", "x"])
)
VALUES = st.recursive(
    PLAIN
    | st.sampled_from(
        [Bound("width"), Bound("classes"), Reference("nn.LayerNorm", {"eps": 1e-6}), Reference("nn.ReLU")]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["eps", "dim"]), inner, max_size=2).map(
            lambda args: Reference("nn.GroupNorm", args)
        )
    ),
    max_leaves=4,
)
ARGUMENTS = st.dictionaries(
    st.sampled_from(["kernel_size", "block", "at", "exact", "bias", "norm"]), VALUES, max_size=3
)
LAYERS = st.builds(
    lambda name, args: Node(name, args, exact=("NCHW", "NLC")), st.sampled_from(["nn.Conv2d", "nn.ReLU"]), ARGUMENTS
)


def overridden(inner):
    parts = st.dictionaries(NAMES, inner | st.lists(inner, min_size=1, max_size=3).map(tuple), max_size=3)
    apart = parts.filter(lambda at: not any(a != b and a.startswith(f"{b}.") for a in at for b in at))
    return st.builds(lambda at, layer: Node(layer.block, layer.args, at, layer.exact), apart, LAYERS)


TREES = st.recursive(LAYERS, overridden, max_leaves=6).map(lambda node: network(None, [node], node))


@given(TREES)
@settings(max_examples=150, deadline=None)
def test_trees_with_overrides_survive_json_and_have_one_form(tree: Node) -> None:
    again = from_json(json.loads(json.dumps(to_json(tree))), LIBRARY)
    assert again == tree and to_json(again) == to_json(tree) and hash(again) == hash(tree)
    form = canonical(tree, LIBRARY)
    assert canonical(form, LIBRARY) == form and tree_hash(form, LIBRARY) == tree_hash(tree, LIBRARY)


@given(TREES, NAMES, LAYERS)
@settings(max_examples=150, deadline=None)
def test_a_swap_inside_is_recovered_and_taken_back(tree: Node, name: str, layer: Node) -> None:
    before = canonical(tree, LIBRARY)
    at = before.args["head"].at
    if any(name.startswith(f"{place}.") or place.startswith(f"{name}.") for place in at) or isinstance(
        at.get(name), tuple
    ):
        return
    edit = Edit("swap", ("head", AT, name), None, layer)
    after = canonical(apply(before, edit), LIBRARY)
    if after == before:
        return
    found = diff(before, after)
    assert found is not None and apply(before, found) == after
    if name not in at:
        assert found == edit and intended(before, after, edit)
        back = Edit("delete", edit.path)
        assert apply(after, back) == before and intended(after, before, back)


def test_what_python_calls_equal_stays_apart() -> None:
    trees = [
        network(None, [Node("nn.ReLU", {"a": value}, exact=("NCHW", "NCHW"))])
        for value in (1, True, 1.0, (1,), (True,))
    ]
    assert len({tree_hash(tree, LIBRARY) for tree in trees}) == len(set(trees)) == len(trees)
    for value, other in ((1, True), (0.0, 0), (False, 0)):
        one, two = (Node("nn.ReLU", {"norm": Reference("nn.LayerNorm", {"eps": v})}) for v in (value, other))
        a, b = (canonical(network(None, [node]), LIBRARY) for node in (one, two))
        found = diff(a, b)
        assert one != two and found is not None and apply(a, found) == b


GOLDEN = {
    "resnet32": "5adf6db7e64f65e2",
    "mobilenet": "b4980a32a55673e6",
    "overridden": "0fd2b5318de3f69a",
    "exact": "5dc68533a5da1413",
}
MADE = {
    **{name: START_TREES[name]() for name in ("resnet32", "mobilenet")},
    "overridden": apply(
        START_TREES["resnet8"](),
        Edit("swap", ("stages", 1, "body", 0, AT, "conv1"), None, Node("jnas.DepthwiseSeparable")),
    ),
    "exact": network(
        None,
        [Node("nn.Conv2d", {"in_channels": Bound("width"), "kernel_size": (3, 1)}, exact=("NCHW", "NCHW"))],
        Node(
            "nn.Sequential",
            {"args": (Node("nn.Flatten"), Reference("nn.LayerNorm", {"eps": 1e-6}))},
            exact=("NCHW", "NC"),
        ),
    ),
}


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_hashes_of_before_are_those_of_today(name: str) -> None:
    assert tree_hash(MADE[name], LIBRARY)[:16] == GOLDEN[name]


def test_hashes_do_not_depend_on_the_process() -> None:
    script = (
        "import json, sys; from jnas.library.store import open_library as o; "
        "from jnas.trees.node import from_json, tree_hash as h; "
        "print(h(from_json(json.load(sys.stdin), o()), o())[:16])"
    )
    for seed in "01":
        answer = subprocess.run(
            [sys.executable, "-c", script],
            input=json.dumps(to_json(MADE["overridden"])),
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": "", "PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed},
        )
        assert answer.stdout.strip() == GOLDEN["overridden"]
