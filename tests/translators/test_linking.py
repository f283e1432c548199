"""Cutting classes with their closure out of emitted modules."""

from __future__ import annotations

import ast

import pytest

from translators.linking import link

MODULES = {
    "pack/__init__.py": "from .layers import Act\n",
    "pack/helpers.py": '''"""Helpers."""
from __future__ import annotations
import math
from translators.runtime import functional as F

LIMIT = 3
TABLE = {"limit": LIMIT}


# Why this is here.
def scale(x, limit=LIMIT):
    return F.relu(x) * math.sqrt(limit)


def make():
    return [other(i) for i in range(LIMIT)]


def other(i):
    return i


MADE = make()


def unused():
    return nowhere
''',
    "pack/layers/__init__.py": "from .act import Act\nfrom .act import Base as PublicBase\n",
    "pack/layers/act.py": '''from __future__ import annotations
from translators.runtime import nn
from pack import helpers
from ..helpers import TABLE, scale as rescale


class Act(nn.Module):
    """An activation."""

    def forward(self, x: helpers.Something) -> int:
        F = helpers.scale(x)  # a local F
        return rescale(F) + helpers.LIMIT + TABLE["limit"] + len(helpers.MADE)


class Base(nn.Module):
    pass
''',
    "pack/model.py": """from __future__ import annotations
from . import layers
from .layers import PublicBase


def scale(x):
    return x


class Act(PublicBase):
    def forward(self, scale_by, helpers=1):
        return [scale(helpers) for scale_by in layers.Act()(scale_by)]


class Wide(layers.PublicBase):
    inner = Act
""",
}


def modules(**changes: str) -> dict[str, str]:
    return MODULES | {path.replace("__", "/") + ".py": text for path, text in changes.items()}


def test_the_closure_comes_along_and_nothing_else() -> None:
    sources = modules() | {"pack/layers/act.py": MODULES["pack/layers/act.py"].replace(": helpers.Something", "")}
    linked = link(sources, ["pack.Act"])
    names = [node.name for node in ast.parse(linked.text).body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    assert linked.names == {"pack.Act": "Act"}
    assert set(names) == {"Act", "scale", "make", "other"}
    assert "# Why this is here." in linked.text and "# a local F" in linked.text
    assert "pack" not in "".join(linked.imports)
    assert "rescale" not in linked.text and "helpers." not in linked.text


def test_what_runs_at_load_stands_below_what_it_calls() -> None:
    parts = [
        "def make():\n    return late()",
        "X = make",
        "def late():\n    return 1",
        "Y = make()",
        "class C:\n    y = Y\n",
    ]
    sources = {"m.py": "\n\n".join(parts)}
    text = link(sources, ["m.C"]).text
    scope: dict = {}
    exec(text, scope)
    assert scope["C"].y == 1 and "X = " not in text


def test_clashes_are_renamed_at_every_use_and_locals_are_left_alone() -> None:
    sources = modules() | {"pack/layers/act.py": MODULES["pack/layers/act.py"].replace(": helpers.Something", "")}
    linked = link(sources, ["pack.model.Wide", "pack.layers.act.Act"], reserved=["Wide"])
    assert linked.names["pack.model.Wide"] == "Wide_model"
    own, theirs = "Act", "Act_act"
    tree = ast.parse(linked.text)
    classes = {node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.ClassDef)}
    assert {own, theirs, "Base", "Wide_model"} == set(classes) and linked.names["pack.layers.act.Act"] in (own, theirs)
    inner = next(name for name in (own, theirs) if f"inner = {name}\n" in classes["Wide_model"] + "\n")
    assert f"for scale_by in {own if inner == theirs else theirs}()(scale_by)" in classes[inner]
    assert "class Wide_model(Base):" in linked.text
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) if node.name.startswith("scale")]
    assert sorted(functions) in (["scale", "scale_helpers"], ["scale", "scale_model"])
    assert "def forward(self, scale_by, helpers=1)" in linked.text


def test_linking_is_deterministic() -> None:
    sources = modules(pack__layers__act="class Act:\n    pass\n\nclass Base:\n    pass\n")
    assert link(sources, ["pack.model.Wide"]) == link(dict(reversed(sources.items())), ["pack.model.Wide"])


def test_a_class_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match=r"pack.model.Deep: pack/model.py defines no Deep"):
        link(MODULES, ["pack.model.Deep"])
    with pytest.raises(KeyError, match=r"no emitted module pack.nothing"):
        link(MODULES, ["pack.nothing.Deep"])


def test_a_constant_that_is_completed_later_is_complete():
    text = (
        "ME = dict(a=1)\nALL = (ME,)\nfor one in ALL:\n    one.setdefault('b', 2)\n\n\n"
        "class Block:\n    def look(self):\n        return ME['b']\n"
    )
    linked = link({"net/block.py": text}, ["net.block.Block"])
    namespace = {}
    exec(linked.text, namespace)
    assert namespace[linked.names["net.block.Block"]]().look() == 2
