"""Results that are kept: found again, dropped in time, never those of another library."""

from __future__ import annotations

import gc
import weakref

import pytest

from jnas.library.store import Library, open_library
from jnas.trees import remembered
from jnas.trees.node import Node, canonical, network
from jnas.trees.remembered import LIBRARIES, per_library
from jnas.trees.shapes import Inference, ShapeError, inference_of
from jnas.trees.starts import START_TREES

SHAPE = (3, 16, 16)


def test_one_library_is_asked_once_and_another_for_itself() -> None:
    made: list[Library] = []
    of = per_library(lambda library: made.append(library) or len(made))
    one, two = open_library(), open_library()
    assert (of(one), of(two), of(one), of(two)) == (1, 2, 1, 2)
    assert inference_of(one) is inference_of(one) is not inference_of(two)


def test_libraries_out_of_use_are_let_go() -> None:
    of = per_library(lambda library: None)
    first = Library({})
    gone = weakref.ref(first)
    of(first)
    others = [Library({}) for _ in range(LIBRARIES)]
    for other in others:
        of(other)
    del first
    gc.collect()
    assert gone() is None


def test_a_memory_of_many_candidates_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jnas.trees.shapes.NODES", 50)
    inference = Inference(open_library())
    stem = Node("jnas.ConvNormAct", {"out_channels": 16})
    for width in range(8, 400, 8):
        inference.out(network(stem, [Node("jnas.ConvNormAct", {"out_channels": width})]), SHAPE)
    assert inference._found.cache_info().currsize <= 50 < remembered.NODES


def test_what_did_not_fit_is_told_again_with_its_place() -> None:
    inference = Inference(open_library())
    tree = network(None, [Node("residual", {"body": (Node("jnas.ConvNormAct", {"out_channels": 8}),)})])
    for _ in range(2):
        with pytest.raises(ShapeError, match=r"stages\.0.*a residual keeps its shape"):
            inference.out(tree, SHAPE)


def test_a_form_that_is_canonical_is_itself() -> None:
    library = open_library()
    for make in START_TREES.values():
        form = canonical(make(), library)
        assert canonical(form, library) is form
