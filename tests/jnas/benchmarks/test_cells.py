"""Small spaces whose cells can be told apart by hand."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from jnas.benchmarks.cells import canonical, paths, read_table, runs, space
from translators.diagnostics import UserError

OPS = ("none", "skip_connect", "conv")
NONE, SKIP, CONV = range(3)
CELLS = np.array(list(itertools.product(range(3), repeat=3)))  # three nodes: edges 0-1, 0-2, 1-2


def form(*cell: int):
    return canonical(cell, OPS)


def test_cells_that_compute_the_same_are_one() -> None:
    assert form(CONV, NONE, SKIP) == form(SKIP, NONE, CONV) == form(NONE, CONV, NONE) == form(CONV, CONV, NONE)
    assert form(NONE, SKIP, CONV) == form(CONV, SKIP, NONE)  # what nothing reaches or passes
    assert form(CONV, SKIP, SKIP) == form(SKIP, CONV, SKIP)  # sums do not mind the order
    assert form(NONE, NONE, CONV) == ()
    assert form(CONV, NONE, CONV) != form(CONV, NONE, SKIP)
    assert form(CONV, CONV, CONV) != form(CONV, NONE, CONV)


def test_two_middle_nodes_may_change_places() -> None:
    left = (CONV, SKIP, NONE, NONE, CONV, SKIP)
    right = (SKIP, CONV, NONE, NONE, SKIP, CONV)
    assert canonical(left, OPS) == canonical(right, OPS)


def test_features_count_runs_on_paths() -> None:
    assert paths(form(CONV, SKIP, CONV)) == {(): 1, ("conv", "conv"): 1}
    counted = runs(paths(form(CONV, SKIP, CONV)))
    assert counted["conv"] == 2 and counted["conv conv"] == 1 and counted["in out"] == 1 and counted["in"] == 2
    assert counted["in conv conv out"] == 1


def test_neighbours_differ_in_one_operation_and_are_mutual_where_cells_are_their_own() -> None:
    scores = {"d": np.arange(27.0)}
    tiny = space(OPS, CELLS, scores, scores)
    first = tiny.edges[5]
    for neighbour in tiny.neighbours(5):
        members = [cell for cell, number in tiny.number_of.items() if number == neighbour]
        assert min(sum(a != b for a, b in zip(first, member, strict=True)) for member in members) == 1
    assert 5 not in tiny.neighbours(5)
    partial = space(OPS, CELLS[::2], {"d": np.arange(14.0)}, {"d": np.arange(14.0)})
    assert all(0 <= cell < len(partial) for number in range(len(partial)) for cell in partial.neighbours(number))


def write(path: Path, **changes) -> Path:
    columns = {"ops": np.array(OPS), "op_edges": CELLS.astype(np.uint8)}
    columns |= {"d_test_200": np.arange(27.0), "d_test_200_trial": np.arange(27.0) - 1}
    np.savez(path, **{name: value for name, value in (columns | changes).items() if value is not None})
    return path


def test_a_table_is_read_by_its_columns(tmp_path: Path) -> None:
    found = read_table(write(tmp_path / "table.npz"))
    assert list(found.search) == ["d, one trial"] and len(found) < 27
    assert (found.report["d, one trial"] == found.search["d, one trial"] + 1).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ops": None}, "no ops; found"),
        ({"d_test_200": None}, "no NAME_test_200; found"),
        ({"d_test_200_trial": None}, "no d_test_200_trial or _test_12"),
        ({"op_edges": CELLS[:, :2]}, "expected cells x 6"),
        ({"op_edges": CELLS + 1}, "indices into the 3 ops"),
        ({"d_test_200": np.arange(5.0)}, "d_test_200 has 5 values for 27 cells"),
    ],
)
def test_a_wrong_table_is_one_line(tmp_path: Path, changes, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        read_table(write(tmp_path / "table.npz", **changes))
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_table_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "table.npz").write_text("no")
    with pytest.raises(UserError, match=r"not an \.npz table"):
        read_table(tmp_path / "table.npz")
    with pytest.raises(UserError, match=r"not an \.npz table"):
        read_table(tmp_path / "missing.npz")
