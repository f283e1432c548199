"""Before and after of every rewriting, in the body of a forward."""

import textwrap

import jax
import jax.numpy as jnp
import pytest

from translators import Refusal, Refused
from translators.loading import load_class
from translators.runtime import nn

PAIRS = {
    "torch function": ("return torch.cat([x, x], dim=1)", "return ops.cat([x, x], dim=1)"),
    "functional": ("return F.relu(x)", "return F.relu(x)"),
    "tensor method": ("return x.view(2, -1).mean(1)", "return ops.mean(ops.view(x, 2, -1), 1)"),
    "method over lines keeps its comment": (
        "return (\n    x.flatten(1)  # rows\n    .sum(1)\n)",
        "return (\n    ops.sum(ops.flatten(x, 1), 1)\n)",
    ),
    "method of an operator": ("return (x + 1).abs()", "return ops.abs(x + 1)"),
    "dtype and method of one name": ("return x.float().to(torch.float)", "return ops.to(ops.float(x), ops.float)"),
    "method of own module stays": ("return self.float(x)", "return self.float(x)"),
    "method of parent stays": ("return super().forward(x)", "return super().forward(x)"),
    "method of a library stays": ("return x * math.log(2)", "return x * math.log(2)"),
    "method of a string stays": ("return self.table[','.join(x)]", "return self.table[','.join(x)]"),
    "method of a list stays": (
        "xs = []\nxs.append(x)\nreturn xs.index(x)",
        "xs = []\nxs.append(x)\nreturn xs.index(x)",
    ),
    "class of torch by its long name": (
        "return isinstance(self.a, torch.nn.modules.conv.Conv2d)",
        "return isinstance(self.a, nn.Conv2d)",
    ),
    "tensor class": ("return isinstance(x, torch.Tensor)", "return isinstance(x, ops.Tensor)"),
    "einops": (
        "from einops import rearrange\nreturn rearrange(x, 'b c -> c b')",
        "return einops.rearrange(x, 'b c -> c b')",
    ),
    "operator on what a mask selects": (
        "y = x * 2\ny[y < 0] *= 0.1\nreturn y",
        "y = x * 2\ny = update_item(y, y < 0, '*', 0.1)\nreturn y",
    ),
    "write behind the gradient": (
        "y = x * 2\ny.data.mul_(0.1)\nreturn y",
        "y = x * 2\ny = ops.mul_(refuse_alias(y, 'block.py:8: y is written behind the back of its gradient'), 0.1)\n"
        "return y",
    ),
    "parameter through data": (
        "self.a.weight.data *= 2\nreturn self.a(x)",
        "self.a.weight *= 2\nreturn self.a(x)",
    ),
    "in place by a flag": (
        "y = F.relu(x, inplace=self.a)\nreturn x + y",
        "y = F.relu(x, inplace=unless_written(self.a, 'block.py:7: F.relu may write into x, which is read later'))\n"
        "return x + y",
    ),
    "query of a dtype": (
        "return x if torch.float32.is_floating_point else -x",
        "return x if ops.is_floating_point(ops.float32) else -x",
    ),
    "unbound method": ("return torch.Tensor.view(x, 2, -1)", "return ops.view(x, 2, -1)"),
    "assertion as a call": (
        "torch._assert(x.shape[0] == 2, 'two')\nreturn x",
        "require(x.shape[0] == 2, 'two')\nreturn x",
    ),
    "scripting query": ("if torch.jit.is_scripting():\n    return x\nreturn -x", "return -x"),
    "else of a query": (
        "if torch.cuda.is_available():\n    y = 1\nelse:\n    y = 2\nreturn x * y",
        "y = 2\nreturn x * y",
    ),
    "elif that is decided": (
        "if self.a:\n    y = 1\nelif torch.jit.is_tracing():\n    y = 2\nelse:\n    y = 3\nreturn x * y",
        "if self.a:\n    y = 1\nelse:\n    y = 3\nreturn x * y",
    ),
    "query in an expression": (
        "return x if self.a and not torch.jit.is_scripting() else -x",
        "return x if self.a and not False else -x",
    ),
    "pair of a number": (
        "from torch.nn.modules.utils import _pair\nreturn x * _pair(2)[0]",
        "return x * (lambda x: tuple(x) if isinstance(x, (tuple, list)) else (x,) * 2)(2)[0]",
    ),
    "conditional expression": ("return x if torch.jit.is_scripting() else -x", "return -x"),
    "version": ("if torch.__version__ >= '1.8':\n    return x\nreturn -x", "return x\nreturn -x"),
    "hasattr of torch": ("if hasattr(F, 'gelu'):\n    x = -x\nreturn x", "x = -x\nreturn x"),
    "autocast": ("with torch.cuda.amp.autocast(enabled=False):\n    x = x + 1\nreturn x", "x = x + 1\nreturn x"),
    "no_grad": (
        "with torch.no_grad():\n    y = x + 1\nreturn x * y",
        "y = x + 1\ny = ops.detach(y)\nreturn x * y",
    ),
    "result of no_grad": (
        "with torch.no_grad():\n    y = x + 1\n    return y, x",
        "y = x + 1\nreturn ops.detach((y, x))",
    ),
    "no_grad binds what may not be reached": (
        "with torch.no_grad():\n    if self.a:\n        y, z = x.chunk(2)\n    w = [t for t in x]\nreturn x",
        "if self.a:\n    y, z = ops.chunk(x, 2)\n    y = ops.detach(y)\n    z = ops.detach(z)\n"
        "w = [t for t in x]\nw = ops.detach(w)\nreturn x",
    ),
    "no_grad binds what is no tensor": (
        "with torch.no_grad():\n    self.cache = {}\n    if self.a:\n        n = 2\nreturn x * n",
        "self.cache = {}\nif self.a:\n    n = 2\nreturn x * n",
    ),
    "no_grad writes a buffer": (
        "with torch.no_grad():\n    self.mean.data.mul_(0.9).add_(x.mean())\nreturn x",
        "ops.add_(ops.mul_(self.mean, 0.9), ops.mean(x))\nself.mean = ops.detach(self.mean)\nreturn x",
    ),
    "optional import in a function": (
        "try:\n    from absent import f\n    x = f(x)\nexcept ImportError:\n    x = x + 1\nreturn x",
        "x = x + 1\nreturn x",
    ),
    "threads that nothing uses": (
        "import queue\nself.waiting = queue.Queue()\nreturn x",
        "self.waiting = unsupported('R06', 'block.py:8: queue.Queue is not supported')\nreturn x",
    ),
    "layers in a comprehension": (
        "return sum(layer(x) for layer in self.layers)",
        "return sum(unless_in_place(layer, 'block.py:7: layer may write into x, which is read later')(x) "
        "for layer in self.layers)",
    ),
    "attribute of a tensor": (
        "mask = torch.zeros(2).float()\nmask.needs_grad = False\nself.mask = mask\nself.mask.note = 1\nreturn x",
        "mask = ops.float(ops.zeros(2))\nself.mask = mask\nself.mask.note = 1\nreturn x",
    ),
    "write into a view of nothing else": (
        "return torch.zeros(2).float().uniform_(0, 1) + x",
        "return ops.uniform_(ops.float(ops.zeros(2)), 0, 1) + x",
    ),
    "version in an assertion": (
        "from packaging import version\nassert self.a or version.parse(torch.__version__) >= version.parse('1.8')\n"
        "return x",
        "assert self.a or True\nreturn x",
    ),
    "requires_grad": (
        "self.k.requires_grad = False\nif x.requires_grad:\n    x = x + 1\nreturn x",
        'ops.requires_grad_(self.k, False)\nif getattr(x, "requires_grad", True):\n    x = x + 1\nreturn x',
    ),
    "rate of an in-place dropout is no tensor": (
        "rate = 0.1\nreturn [nn.Dropout(rate, inplace=True), nn.Dropout(rate, inplace=True)](x)",
        "rate = 0.1\nreturn [nn.Dropout(rate, inplace=True), nn.Dropout(rate, inplace=True)](x)",
    ),
    "detach": ("return x.detach()", "return ops.detach(x)"),
    "data": ("return x.data + 1", "return ops.detach(x) + 1"),
    "device": ("return torch.zeros(2, device=x.device)", "return ops.zeros(2, device=ops.device())"),
    "checkpoint": (
        "return torch.utils.checkpoint.checkpoint(self.inner, x, use_reentrant=False)",
        "return self.inner(x)",
    ),
    "jit annotation": ("return torch.jit.annotate(int, x)", "return x"),
    "in-place method as a statement": ("x.add_(1)\nreturn x", "x = ops.add_(x, 1)\nreturn x"),
    "in-place method of an attribute": ("self.mean.mul_(0.9)\nreturn x", "ops.mul_(self.mean, 0.9)\nreturn x"),
    "in-place method of data": ("self.mean.data.mul_(0.9)\nreturn x", "ops.mul_(self.mean, 0.9)\nreturn x"),
    "in-place method read again": (
        "y = x.add_(1)\nreturn x + y",
        "y = (x := ops.add_(x, 1))\nreturn x + y",
    ),
    "in-place method or another one": (
        "return x.mul_(x.sigmoid()) if self.a else x.mul(x.sigmoid())",
        "return ops.mul_(x, ops.sigmoid(x)) if self.a else ops.mul(x, ops.sigmoid(x))",
    ),
    "in-place methods in a row": ("x.mul_(2).add_(1)\nreturn x", "x = ops.add_(ops.mul_(x, 2), 1)\nreturn x"),
    "in-place methods in a row, read again": (
        "y = x.mul_(2).add_(1)\nreturn x + y",
        "y = (x := ops.add_(ops.mul_(x, 2), 1))\nreturn x + y",
    ),
    "write into one of two names": (
        "y = x[0]\ny += 1\nreturn x",
        "y = x[0]\nrefuse_alias(y, 'block.py:8: y is written while x may be the same tensor and is read later')\n"
        "y += 1\nreturn x",
    ),
    "write after the other name is gone": (
        "for i in range(3):\n    y = x[i]\n    y = y * 2\n    y += 1\nreturn x + y",
        "for i in range(3):\n    y = x[i]\n    y = y * 2\n    y += 1\nreturn x + y",
    ),
    "in-place method not read again": ("y = x.add_(1)\nreturn y", "y = ops.add_(x, 1)\nreturn y"),
    "in-place function as a statement": (
        "F.relu(x, inplace=True)\nreturn x",
        "x = F.relu(x, inplace=True)\nreturn x",
    ),
    "in-place function read again": (
        "y = F.relu(x, inplace=True)\nreturn x + y",
        "y = (x := F.relu(x, inplace=True))\nreturn x + y",
    ),
    "in-place function of a name with another name": (
        "a = x\nx = F.relu(x, inplace=True)\nreturn a + x",
        "a = x\nx = (a := F.relu(x, inplace=True))\nreturn a + x",
    ),
    "item assignment": (
        "y = x * 1\ny[:, 0] = 0\nreturn y",
        "y = x * 1\ny = set_item(y, (slice(None, None), 0), 0)\nreturn y",
    ),
    "item assignment of one slice": (
        "y = x * 1\ny[1:] = 0\nreturn y",
        "y = x * 1\ny = set_item(y, slice(1, None), 0)\nreturn y",
    ),
    "augmented item": (
        "y = x * 1\ny[0] += x[1] - 2\nreturn y",
        "y = x * 1\ny = set_item(y, 0, y[0] + (x[1] - 2))\nreturn y",
    ),
    "item of a dict stays": ("d = {}\nd[0] = x\nreturn d[0]", "d = {}\nd[0] = x\nreturn d[0]"),
    "string key stays": ("self.cache['x'] = 1\nreturn x", "self.cache['x'] = 1\nreturn x"),
    "index by a list": ("return x[:, [0, 2]]", "return get_item(x, (slice(None, None), [0, 2]))"),
    "augmented assignment stays": ("x = x * 2\nx += 1\nreturn x", "x = x * 2\nx += 1\nreturn x"),
    "own attribute by a computed name": (
        "return getattr(self, f'conv{1}')(x)",
        "return self.get_submodule(f'conv{1}')(x)",
    ),
    "layer by a computed name": ("return getattr(nn, self.kind)()(x)", "return look_up(nn, self.kind)()(x)"),
    "class of an object": ("return self.__class__.__name__", "return type(self).__name__"),
    "logging and printing go": ("print(x.shape)\nreturn x", "return x"),
    "import inside": ("from math import sqrt\nreturn x * sqrt(2)", "return x * sqrt(2)"),
    "annotation inside": ("y: torch.Tensor = x + 1\nreturn y", "y = x + 1\nreturn y"),
    "environment variable": (
        "import os\nreturn x * int(os.environ.get('SCALE', '2'))",
        "return x * int('2')",
    ),
    "refusal in a branch": (
        "if self.rare:\n    return torch.unique(x)\nreturn x",
        "if self.rare:\n    return refuse('R04', 'block.py:8: torch.unique is not supported')(x)\nreturn x",
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_before_and_after(forward, name):
    before, after = PAIRS[name]
    assert forward(before) == textwrap.dedent(after)


REFUSED = {
    "unresolved name": ("return missing(x)", "R01", "missing"),
    "third-party symbol": ("import mmcv\nreturn mmcv.ops.nms(x)", "R02", "mmcv.ops.nms"),
    "gradient by hand": ("return torch.autograd.grad(x, x)", "R03", "torch.autograd.grad"),
    "size that depends on data": ("return torch.nonzero(x)", "R04", "torch.nonzero"),
    "write beside a read": ("return x + x.mul_(2)", "R05", "x"),
    "write into a view": ("x.view(-1).fill_(0)\nreturn x", "R05", "torch.Tensor.fill_"),
    "random of NumPy": ("import numpy as np\nreturn x * np.random.rand()", "R06", "numpy.random.rand"),
    "unsupported function": ("return torch.lobpcg(x)", "R10", "torch.lobpcg"),
    "unsupported method": ("return x.histc(4)", "R10", "torch.Tensor.histc"),
    "computed attribute of another object": ("return getattr(x, self.name)", "R09", "getattr"),
    "collective": ("return torch.distributed.all_reduce(x)", "R12", "torch.distributed.all_reduce"),
    "parametrisation": (
        "return torch.nn.utils.parametrizations.orthogonal(self.a)(x)",
        "R13",
        "torch.nn.utils.parametrizations.orthogonal",
    ),
    "class made by type": ("return type('A', (), {})()", "R14", "type"),
    "builtin": ("return eval('x')", "R15", "eval"),
    "attribute": ("return x.__dict__", "R15", "__dict__"),
    "coroutine": ("async def later():\n    return x\nreturn later()", "R15", "Block"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_every_forward_reaches_refuses_the_class(forward, name):
    body, code, symbol = REFUSED[name]
    found = forward(body)
    assert isinstance(found, Refusal)
    assert (found.code, found.name) == (code, symbol)


def test_a_refusal_shows_file_line_and_caret(forward):
    found = forward("y = x + 1\nreturn torch.unique(y)")
    assert str(found).split("\n")[:3] == [
        "block.py:8: R04 control flow or shape that depends on data: torch.unique is not supported",
        "    return torch.unique(y)",
        "           ^",
    ]


def test_a_refusal_in_what_the_constructor_calls_is_found(translated):
    translation = translated(
        """
        def helper(n):
            return torch.lobpcg(n)

        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.build()

            def build(self):
                self.a = helper(2)

            def forward(self, x):
                return x
        """
    )
    assert translation.outcomes["block.Block"].name == "torch.lobpcg"


def test_what_nothing_calls_is_dropped(translated):
    translation = translated(
        """
        class Block(nn.Module):
            def forward(self, x):
                return self.used(x)

            def used(self, x):
                return x

            def unused(self, x):
                return torch.lobpcg(x)
        """
    )
    text = translation.modules["block.py"]
    assert "def used" in text and "unused" not in text


def test_an_in_place_activation_changes_what_is_read_afterwards(translated):
    text = translated(
        """
        class Block(nn.Module):
            def __init__(self, act_layer=nn.ReLU):
                super().__init__()
                self.relu = nn.ReLU(inplace=True)
                self.act = act_layer(inplace=True)
                self.branch = nn.Sequential(nn.ReLU(True), nn.Conv2d(8, 8, 1))

            def forward(self, x):
                y = self.relu(x)
                z = self.act(y)
                return x + y + z

            def plain(self, x):
                x = self.relu(x)
                x = self.act(x)
                return self.branch(x)

            def both(self, x):
                y = self.branch(x)
                self.relu(y)
                return x + y

            def __call__(self, x):
                return self.plain(x) + self.both(x)
        """
    ).modules["block.py"]
    assert "y = (x := self.relu(x))" in text
    assert "z = self.act((y := (x := activated(self.act, y, 'block.py:15: self.act may write into" in text
    assert "x = self.relu(x)\n        x = self.act(x)\n        return self.branch(x)" in text
    assert "y = self.branch((x := activated(self.branch, x, " in text
    assert "        y = self.relu(y)\n        return x + y" in text


def test_a_call_of_what_writes_its_argument_is_checked(translated):
    text = translated(
        """
        class First(nn.Module):
            def __init__(self):
                super().__init__()
                self.act = nn.ReLU(inplace=True)
                self.conv = nn.Conv2d(8, 8, 1)

            def forward(self, x):
                return self.conv(self.act(x))

        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.first = First()
                self.later = nn.Sequential(nn.Conv2d(8, 8, 1), First())

            def forward(self, x):
                y = self.first(x) + x
                z = self.later(y) + y
                frame(z, 0)
                z = frame(z * 1, 0)
                return frame(z, 1)

        def frame(x, size):
            rows = x[:, :1]
            rows.fill_(size)
        """
    ).modules["block.py"]
    message = "'block.py:22: self.first writes into what x may be, which is read later'"
    assert f"y = self.first(refuse_alias(x, {message})) + x" in text
    assert "z = self.later(y) + y" in text
    assert "frame(refuse_alias(z, 'block.py:24: frame writes into what z may be, which is read later'), 0)" in text
    assert "z = frame(z * 1, 0)\n        return frame(z, 1)" in text


def test_a_tally_for_somebody_outside_goes_and_a_variable_that_is_read_refuses(translated):
    outcomes = translated(
        """
        OPERATIONS = CALLS = 0

        class Counted(nn.Module):
            def __init__(self, width=8):
                super().__init__()
                global OPERATIONS
                OPERATIONS += width
                self.width = width

            def forward(self, x):
                return x * self.width

        class Reader(nn.Module):
            def forward(self, x):
                global SCALE
                return x * SCALE

        SCALE = 2

        class Numbered(nn.Module):
            def forward(self, x):
                global CALLS
                CALLS += 1
                return x + CALLS

        def total():
            global OPERATIONS
            return OPERATIONS
        """
    )
    assert isinstance(outcomes.outcomes["block.Numbered"], Refusal)
    assert "def forward(self, x):\n        return x * SCALE" in outcomes.modules["block.py"]
    assert "super().__init__()\n        self.width = width" in outcomes.modules["block.py"]


def test_a_write_is_seen_in_what_holds_the_tensor(translated):
    text = translated(
        """
        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.skip = nn.Sequential()
                self.relu = nn.ReLU(inplace=True)
                self.conv = nn.Conv2d(8, 8, 1)

            def double(self, block):
                first = nn.Conv2d(8, 8, 1)
                return nn.Sequential(first, block(first), block(first))

            def forward(self, x):
                held = []
                for layer in self.layers:
                    x = layer(x)
                    held.append(x)
                half = first(x)
                half *= 2
                y = self.conv(x)
                y += 1
                z = self.skip(y)
                z = self.relu(z)
                return torch.cat(held, 1) + x + y + z

        def first(x):
            return x[:, :4]
        """
    ).modules["block.py"]
    assert "x = unless_in_place(layer, 'block.py:20: layer may write into x, which is read later')(x)" in text
    assert "refuse_alias(half, 'block.py:23: half is written while held, x may be the same" in text
    assert "y = self.conv(x)\n        y += 1\n        z = self.skip(y)" in text
    assert "z = self.relu(refuse_same(z, (y,), 'block.py:27: z is written while y may be the same tensor'))" in text


def test_a_given_module_may_hand_on_what_is_written_next(translated, tmp_path):
    emitted = translated(
        """
        class Block(nn.Module):
            def __init__(self, body, tail=None):
                super().__init__()
                self.body = body(8, 8)
                self.tail = tail if tail is not None else nn.Conv2d(8, 8, 1)

            def forward(self, x):
                down = x
                x = self.body(x)
                x += 1
                y = self.tail(x)
                y *= 2
                return self.body(y) + down
        """
    ).modules["block.py"]
    assert "refuse_same(x, (down,), 'block.py:" in emitted
    assert "refuse_same(y, (down,), " in emitted, "x is not read again, and no reason"
    (tmp_path / "block.py").write_text(emitted)
    block = load_class(tmp_path, "block.Block")
    x = jnp.ones((1, 8, 4, 4))
    assert jax.eval_shape(lambda x: block(lambda *_: nn.Conv2d(8, 8, 1))(x), x).shape == x.shape
    with pytest.raises(Refused, match="down may be the same tensor"):
        jax.eval_shape(lambda x: block(nn.Identity)(x), x)


def test_the_gradient_stops_in_a_function_without_it(translated):
    text = translated(
        """
        class Block(nn.Module):
            @torch.no_grad()
            def scale(self, x):
                self.last = x.mean()
                return self.last, x.std()

            def forward(self, x):
                mean, std = self.scale(x)
                return x * mean * std
        """
    ).modules["block.py"]
    assert "self.last = ops.detach(self.last)\n        return ops.detach((self.last, ops.std(x)))" in text


def test_a_local_called_like_a_runtime_module_does_not_hide_it(translated):
    text = translated(
        """
        class Block(nn.Module):
            def forward(self, x):
                B, C, F = x.shape
                ops = 1
                return torch.relu(x) * F
        """
    ).modules["block.py"]
    assert "from translators.runtime import nn, ops as ops_" in text
    assert "return ops_.relu(x) * F" in text


def test_annotations_and_decorators_of_torch_go(translated):
    text = translated(
        """
        @torch.jit.interface
        class Block(nn.Module):
            scale: torch.jit.Final[int]
            __constants__ = ["scale"]

            @torch.jit.ignore
            @torch.no_grad()
            def forward(self, x: torch.Tensor, n: int = 2) -> torch.Tensor:
                return x * n
        """
    ).modules["block.py"]
    assert text.endswith(
        "class Block(nn.Module):\n    def forward(self, x, n: int = 2):\n        return ops.detach(x * n)\n"
    )


def test_a_decorator_that_only_registers_goes_and_another_refuses(translated):
    outcomes = translated(
        """
        def add(cls):
            TABLE[cls.__name__] = cls
            return cls

        def wrap(cls):
            return type(cls.__name__, (cls,), {})

        TABLE = {}

        @add
        class Good(nn.Module):
            def forward(self, x):
                return x

        @wrap
        class Bad(nn.Module):
            def forward(self, x):
                return x
        """
    ).outcomes
    assert not isinstance(outcomes["block.Good"], Refusal)
    assert outcomes["block.Bad"].code == "R15"


def test_a_constant_of_the_surroundings_is_folded(translated):
    text = translated(
        """
        try:
            import apex
            has_apex = True
        except ImportError:
            has_apex = False

        _has_gelu = "gelu" in dir(F)
        ACT = F.gelu if _has_gelu else None

        class Block(nn.Module):
            def forward(self, x):
                if has_apex:
                    return apex.fused(x)
                return ACT(x)
        """
    ).modules["block.py"]
    assert "ACT = F.gelu\n" in text and "apex" not in text.partition("class Block")[2]


def test_a_constant_that_is_completed_later_is_whole(translated):
    text = translated(
        """
        TABLE = dict(relu=nn.ReLU)
        TABLES = (TABLE,)
        for table in TABLES:
            table.setdefault("gelu", nn.GELU)

        class Block(nn.Module):
            def __init__(self, act="gelu"):
                super().__init__()
                self.act = TABLE[act]()

            def forward(self, x):
                return self.act(x)
        """
    ).modules["block.py"]
    assert (
        'TABLE = dict(relu=nn.ReLU)\nTABLES = (TABLE,)\nfor table in TABLES:\n    table.setdefault("gelu", nn.GELU)'
        in text
    )


def test_what_makes_a_layer_that_works_in_place_writes_nothing_itself(translated):
    text = (
        "def lazily(inplace=True):\n    return lambda: nn.ReLU(inplace=inplace)\n\n"
        "class Block(nn.Module):\n    def __init__(self, make=lazily()):\n        super().__init__()\n"
        "        self.act = make()\n\n    def forward(self, x):\n        return self.act(x * 2)\n"
    )
    emitted = next(iter(translated(text).modules.values()))
    assert "return lambda: nn.ReLU(inplace=inplace)" in emitted
