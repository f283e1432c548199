"""A change of one file rewrites only what its names reach; what was kept gives the same bytes."""

import dataclasses
import subprocess
import sys

import pytest

from translators import translate_source, warming
from translators.rewriting import rewriter
from translators.rewriting.unit import Rewritten

FILES = {
    "net/__init__.py": "from .layers import Norm\nfrom .act import Act\n",
    "net/layers.py": """
        import torch
        from torch import nn
        class Norm(nn.Module):
            def forward(self, x):
                return x / scale(x)
        def scale(x):
            return torch.lobpcg(x) if x.ndim > 9 else x.abs().amax()
        """,
    "net/act.py": "from torch import nn\nclass Act(nn.ReLU):\n    pass\n",
    "net/near.py": """
        from torch import nn
        from net import Norm
        class Near(Norm):
            def forward(self, x):
                return super().forward(x).flatten(1)
        """,
    "net/far.py": """
        from net import Act
        class Far(Act):
            def forward(self, x):
                from . import near
                return near.Near()(x)
        """,
    "net/alone.py": """
        from torch import nn
        class Alone(nn.Module):
            def forward(self, x):
                return x.mean()
        """,
}


@pytest.fixture
def translate(tree, tmp_path, monkeypatch):
    """Translate files; gives the translation and the modules of which something was rewritten."""
    parsed = []
    parse = rewriter._parse
    monkeypatch.setattr(rewriter, "_parse", lambda unit: parsed.append(unit.module.name) or parse(unit))

    def run(files, cache=tmp_path / "cache"):
        parsed.clear()
        translation = translate_source(tree(files, "net"), cache=cache)
        return translation, set(parsed)

    return run


def test_only_dependants_are_rewritten(translate):
    _, all_of_them = translate(FILES)
    assert all_of_them == {"net.layers", "net.act", "net.near", "net.far", "net.alone"}
    assert translate(FILES)[1] == set()
    changed = FILES | {"net/alone.py": FILES["net/alone.py"].replace("mean", "amax")}
    assert translate(changed)[1] == {"net.alone"}
    changed |= {"net/act.py": FILES["net/act.py"].replace("ReLU", "GELU")}
    assert translate(changed)[1] == {"net.act", "net.far"}
    changed |= {"net/layers.py": FILES["net/layers.py"].replace("9", "8")}
    assert translate(changed)[1] == {"net.layers", "net.near", "net.far"}
    assert translate(changed)[1] == set()


def test_what_was_kept_is_what_would_be_made(translate):
    fresh, _ = translate(FILES, cache=None)
    translate(FILES)
    kept, rewritten = translate(FILES)
    assert not rewritten and kept == fresh


def test_a_name_that_comes_into_use_elsewhere_counts(translate):
    files = FILES | {"net/act.py": FILES["net/act.py"].replace("pass", "def scaled(self, x):\n        return x * 2")}
    assert "scaled" not in translate(files)[0].modules["net/act.py"]
    files |= {"net/alone.py": FILES["net/alone.py"].replace("x.mean()", "self.act.scaled(x)")}
    assert "scaled" in translate(files)[0].modules["net/act.py"]


def test_a_damaged_cache_is_made_again(translate, tmp_path):
    fresh, _ = translate(FILES)
    for number, path in enumerate(sorted((tmp_path / "cache").iterdir())):
        path.write_text(["", "[]", '{"0": {}}', "\0", '{"0": 3}'][number % 5])
    assert translate(FILES)[0] == fresh


def test_every_field_is_kept():
    kept = {"unit", "text", "imports", "modules", "namespaces", "references", "eager", "facts", "later", "failure"}
    assert {field.name for field in dataclasses.fields(Rewritten)} == kept | {"entries"}  # a registry is never kept


def test_another_process_fills_the_store(translate, tree, tmp_path):
    fresh, _ = translate(FILES, cache=None)
    spec = tree(FILES, "net").spec
    subprocess.run([sys.executable, "-m", "translators.warming", tmp_path / "cache", "0", "1", spec], check=True)
    warmed, rewritten_here = translate(FILES)
    assert warmed == fresh and rewritten_here == set()


def test_processes_share_what_is_missing(translate, monkeypatch):
    fresh, _ = translate(FILES, cache=None)
    started = []
    start = subprocess.Popen
    monkeypatch.setattr(warming, "_PAYS", 1)
    monkeypatch.setattr(warming.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(warming.subprocess, "Popen", lambda *a, **k: started.append(a) or start(*a, **k))
    assert translate(FILES)[0] == fresh and len(started) == 1
    assert translate(FILES)[0] == fresh and len(started) == 1  # all is kept
