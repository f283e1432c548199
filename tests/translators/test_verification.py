"""Verification: the four ways a row can end, on a small source of our own."""

import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from translators import verification
from translators.runtime import nn, ops

SOURCE = """
    import torch
    from torch import nn

    class Gated(nn.Module):
        def __init__(self, width, stride=(1, 1)):
            super().__init__()
            self.conv = nn.Conv2d(width, width, 3, stride, 1, groups=width)
            self.norm = nn.BatchNorm2d(width)
            self.drop = nn.Dropout(0.5)
            self.gamma = nn.Parameter(torch.zeros(width, 1, 1))

        def forward(self, x):
            return x + self.gamma * self.drop(self.norm(self.conv(x)).relu_())

    class Counted(nn.Module):
        def forward(self, x):
            return x[: int(x.abs().sum().item())]

    class Broken(nn.Module):
        def forward(self, x):
            return x.view(-1, 7)
"""


def _row(name, **init):
    return {"source": "small:layers.py", "class": name, "init": init, "input_shapes": [[2, 4, 6, 6]]}


@pytest.fixture
def folder(tmp_path):
    pytest.importorskip("torch")
    package = tmp_path / "small"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "layers.py").write_text(textwrap.dedent(SOURCE))
    return package


def test_right_refused_and_crashed_rows_and_a_process_that_is_replaced(folder):
    with verification.Verifier({"small": folder}, seconds=90) as verifier:
        right = verifier.verify(_row("Gated", width=4))
        assert (right["status"], right["reason"]) == ("right", None)
        assert 0 < right["output_diff"] < 1e-5 and 0 < right["train_diff"] < 1e-5
        refused = verifier.verify(_row("Counted"))
        assert (refused["status"], refused["code"]) == ("refused", "R04")
        crashed = verifier.verify(_row("Broken"))
        assert crashed["status"] == "crashed" and "PyTorch itself fails" in crashed["reason"]
        missing = verifier.verify({**_row("Gated"), "source": "absent:layers.py"})
        assert missing["status"] == "crashed" and "absent" in missing["reason"] and "--root" in missing["reason"]


def test_a_row_that_takes_too_long_is_stopped_and_the_next_one_runs(folder):
    (folder / "__init__.py").write_text("import os, time\nif os.path.exists(__file__ + '.wait'): time.sleep(60)\n")
    (folder / "__init__.py.wait").write_text("")
    with verification.Verifier({"small": folder}, seconds=3) as verifier:
        late = verifier.verify(_row("Broken"))
        assert late["status"] == "crashed" and "3 s" in late["reason"]
        (folder / "__init__.py.wait").unlink()
        verifier._seconds = 90
        assert verifier.verify(_row("Counted"))["status"] == "refused"


def test_a_wrong_class_is_caught_and_the_first_wrong_submodule_named(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder.parent))
    sys.modules.pop("small", None)

    class Act(nn.Module):
        def forward(self, x):
            return ops.relu(x)

    class Wrong(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.conv = nn.Conv2d(width, width, 3, 1, 1, groups=width)
            self.norm = nn.BatchNorm2d(width, eps=0.1)
            self.gamma = nn.Parameter(ops.zeros(width, 1, 1))

        def forward(self, x):
            return x + self.gamma * ops.relu(self.norm(self.conv(x)))

    with pytest.raises(verification._Different, match=r"output differs by .* first difference in submodule norm"):
        verification._compare(_row("Gated", width=4), "small.layers", Wrong, tuple)

    class Missing(Wrong):
        def __init__(self, width):
            super().__init__(width)
            self.gamma = 1.0

    with pytest.raises(verification._Different, match="unexpected: gamma"):
        verification._compare(_row("Gated", width=4), "small.layers", Missing, tuple)


def test_differences_are_relative_and_shapes_count():
    a = np.array([1.0, 100.0])
    assert verification._difference([a + 1], [a], "y") == pytest.approx(0.01)
    assert verification._difference([np.array([np.inf])], [np.array([np.inf])], "y") == 0
    assert verification._difference([np.array([np.nan])], [np.array([1.0])], "y") == np.inf
    with pytest.raises(verification._Different, match="shapes"):
        verification._difference([a], [a[None]], "y")


def test_variants_have_batch_one_and_odd_sizes():
    variants = list(verification._variants([[2, 32, 16, 16]]))
    assert variants[0] == ((2, 32, 16, 16),) and variants[1] == ((1, 32, 16, 16),)
    assert ((2, 32, 17, 18),) in variants


def test_a_source_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(Exception, match=r"no such file; a source is written") as caught:
        verification._locate({"source": "here:none.py"}, {"here": str(tmp_path)})
    assert "\n" not in str(caught.value)
    assert Path(tmp_path).exists()
