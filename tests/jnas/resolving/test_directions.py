"""The direction of an edit is read off arguments as they are in force where they stand."""

from __future__ import annotations

from jnas.library.exact import Bound
from jnas.library.store import open_library
from jnas.resolving.directions import direction
from jnas.trees.edits import Edit
from jnas.trees.node import Node, network

LIBRARY = open_library()


def test_an_argument_bound_to_the_place_goes_up_from_its_value_there() -> None:
    layer = Node(
        "nn.Conv2d",
        {"in_channels": Bound("width"), "out_channels": Bound("width"), "kernel_size": 1},
        exact=("NCHW",) * 2,
    )
    tree = network(None, [layer])
    place = ("stages", 0)
    for value, sign in ((24, 1), (8, -1)):
        found = direction(Edit("set", place, "out_channels", value), tree, LIBRARY, (16, 8, 8))
        assert (found.argument, found.sign) == ("out_channels", sign)
