"""What names mean across files."""

import pytest

from translators.environment import UNKNOWN
from translators.index import Index


@pytest.fixture
def index(tree):
    def build(files, name):
        built = Index([tree(files)])
        return built, built.modules[name]

    return build


def meaning(index, module, name):
    symbol = index.resolve(module, name)
    return symbol.units[-1].qualified_name if symbol.kind == "unit" else f"{symbol.kind} {symbol.name}"


PACKAGE = {
    "net/__init__.py": "from .layers import *\nfrom .block import block\n",
    "net/layers.py": """
        import torch.nn as nn
        __all__ = ['Conv', '_private']
        class Conv(nn.Conv2d): pass
        def _private(): pass
        """,
    "net/block.py": """
        from torch.nn import functional as fun
        from . import layers
        from .layers import Conv as C
        def block(): pass
        """,
    "net/deep/__init__.py": "",
    "net/deep/user.py": """
        from net import Conv, block
        from ..layers import Conv as Up
        import net.layers as ls
        import net
        """,
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Conv", "net.layers.Conv"),
        ("Up", "net.layers.Conv"),
        ("ls.Conv", "net.layers.Conv"),
        ("net.layers.Conv", "net.layers.Conv"),
        ("net.Conv", "net.layers.Conv"),
        ("block", "net.block.block"),
        ("net.block", "net.block.block"),
        ("net._private", "net.layers._private"),
        ("net.missing", "unresolved missing"),
        ("len", "builtin len"),
        ("nothing", "unresolved nothing"),
    ],
)
def test_names_through_packages(index, name, expected):
    built, module = index(PACKAGE, "net.deep.user")
    assert meaning(built, module, name) == expected


def test_names_of_torch_have_one_spelling(index):
    built, module = index(PACKAGE, "net.block")
    assert meaning(built, module, "fun.relu") == "foreign torch.nn.functional.relu"
    assert meaning(built, module, "layers.nn.modules.conv.Conv2d") == "foreign torch.nn.Conv2d"


def test_a_sibling_and_a_file_below_a_source_folder_are_found(index):
    files = {"src/models/a.py": "from b import X\nfrom models.c import Y\n", "src/models/b.py": "class X: pass\n"}
    built, module = index({**files, "src/models/c.py": "class Y: pass\n"}, "src.models.a")
    assert meaning(built, module, "X") == "src.models.b.X"
    assert meaning(built, module, "Y") == "src.models.c.Y"


def test_imports_in_a_circle_end(index):
    built, module = index({"a.py": "from b import x\n", "b.py": "from a import x\n"}, "a")
    assert meaning(built, module, "x").startswith("unresolved")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("try:\n    import apex\n    flag = True\nexcept ImportError:\n    flag = False\n", False),
        ("try:\n    import math\n    flag = True\nexcept ImportError:\n    flag = False\n", True),
        ("import torch\nif torch.__version__ >= '1.10':\n    flag = True\nelse:\n    flag = False\n", True),
        ("import torch\nflag = torch.cuda.is_available()\n", False),
        ("import torch\nflag = hasattr(torch, 'no_such_thing')\n", False),
        ("import os\nflag = 'FAST' in os.environ\n", False),
        ("import torch\nflag = torch.cuda.is_available()\ndef set_flag(x):\n    global flag\n    flag = x\n", UNKNOWN),
        ("from typing import TYPE_CHECKING\nflag = not TYPE_CHECKING\n", True),
    ],
)
def test_answers_about_the_surroundings(index, text, value):
    built, module = index({"a.py": text}, "a")
    assert built.lookup(module)("flag") is value


@pytest.mark.parametrize(
    "text",
    [
        "def f(:\n",
        "print 'python 2'\n",
        "x = " + "(" * 5000 + "1" + ")" * 5000,
        "x = '" + "a" * 50_000 + "'\n",
        "x = " + "-" * 100_000 + "1\n",
    ],
    ids=["syntax", "python 2", "nested", "long line", "unary chain"],
)
def test_a_file_that_cannot_be_parsed_costs_only_itself(tree, text):
    built = Index([tree({"bad.py": text, "good.py": "x = 1\n"})])
    assert set(built.modules) == {"good"}
    assert [path for path, _ in built.skipped] == ["bad.py"]


def test_branches_may_ask_about_files_that_are_read_later(index):
    files = {
        "a.py": "from z import VERSION\nif VERSION >= '1.10':\n    flag = True\nelse:\n    flag = False\n",
        "z.py": "import torch\nVERSION = torch.__version__\n",
    }
    built, module = index(files, "a")
    assert built.resolve(module, "VERSION").units[0].qualified_name == "z.VERSION"
