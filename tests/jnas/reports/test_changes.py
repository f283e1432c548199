from jnas.reports.changes import changed
from jnas.trees import node
from jnas.trees.node import Node
from jnas.trees.starts import START_TREES

START = START_TREES["resnet8"]()
PLACE = ("stages", 1, "body", 0)
GATE = Node("jnas.SqueezeExcite")


def test_nothing_is_changed_in_the_same_tree() -> None:
    assert changed(START, START) == frozenset()


def test_an_inserted_node_leaves_its_neighbours_unmarked() -> None:
    assert changed(START, node.insert(START, PLACE, GATE)) == {PLACE}


def test_a_new_argument_and_a_swap_mark_the_node() -> None:
    assert changed(START, node.replace(START, (*PLACE, "out_channels"), 48)) == {PLACE}
    assert changed(START, node.replace(START, PLACE, GATE)) == {PLACE}


def test_a_deletion_marks_where_it_was() -> None:
    both = node.insert(START, PLACE, GATE)
    assert changed(both, START) == {("stages", 1)}


def test_changes_at_several_places_are_all_found() -> None:
    after = node.insert(node.replace(START, ("stem", "out_channels"), 24), ("stages", 2, "body", 1), GATE)
    assert changed(START, after) == {("stem",), ("stages", 2, "body", 1)}
