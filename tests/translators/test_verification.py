"""Verification: the four ways a row can end, on a small source of our own."""

import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from translators import comparison, verification, verification_worker
from translators.absent import import_original
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

    class Overwriting(nn.Module):
        def forward(self, x):
            return torch.exp(x).mul_(2)
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
        output_only = verifier.verify(_row("Overwriting"))
        assert (output_only["status"], output_only["gradient_diff"]) == ("right", 0.0)
        missing = verifier.verify({**_row("Gated"), "source": "absent:layers.py"})
        assert missing["status"] == "crashed" and "absent" in missing["reason"] and "--root" in missing["reason"]


def test_a_row_that_takes_too_long_or_ends_its_process_costs_only_itself(folder):
    sleep = "import os, time\nif os.path.exists(__file__ + '.wait'): time.sleep(60)\n"
    leave = "if os.path.exists(__file__ + '.exit'): os._exit(3)\n"
    (folder / "__init__.py").write_text(sleep + leave)
    (folder / "__init__.py.wait").write_text("")
    with verification.Verifier({"small": folder}, seconds=3) as verifier:
        late = verifier.verify(_row("Broken"))
        assert late["status"] == "crashed" and "3 s" in late["reason"]
        (folder / "__init__.py.wait").unlink()
        verifier._seconds = 90
        (folder / "__init__.py.exit").write_text("")
        gone = verifier.verify(_row("Broken"))
        assert gone["status"] == "crashed" and "the process died" in gone["reason"]
        (folder / "__init__.py.exit").unlink()
        assert verifier.verify(_row("Counted"))["status"] == "refused"


def test_rows_of_several_processes_come_in_order(folder):
    rows = [_row("Counted"), _row("Broken"), _row("Counted")]
    found = verification.verify_rows(rows, {"small": folder}, workers=2, seconds=90)
    assert [row["status"] for row in found] == ["refused", "crashed", "refused"]


def test_who_stops_early_does_not_wait(folder):
    (folder / "__init__.py").write_text("import time\ntime.sleep(600)\n")
    absent = {**_row("Gated"), "source": "absent:layers.py"}
    found = verification.verify_rows([absent, _row("Broken")], {"small": folder}, workers=2, seconds=600)
    assert next(found)["status"] == "crashed"
    found.close()


def test_packages_that_are_absent_stand_in_until_they_are_used(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    lines = (
        "from absent_package.parts import Part, part",
        "class Mine(Part):",
        "    pass",
        "def use():",
        "    part(1)",
    )
    (folder / "user.py").write_text("\n".join(lines))
    sys.modules.pop("small", None)
    module = import_original("small.user")
    with pytest.raises(ModuleNotFoundError, match="parts is not installed"):
        module.use()
    with pytest.raises(ModuleNotFoundError, match="nothing"):
        import_original("small.nothing")


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

    cases = [({"width": 4}, [(2, 4, 6, 6)])]
    with pytest.raises(comparison.Different, match=r"output differs by .* first difference in submodule norm"):
        comparison.compare(Wrong, "small.layers", "Gated", cases)

    class Missing(Wrong):
        def __init__(self, width):
            super().__init__(width)
            self.gamma = 1.0

    with pytest.raises(comparison.Different, match="unexpected: gamma"):
        comparison.compare(Missing, "small.layers", "Gated", cases)


def test_float64_judges_where_rounding_decides_about_a_gradient(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder.parent))
    sys.modules.pop("small", None)
    (folder / "steep.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass Steep(nn.Module):\n    def forward(self, x):\n"
        "        return x + 1e-7 * torch.sin(1e7 * x)\n"
    )

    class Steep(nn.Module):
        wave = staticmethod(ops.sin)

        def forward(self, x):
            return x + 1e-7 * self.wave(1e7 * ops.asinh(ops.sinh(x)))

    class Wrong(Steep):
        wave = staticmethod(ops.cos)

    cases = [({}, [(2, 4, 6, 6)])]
    assert "agree in float64" in comparison.compare(Steep, "small.steep", "Steep", cases)["reason"]
    with pytest.raises(comparison.Different, match="gradient differs"):
        comparison.compare(Wrong, "small.steep", "Steep", cases)


def test_differences_are_relative_and_shapes_count():
    a = np.array([1.0, 100.0])
    assert comparison.difference([a + 1], [a], "y") == pytest.approx(0.01)
    assert comparison.difference([np.array([np.inf])], [np.array([np.inf])], "y") == 0
    assert comparison.difference([np.array([np.nan])], [np.array([1.0])], "y") == np.inf
    with pytest.raises(comparison.Different, match="shapes"):
        comparison.difference([a], [a[None]], "y")


def test_variants_have_batch_one_and_odd_sizes():
    variants = verification_worker.variants([[2, 32, 16, 16]])
    assert variants[0] == ((2, 32, 16, 16),) and variants[1] == ((1, 32, 16, 16),)
    assert ((2, 32, 17, 18),) in variants


def test_a_source_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(Exception, match=r"no such file; a source is written") as caught:
        verification_worker.locate({"source": "here:none.py"}, {"here": str(tmp_path)})
    assert "\n" not in str(caught.value)
    assert Path(tmp_path).exists()


def test_batch_normalisation_gets_values_to_see(folder):
    (folder / "squeeze.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass Squeeze(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.norm = nn.BatchNorm2d(4)\n\n    def forward(self, x):\n"
        "        return self.norm(x.mean((2, 3), keepdim=True))\n"
    )
    row = {"source": "small:squeeze.py", "class": "Squeeze", "init": {}, "input_shapes": [[2, 4, 6, 6]]}
    found = verification.verify_row(row, {"small": folder})
    assert found["status"] == "right" and found["train_diff"] is not None
    assert [shapes[0][0] for shapes in found["shapes"]] == [8, 1, 8]
