"""Verification of a library: which cases, what is known already, and what becomes of a wrong block."""

from pathlib import Path

import pytest

from jnas.library import verification
from jnas.library.closures import Closures
from jnas.library.mining import mine
from jnas.library.store import OWN_PREFIX, open_library, read_blocks
from translators import open_source

SOURCE = """
import torch.nn.functional as F
from torch import nn


def act(x):
    return F.relu(x)


class Gated(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x):
        return x * act(self.conv(x))


class Pooled(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))
"""


def test_cases_are_places_that_the_contract_allows():
    block = open_library()[f"{OWN_PREFIX}ConvNormAct"]
    first, single, odd, default = verification.cases_of(block, None)
    assert odd["init"] != default["init"] and odd["input_shapes"] == default["input_shapes"]
    assert first["input_shapes"][0][0] == 2 and first["input_shapes"][0][2] == first["input_shapes"][0][3]
    assert single["input_shapes"][0][0] == 1 and single["input_shapes"][0][1] != first["input_shapes"][0][1]
    assert odd["input_shapes"][0][2] % 2 and odd["input_shapes"][0][2] != odd["input_shapes"][0][3]


def test_a_closure_is_what_is_reached(tmp_path):
    (tmp_path / "a.py").write_text("from .b import f\n\nOTHER = 1\n\nclass A:\n    g = f\n")
    (tmp_path / "b.py").write_text("LIMIT = 2\n\ndef f():\n    return LIMIT\n\ndef h():\n    return 0\n")

    def changed(name, old, new):
        before = Closures(tmp_path).hash_of("a.A")
        (tmp_path / name).write_text((tmp_path / name).read_text().replace(old, new))
        return Closures(tmp_path).hash_of("a.A") != before

    assert changed("b.py", "LIMIT = 2", "LIMIT = 3")
    assert not changed("b.py", "return 0", "return 1")
    assert not changed("a.py", "OTHER = 1", "OTHER = 2")


def test_results_are_kept_and_a_wrong_block_is_not_placeable(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    (tmp_path / "parts.py").write_text(SOURCE)
    source = open_source(str(tmp_path / "parts.py"))
    report = mine([source.spec], tmp_path / "cache", verify=True).sources[0]
    assert report.verified == {"right": 2} and report.placeable == 1

    def statuses():
        results = verification.verify_library(
            Path(report.folder), [source], tmp_path / "cache" / ".verified", lambda done, total: None
        )
        return {name: result["status"] for name, result in results.items()}

    def none_left(rows, roots, **kwargs):
        assert not rows
        return iter(())

    with monkeypatch.context() as patch:
        patch.setattr(verification, "verify_rows", none_left)
        assert statuses() == {"parts.Gated": "right", "parts.Pooled": "right"}
    module = Path(report.folder) / "modules" / "parts.py"
    module.write_text(module.read_text().replace("F.relu", "F.gelu"))
    assert statuses() == {"parts.Gated": "wrong", "parts.Pooled": "right"}
    wrong = next(block for block in read_blocks(Path(report.folder)) if block.name == "parts.Gated")
    assert not wrong.placeable and "differs by" in wrong.verification["reason"]
