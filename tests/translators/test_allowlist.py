"""What may be executed: sane files pass, each hostile one is refused with its reason and none of it runs."""

import pytest

from translators.allowlist import check_allowed
from translators.diagnostics import Refused, UserError
from translators.loading import load_class

RUNTIME = "from translators.runtime import functional as F, init, nn, ops\n"

ALLOWED = {
    "runtime": RUNTIME + "class A(nn.Module):\n    def forward(self, x):\n        return F.relu(ops.abs(x))\n",
    "libraries": "import numpy as np\nfrom functools import partial\nX = partial(np.prod, axis=0)\n",
    "relative import": "from .layers import Conv\nfrom ..a.b import c as d\nX = Conv\n",
    "own names shadow builtins": "def f(input, open=1):\n    return input + open\n",
    "property with setter": (
        "class A:\n    @property\n    def a(self):\n        pass\n    @a.setter\n    def a(self, v):\n        pass\n"
    ),
    "completed constant": "T = []\nT.append(1)\ndef f(x):\n    return x\nf(T)\nfor i in T:\n    T.pop()\n",
    "constant attribute names": "def f(x):\n    return getattr(x, 'a', None), hasattr(x, 'b')\n",
    "attributes that begin like those of frames": "def f(x):\n    return x.cr_window + x.co_attention + x.tb_size\n",
    "docstring about formats": 'def f(x):\n    """{x.__class__}"""\n    return x\n',
}


@pytest.mark.parametrize("name", ALLOWED)
def test_sane_source_passes(name):
    assert check_allowed(ALLOWED[name]) == ()


HOSTILE = {
    "print at module level": "print('hello')\n",
    "call of a library at module level": "import copy\ncopy.deepcopy([1])\n",
    "name at module level": "X = 1\nX\n",
    "import": "import os\n",
    "import of a submodule": "import os.path as math\n",
    "from import": "from subprocess import run\n",
    "star": "from math import *\n",
    "import inside": "def f():\n    import socket\n",
    "what a library imports": "import enum\nX = enum.sys\n",
    "what the runtime imports": RUNTIME + "X = nn.np\n",
    "import of what a library imports": "from typing import sys\n",
    "library outside the list": "import numpy as np\nX = np.load\n",
    "numpy's testing": "from numpy import testing\n",
    "eval": "eval('1')\n",
    "exec as a value": "X = [exec]\n",
    "open": "def f(x):\n    return open(x)\n",
    "dunder import": "__import__('os')\n",
    "builtins": "X = __builtins__\n",
    "globals": "def f():\n    return globals()\n",
    "class walk": "X = ().__class__.__bases__\n",
    "subclasses": "X = type(1).mro()\n",
    "function globals": "def f():\n    pass\nX = f.__globals__\n",
    "frame of a traceback": "def f(e):\n    return e.tb_frame\n",
    "code": "def f(e):\n    return e.co_consts\n",
    "frame": "def f():\n    yield\nX = f().gi_frame\n",
    "traceback": "try:\n    pass\nexcept Exception as e:\n    X = e.__traceback__\n",
    "getattr with a computed name": "def f(x, n):\n    return getattr(x, n)\n",
    "getattr with a dunder": "X = getattr(1, '__class__')\n",
    "getattr as a value": "X = map(getattr, [1], ['real'])\n",
    "setattr with a computed name": "def f(x, n):\n    setattr(x, n, 1)\n",
    "format": "X = '{0.__class__}'.format(1)\n",
    "metaclass": "class A(metaclass=type):\n    pass\n",
    "class keyword": "class A(object, x=1):\n    pass\n",
    "class by type": "X = type('A', (), {})\n",
    "unknown decorator": "def d(f):\n    return f\n@d\ndef f():\n    pass\n",
    "decorator expression": "@(lambda f: f)\ndef f():\n    pass\n",
    "init_subclass": "class A:\n    def __init_subclass__(cls):\n        pass\n",
    "getattribute": "class A:\n    def __getattribute__(self, n):\n        pass\n",
    "unresolved": "def f():\n    return missing\n",
    "while at module level": "while True:\n    pass\n",
    "try at module level": "try:\n    pass\nfinally:\n    pass\n",
    "async": "async def f():\n    pass\n",
    "global": "X = 1\ndef f():\n    global X\n    X = 2\n",
    "patching a library": "from functools import partial\npartial.x = 1\n",
    "bidirectional text": "X = 1 # \u202e\n",
    "zero width": "X\u200b = 1\n",
    "NUL": "X = 1\0\n",
    "syntax": "def f(:\n",
    "nested": "X = " + "(" * 3000 + ")" * 3000 + "\n",
    "wide letters": "X = ｅval('1')\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_source_is_refused(name):
    assert check_allowed(HOSTILE[name])


def test_the_loader_checks_before_it_runs_and_follows_relative_imports(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "base.py").write_text("class Base:\n    value = 3\n")
    (tmp_path / "net" / "good.py").write_text("from .base import Base\n\n\nclass Good(Base):\n    pass\n")
    mark = tmp_path / "mark"
    (tmp_path / "net" / "bad.py").write_text(f"open({str(mark)!r}, 'w')\n\n\nclass Bad:\n    pass\n")
    assert load_class(tmp_path, "net.good.Good").value == 3
    with pytest.raises(Refused, match="builtin open"):
        load_class(tmp_path, "net.bad.Bad")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["net.good.Missing", "other.Good", "Good"])
def test_a_class_that_is_not_there_is_one_line(tmp_path, name):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "good.py").write_text("class Good:\n    pass\n")
    with pytest.raises(UserError, match=name):
        load_class(tmp_path, name)
