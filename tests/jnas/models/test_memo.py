"""Measurements that processes share."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from jnas.library.memo import Memo
from jnas.library.store import open_library
from jnas.models import costs
from jnas.models.build import BuildError
from jnas.models.costs import Unmeasured, inspect
from jnas.models.evaluation import evaluating_here
from jnas.trees.edits import Edit, apply
from jnas.trees.node import AT, Node, get, residual
from jnas.trees.starts import START_TREES

LIBRARY = open_library()
SHAPE = (3, 16, 16)
TREE = START_TREES["resnet8"]()


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process."""
    monkeypatch.setattr(costs, "_KNOWN", {})


def test_what_one_process_measured_another_looks_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = inspect(TREE, LIBRARY, SHAPE, 10, memo=Memo(tmp_path / "memo"))
    monkeypatch.setattr(costs, "_KNOWN", {})
    monkeypatch.setattr(costs, "measure", None)
    assert inspect(TREE, LIBRARY, SHAPE, 10, memo=Memo(tmp_path / "memo")) == measured


def test_a_candidate_costs_what_its_new_nodes_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memo, seen = Memo(tmp_path / "memo"), []
    inspect(TREE, LIBRARY, SHAPE, 10, memo=memo)
    measure = costs.measure
    monkeypatch.setattr(costs, "measure", lambda node, *rest: seen.append(node.block) or measure(node, *rest))
    child = apply(TREE, Edit("set", ("stages", 2, "body", 0), "kernel_size", 5))
    inspect(child, LIBRARY, SHAPE, 10, memo=memo)
    assert seen == ["jnas.BasicResidual"]


def test_so_does_one_whose_new_nodes_stand_inside_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    library, place = evaluating_here(LIBRARY), ("stages", 1, "body", 0, AT, "conv2")
    one, two = (
        apply(TREE, Edit("swap", place, None, Node(name))) for name in ("jnas.ConvNormAct", "jnas.DepthwiseSeparable")
    )
    before, seen, measure = inspect(one, library, SHAPE, 10), [], costs.measure
    monkeypatch.setattr(costs, "measure", lambda node, *rest: seen.append(node) or measure(node, *rest))
    after = inspect(two, library, SHAPE, 10)
    assert [node.block for node in seen] == ["jnas.DepthwiseSeparable"]
    whole, part = ("stages.1.body.0", "stages.1.body.0.at.conv2")
    lost, gained = (found.nodes[part].multiply_adds for found in (before, after))
    assert after.nodes[whole].multiply_adds - before.nodes[whole].multiply_adds == gained - lost
    monkeypatch.undo()
    alone = measure(get(two, ("stages", 1, "body", 0)), library, after.nodes[whole].in_shape, 64)
    assert after.nodes[whole].multiply_adds == alone.multiply_adds


def test_nothing_runs_where_nothing_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memo = Memo(tmp_path / "memo")
    with pytest.raises(Unmeasured):
        inspect(TREE, LIBRARY, SHAPE, 10, memo=memo, execute=False)
    inspect(TREE, LIBRARY, SHAPE, 10, memo=memo)
    assert inspect(TREE, LIBRARY, SHAPE, 10, memo=memo, execute=False).parameters > 0


def test_blocks_with_composites_inside_are_remembered_too(tmp_path: Path) -> None:
    inner = residual(Node("jnas.ConvNormAct", {"activation": "nn.GELU"}))
    library = evaluating_here(LIBRARY)
    tree = apply(TREE, Edit("swap", ("stages", 0, "body", 0, "at", "conv1"), None, inner))
    found = [inspect(tree, library, SHAPE, 10, memo=Memo(tmp_path / "memo")) for _ in range(2)]
    assert found[0] == found[1]


def test_failures_are_remembered_with_their_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(node, *rest):
        raise BuildError((), "error", f"{node.block}: bad")

    monkeypatch.setattr(costs, "measure", fails)
    for _ in range(2):
        with pytest.raises(BuildError, match=r"stem: error: jnas.ConvNormAct: bad"):
            inspect(TREE, LIBRARY, SHAPE, 10, memo=Memo(tmp_path / "memo"))
        monkeypatch.setattr(costs, "_KNOWN", {})
        monkeypatch.setattr(costs, "measure", None)


@pytest.mark.parametrize("damage", ["text", "record", "table", "file"])
def test_a_damaged_memo_is_as_good_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    file = tmp_path / "memo"
    measured = inspect(TREE, LIBRARY, SHAPE, 10, memo=Memo(file))
    monkeypatch.setattr(costs, "_KNOWN", {})
    if damage == "file":
        file.write_bytes(b"no database at all")
    else:
        with sqlite3.connect(file) as connection:
            change = {"text": "'{'", "record": "'{\"depth\": 1}'"}.get(damage)
            connection.execute(f"UPDATE memo SET value = {change}" if change else "DROP TABLE memo")
        connection.close()
    assert inspect(TREE, LIBRARY, SHAPE, 10, memo=Memo(file)) == measured


def test_several_writers_at_once(tmp_path: Path) -> None:
    """Also while the file is being made: a process that comes in then keeps what it finds out."""
    script = (
        "import sys, time; from pathlib import Path; from jnas.library.memo import Memo\n"
        "folder, name = Path(sys.argv[1]), sys.argv[2]; (folder / name).touch()\n"
        "while len(list(folder.iterdir())) < 3: time.sleep(0.001)\n"
        "for i in range(100): memo = Memo(folder / f'memo{i}'); memo.put(name, i); memo.put('shared', i)\n"
    )
    names = ["a", "b", "c"]
    writers = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name]) for name in names]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    for i in range(100):
        memo = Memo(tmp_path / f"memo{i}")
        assert [memo.get(name) for name in (*names, "shared")] == [i] * 4
