"""Which classes are found and what is known of them."""

from importlib.util import find_spec

import pytest

from translators import Refusal, open_source, translate_source

TEXT = '''
class Base(nn.Module):
    pass

class Block(Base):
    """One line.

    More.
    """
    def __init__(self, width, kernel=3, ratio=1 / 4, act=nn.ReLU, *, bias: bool = True):
        super().__init__()

    def forward(self, x):
        return helper(x)

class Pair(Base):
    def forward(self, x, y, scale=1):
        out = (x, y)
        return out

class Net(Block):
    def __init__(self, num_classes=10):
        super().__init__(8)

class Record:
    pass

def helper(x):
    return x + SHIFT

SHIFT = 1
'''


@pytest.fixture
def classes(translated):
    return {mined.name: mined for mined in translated(TEXT).classes}


def test_every_module_class_and_no_other(classes):
    assert set(classes) == {"Base", "Block", "Pair", "Net"}


def test_the_constructor(classes):
    arguments = classes["Block"].arguments
    assert [(a.name, a.required, a.default) for a in arguments] == [
        ("width", True, None),
        ("kernel", False, 3),
        ("ratio", False, 0.25),
        ("act", False, None),
        ("bias", False, True),
    ]
    assert arguments[3].default_source == "nn.ReLU" and arguments[4].annotation == "bool"


def test_ports_and_kinds(classes):
    assert [(c.inputs, c.returns, c.kind) for c in (classes["Block"], classes["Pair"], classes["Net"])] == [
        (("x",), "tensor", "block"),
        (("x", "y"), "tuple", "other"),
        (("x",), "tensor", "model"),
    ]


def test_place_and_closure(classes):
    block = classes["Block"]
    assert block.doc == "One line."
    assert block.provenance.lines == (block.first_line, block.last_line) == (9, 18)
    assert block.closure == ("block.Base", "block.SHIFT", "block.helper")


@pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed")
def test_timm():
    source = open_source("timm")
    translation = translate_source(source)
    if source.version == "1.0.31":
        assert 736 <= len(translation.classes) <= 814
        refused = [outcome for outcome in translation.outcomes.values() if isinstance(outcome, Refusal)]
        assert len(translation.classes) - len(refused) >= 700
    assert translation.outcomes.keys() == {mined.qualified_name for mined in translation.classes}
