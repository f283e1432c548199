"""The package's names: loaded when asked for, the same in both places, and their examples are true."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import pytest

import jnas
from jnas import api

ROOT = Path(__file__).resolve().parents[2]


def test_names_are_loaded_when_they_are_asked_for() -> None:
    program = """
import sys, jnas
assert {"jax", "numpy", "libcst"}.isdisjoint(sys.modules), "importing jnas loads something"
from jnas import Tree, run_search
assert Tree("jnas.Mlp").block == "jnas.Mlp" and callable(run_search)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_every_name_is_there() -> None:
    assert jnas.__all__ == api.__all__ and set(jnas.__all__) <= set(dir(jnas))
    assert all(getattr(jnas, name) is getattr(api, name) for name in api.__all__)
    with pytest.raises(AttributeError, match="no attribute 'run_serch'"):
        jnas.run_serch  # noqa: B018


def test_the_examples_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path))
    found = doctest.testmod(api)
    assert found.attempted > 10 and not found.failed


def test_a_tree_is_kept_and_read_again(tmp_path: Path) -> None:
    tree, library = api.load_tree("mobilenet")
    edit = next(api.propose_edits(tree, library, (3, 16, 16), seed=3))
    child = api.apply_edit(tree, edit)
    api.save_tree(child, tmp_path / "child.json")
    assert api.load_tree(tmp_path / "child.json")[0] == child
    assert api.describe_edit(edit, tree)
    with pytest.raises(jnas.UserError, match="give their shape and the classes"):
        api.load_tree("timm:convnext_atto")
