"""Registries: filled in many files by decorators and calls, read by name when a block is built."""

import jax.numpy as jnp
import pytest

from translators import Refusal, load_class, translate_class, translate_source
from translators.__main__ import write_files
from translators.emission import standalone

FILES = {
    "lib/__init__.py": "",
    "lib/registry.py": """
        import inspect

        class Registry:
            def __init__(self, name, parent=None, scope=None):
                self.table = {}
                self.where = inspect.stack()

            def register_module(self, name=None, module=None):
                def wrapped(cls):
                    self.table[name or cls.__name__] = cls
                    return cls
                return wrapped if module is None else wrapped(module)

            def build(self, cfg, default_args=None):
                return eval(cfg["type"])
        """,
    "lib/root.py": "from .registry import Registry\nROOT = Registry('root')\nALIAS = ROOT\n",
    "lib/layers.py": """
        import torch
        from torch import nn
        from .root import ROOT

        VERSION = torch.__version__
        if VERSION == 'none':
            ROOT.register_module('Act', module=nn.Mish)
        else:
            ROOT.register_module('Act', module=nn.Sigmoid)
        if unknown():
            ROOT.register_module(module=nn.ELU)

        ROOT.register_module('BN', module=nn.BatchNorm2d)
        for layer in [nn.ReLU, nn.Tanh]:
            ROOT.register_module(module=layer)

        def build_norm(cfg, width):
            cfg = cfg.copy()
            kind = cfg.pop('type')
            with ROOT.switch_scope_and_registry(None) as registry:
                cls = registry.get(kind)
            if cls is None:
                raise KeyError(kind)
            return cls(width, **cfg)
        """,
    "net/__init__.py": "",
    "net/registry.py": """
        from lib.registry import Registry
        from lib.root import ROOT
        MODELS = Registry('net', parent=ROOT)
        """,
    "net/parts.py": """
        from torch import nn
        from .registry import MODELS

        @MODELS.register_module('Twice')
        @MODELS.register_module()
        class Double(nn.Module):
            def forward(self, x):
                return x * 2

        @MODELS.register_module()
        class Derived(Double):
            def __init__(self, inner=dict(type='Twice')):
                super().__init__()
                self.inner = MODELS.build(inner)

        @MODELS.register_module()
        class Unused(nn.Module):
            def forward(self, x):
                return x * 3
        """,
    "net/block.py": """
        from torch import nn
        from lib.layers import build_norm
        from .registry import MODELS

        @MODELS.register_module()
        class Block(nn.Module):
            def __init__(self, act=dict(type='Twice'), norm_cfg=dict(type='BN', eps=1e-3)):
                super().__init__()
                self.norm = build_norm(norm_cfg, 2)
                self.act = MODELS.build(act)
                self.last = MODELS.build(dict(type='ReLU', inplace=True))

            def forward(self, x):
                return self.last(self.act(x))
        """,
}


@pytest.fixture
def source(tree):
    return tree(FILES)


def test_a_block_builds_what_other_files_registered(source, tmp_path):
    translation = translate_source(source)
    assert not [o for o in translation.outcomes.values() if isinstance(o, Refusal)]
    write_files(translation.modules, tmp_path / "library")
    block = load_class(tmp_path / "library", "net.block.Block")
    assert block()(jnp.array([-1.0, 2.0])).tolist() == [0.0, 4.0]
    assert block().norm.eps == 1e-3
    assert block(act={"type": "net.Tanh"})(jnp.array([0.0])).tolist() == [0.0]
    assert block(act={"type": "Act"})(jnp.array([0.0])).tolist() == [0.5]
    assert block(act={"type": "ELU"}) and block(act={"type": "Derived"})
    with pytest.raises(KeyError, match="Missing"):
        block(act={"type": "Missing"})


def test_only_names_that_are_spelled_come_along(source):
    text = standalone(translate_class(source, "Block"), "net.block.Block")
    assert "class Double" in text and "class Unused" not in text and "nn.BatchNorm2d" in text
    assert "inspect" not in text


def test_what_registers_may_stand_on_what_builds(tree, tmp_path):
    files = {
        "net/__init__.py": "",
        "net/reg.py": "class Reg:\n    pass\nMODELS = Reg()\n",
        "net/base.py": """
            from torch import nn
            from .reg import MODELS
            class Base(nn.Module):
                def made(self, kind='Leaf'):
                    return MODELS.build(dict(type=kind))
            """,
        "net/middle.py": "from .base import Base\nclass Middle(Base):\n    pass\n",
        "net/leaf.py": """
            from .middle import Middle
            from .reg import MODELS
            @MODELS.register_module()
            class Leaf(Middle):
                def forward(self, x):
                    return self.made()(x) if x.ndim > 1 else x + 1
            """,
    }
    translation = translate_source(tree(files, "net"))
    for name in ("net.middle.Middle", "net.leaf.Leaf", "net.base.Base"):
        write_files(translation.modules, tmp_path / name)
        assert load_class(tmp_path / name, name)().made()(jnp.array([1.0])).tolist() == [2.0]
