"""Emitted files: in the layout of the source, importable, the same every time; and one class as one file."""

import jax
import jax.numpy as jnp
import pytest

from translators import Refusal, UserError, load_class, translate_class, translate_source
from translators.__main__ import write_files
from translators.allowlist import check_allowed
from translators.emission import standalone

PACKAGE = {
    "net/__init__.py": "from .blocks import Block\n",
    "net/layers.py": """
        import torch.nn as nn

        WIDTH = 4

        class Norm(nn.Module):
            def forward(self, x):
                from .blocks import scale
                return x / scale(x)

        class Unused(nn.Module):
            def forward(self, x):
                return missing(x)
        """,
    "net/blocks.py": """
        import torch
        from torch import nn
        from . import layers as ls
        from .layers import Norm as TheNorm

        def scale(x):
            return x.abs().amax()

        class Norm(ls.Norm):
            pass

        class Block(nn.Module):
            def __init__(self, width=ls.WIDTH, norm=TheNorm):
                super().__init__()
                self.conv = nn.Conv2d(3, width, 1)
                self.norm, self.own = norm(), Norm()

            def forward(self, x):
                return self.own(self.norm(self.conv(x)))
        """,
}


@pytest.fixture
def package(tree):
    return tree(PACKAGE, "net")


def test_modules_keep_the_layout_and_import_each_other(package, tmp_path):
    translation = translate_source(package)
    assert set(translation.modules) == {"net/blocks.py", "net/layers.py"}
    write_files(translation.modules, tmp_path / "library")
    block = load_class(tmp_path / "library", "net.blocks.Block")()
    assert jax.eval_shape(block, jax.ShapeDtypeStruct((2, 3, 5, 5), jnp.float32)).shape == (2, 4, 5, 5)


def test_modules_that_need_each_other_load_from_either_end(package, tmp_path):
    translation = translate_source(package)
    assert "from . import blocks  # noqa: E402\n" in translation.modules["net/layers.py"]
    write_files(translation.modules, tmp_path / "library")
    assert load_class(tmp_path / "library", "net.layers.Norm")()(jnp.array([2.0])).tolist() == [1.0]


def test_an_import_that_only_running_needs_stands_last_in_a_circle(tree):
    layers = "from torch import nn\nimport net.blocks\nclass Norm(nn.Module):\n    def forward(self, x):\n        "
    blocks = "from net.layers import Norm\nclass Block(Norm):\n    pass\ndef scale(x):\n    return x\n"
    files = {"net/layers.py": layers + "return net.blocks.scale(x)\n", "net/blocks.py": blocks}
    text = translate_source(tree({"net/__init__.py": "", **files}, "net")).modules["net/layers.py"]
    assert text.endswith("from .blocks import scale  # noqa: E402\n")


def test_only_what_translated_classes_reach_is_emitted(package):
    translation = translate_source(package)
    assert isinstance(translation.outcomes["net.layers.Unused"], Refusal)
    assert "Unused" not in translation.modules["net/layers.py"]


def test_the_header_says_where_it_comes_from(package):
    text = translate_source(package).modules["net/blocks.py"]
    assert text.startswith('"""Translated from net, net/blocks.py, lines 7-20.\n\nSource sha256 ')


def test_the_same_bytes_every_time(package):
    assert translate_source(package).modules == translate_source(package).modules


def test_one_class_as_one_file(package):
    text = standalone(translate_class(package, "Block"), "net.blocks.Block")
    assert check_allowed(text) == () and "from ." not in text
    assert text.count("class Norm") == 2  # two classes of one name, one of them renamed


def test_a_refused_class_has_no_file(package):
    with pytest.raises(UserError, match=r"net\.layers\.Unused: not translated \(R01\)"):
        standalone(translate_source(package), "net.layers.Unused")


def test_a_further_source_resolves_names(tree, tmp_path):
    net = tree({"net/__init__.py": "", "net/a.py": "from lib.b import Base\nclass A(Base):\n    pass\n"}, "net")
    lib = tree({"lib/__init__.py": "", "lib/b.py": "from torch import nn\nclass Base(nn.ReLU):\n    pass\n"}, "lib")
    assert translate_source(net).outcomes == {}  # nothing says that lib.b.Base is a module
    translation = translate_source(net, others=[lib])
    write_files(translation.modules, tmp_path / "library")
    assert load_class(tmp_path / "library", "net.a.A")()(jnp.array([-1.0, 1.0])).tolist() == [0.0, 1.0]


def test_what_is_outside_the_allow_list_costs_its_unit_only(translated):
    translation = translated(
        """
        class Good(nn.Module):
            def forward(self, x):
                return x

        class Bad(nn.Module):
            def forward(self, x):
                return "{0.__class__}".format(x)
        """
    )
    assert translation.outcomes["block.Bad"].code == "R15"
    assert "class Good" in translation.modules["block.py"] and "class Bad" not in translation.modules["block.py"]


def test_a_constant_that_cannot_be_emitted_refuses_only_when_reached(translated, tmp_path):
    translation = translated(
        """
        import csv
        PATTERN = csv.reader("a")
        TABLE = dict(relu=nn.ReLU, odd=nn.NoSuchLayer)

        class Block(nn.Module):
            def __init__(self, act="relu"):
                super().__init__()
                if act == "a":
                    act = PATTERN.sub("b", act)
                self.act = TABLE[act]()

            def forward(self, x):
                return self.act(x)
        """
    )
    write_files(translation.modules, tmp_path / "library")
    block = load_class(tmp_path / "library", "block.Block")
    assert block()(jnp.array([-1.0])).tolist() == [0.0]
    for act, code in (("a", "R02"), ("odd", "R10")):
        with pytest.raises(Exception, match=code):
            block(act)


def test_translating_and_loading_run_nothing_of_the_source(translated, tmp_path):
    mark = tmp_path / "mark"
    act = f"open({str(mark)!r}, 'w')"
    translation = translated(
        f"""
        {act}
        VALUE = {act}
        TABLE = dict(a={act})

        def deco(f={act}):
            return {act}

        class Meta(type):
            {act}

        class Block(nn.Module):
            size = {act}

            @property
            def field(self, x={act}):
                return {act}

            def forward(self, x):
                return x

        class Decorated(Block):
            @deco({act})
            def forward(self, x):
                return x

        class Odd(nn.Module, metaclass=Meta):
            pass

        class Reader(nn.Module):
            def forward(self, x):
                return VALUE, TABLE
        """
    )
    write_files(translation.modules, tmp_path / "library")
    for name in ("Block", "Reader"):
        if not isinstance(translation.outcomes[f"block.{name}"], Refusal):
            load_class(tmp_path / "library", f"block.{name}")
    assert not mark.exists()
    assert {translation.outcomes[f"block.{name}"].code for name in ("Decorated", "Odd")} == {"R15", "R14"}


def test_a_refused_name_that_is_written_refuses_its_class(translated):
    text = "import net\nclass Block(nn.Module):\n    def forward(self, x):\n        net.missing = x\n        return x\n"
    assert isinstance(translated(text).outcomes["block.Block"], Refusal)
