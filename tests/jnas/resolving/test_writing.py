"""Blocks that a model writes: the text reaches the library by way of `join` alone, and its refusals go back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jnas.library.store import open_library
from jnas.planning.history import Record
from jnas.planning.plan import Aim, Plan
from jnas.resolving.asking import ModelChooser
from jnas.resolving.prices import FREE
from jnas.resolving.providers import Reply, Request
from jnas.resolving.resolve import NothingPossible
from jnas.resolving.writing import REPAIRS, Joined, code_in, resolve_written
from jnas.trees.node import walk
from jnas.trees.starts import START_TREES

LIBRARY = open_library()
SHAPE = (1, 28, 28)
START = START_TREES["resnet8"]()
WRITTEN = replace(LIBRARY["jnas.ConvNormAct"], name="code_1.Block")


class Writer:
    name, model = "writer", "writer"

    def __init__(self, *texts: str) -> None:
        self.parameters = {"reads_source": True}
        self.texts, self.requests = list(texts), []

    def ask(self, request: Request, seconds: float) -> Reply:
        self.requests.append(request)
        return Reply(self.texts.pop(0), input_tokens=10, output_tokens=5)


def propose(writer: Writer, join, kind: str = "insert", aim: Aim | None = None):
    start = Record(0, 0, 0, START, "0", 0.5, 78_000, 12_000_000)
    chooser = ModelChooser(writer, FREE)
    rng = np.random.default_rng(0)
    return resolve_written(
        Plan(0, kind, "trust", ""), [start], START, LIBRARY, SHAPE, chooser, rng, "accuracy", join, aim
    )


@pytest.mark.parametrize("kind", ["insert", "swap", "compose", "set", "delete", "repeat"])
def test_a_refusal_goes_back_and_what_is_accepted_comes_into_the_tree(kind: str) -> None:
    texts: list[str] = []

    def join(text: str) -> Joined:
        texts.append(text)
        return Joined(WRITTEN) if "good" in text else Joined(None, "R10 unsupported operation torch.unique")

    writer = Writer("```python\nclass Bad: pass\n```", "Here it is:\n```\ngood = 1\n```\nHave fun!")
    proposal = propose(writer, join, kind)
    assert texts == ["class Bad: pass\n", "good = 1\n"]
    assert "torch.unique" in writer.requests[1].prompt and "class Bad" in writer.requests[1].prompt
    assert any(node.block == WRITTEN.name for _, node in walk(proposal.tree))
    first, second = proposal.choices[:2]
    assert first[1].problem.startswith("R10") and second[1].values == {"code": "good = 1\n"} and not second[1].problem


def test_repairs_are_bounded() -> None:
    writer = Writer(*["x"] * 10)
    with pytest.raises(NothingPossible, match="no block could be made of what writer wrote: R03") as caught:
        propose(writer, lambda text: Joined(None, "R03 autograd.Function"))
    assert len(writer.requests) == 1 + REPAIRS == len(caught.value.choices)


def test_a_block_may_be_asked_for_that_realises_an_idea() -> None:
    aim = Aim("Gate by a ```wavelet``` transform.", ("set",), idea="a/b/1")
    writer = Writer("good = 1")
    proposal = propose(writer, lambda text: Joined(WRITTEN), "idea", aim)
    assert "realises this idea:\n```\nGate by a wavelet transform.\n```" in writer.requests[0].prompt
    assert proposal.aim == aim and proposal.edit.kind == "insert"
    with pytest.raises(NothingPossible) as caught:
        propose(Writer(*["x"] * 3), lambda text: Joined(None, "R03"), "idea", aim)
    assert caught.value.aim == aim


def test_code_is_taken_out_of_its_fence() -> None:
    assert code_in("a\n```py\nb\n```\nc\n```\nd\n```") == "b\n"
    assert code_in("```python\nb") == "b\n"
    assert code_in("b") == "b\n"
