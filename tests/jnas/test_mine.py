"""Mining as a user meets it: real folders in, a library and counts out; bad input is one line and exit code 2."""

import importlib.util
import json
import subprocess
import sys
import zipfile

import pytest

from jnas.library import answers
from jnas.library.mining import mine
from jnas.library.store import construct, open_library
from jnas.mine import main
from translators.diagnostics import UserError
from translators.translation import _installed

SOURCE = '''
import torch
from torch import nn
import torch.nn.functional as F


class Gate(nn.Module):
    """Channels gated by their means."""

    def __init__(self, channels, reduction=4):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x):
        s = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(s))))


class Two(nn.Module):
    def forward(self, x, y):
        return x + y


class Counts(nn.Module):
    def forward(self, x):
        return x[torch.nonzero(x.sum((1, 2, 3)))]
'''


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "nets"
    folder.mkdir()
    (folder / "gates.py").write_text(SOURCE)
    return folder


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def test_a_folder_becomes_a_library(source, cache):
    report = mine([str(source)], cache)
    row = report.sources[0]
    assert (row.classes, row.blocks, row.placeable, row.cached) == (3, 2, 1, False)
    assert row.families == {"channel attention": 1}
    assert sum(row.refused.values()) == 1
    block = next(b for b in open_library(report.folders).placeable() if b.mined)
    assert block.name.endswith("gates.Gate") and block.description == "Channels gated by their means."
    assert block.provenance["path"].endswith("gates.py") and block.contract.input_width == ("channels",)
    assert construct(block, {"channels": 8}) is not None


def test_unchanged_sources_come_from_the_cache_and_changed_ones_do_not(source, cache):
    first = mine([str(source)], cache)
    again = mine([str(source)], cache)
    assert again.sources[0].cached and again.folders == first.folders
    assert open_library(again.folders).fingerprint == open_library(first.folders).fingerprint
    assert not mine([str(source)], cache, refresh=True).sources[0].cached
    (source / "gates.py").write_text(SOURCE.replace("reduction=4", "reduction=2"))
    changed = mine([str(source)], cache)
    assert not changed.sources[0].cached and changed.folders != first.folders


def test_a_change_of_one_file_asks_only_its_dependants_again(tmp_path, cache, monkeypatch):
    folder = tmp_path / "nets"
    folder.mkdir()
    head = "import torch\nfrom torch import nn\nfrom scale import scaled\n\n"
    block = "class {0}(nn.Module):\n    def forward(self, x):\n        return {1}\n"
    (folder / "scale.py").write_text("def scaled(x):\n    return x * 2\n")
    (folder / "near.py").write_text(head + block.format("Near", "scaled(x)"))
    (folder / "far.py").write_text(head + block.format("Far", "torch.relu(x)"))
    asked = []
    probe_all = answers.probe_all
    monkeypatch.setattr(
        answers, "probe_all", lambda jobs, **rest: asked.append([j["name"] for j in jobs]) or probe_all(jobs, **rest)
    )
    first = mine([str(folder)], cache).sources[0]
    (folder / "scale.py").write_text("def scaled(x):\n    return x * 3\n")
    second = mine([str(folder)], cache).sources[0]
    (folder / "far.py").write_text("# moved\n" + (folder / "far.py").read_text())
    third = mine([str(folder)], cache)
    assert asked == [["far.Far", "near.Near"], ["near.Near"], []]
    assert first.placeable == second.placeable == third.sources[0].placeable == 2
    far = next(b for b in open_library(third.folders).placeable() if b.name == "far.Far")
    assert far.provenance["lines"] == (6, 8)


def test_an_interrupted_run_leaves_no_half_library(source, cache):
    def interrupt(stage, done, total):
        if stage == "probing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mine([str(source)], cache, interrupt)
    assert [path for path in cache.iterdir() if not path.name.startswith(".")] == []
    assert mine([str(source)], cache).sources[0].placeable == 1


def test_a_damaged_library_is_made_again(source, cache):
    folder = mine([str(source)], cache).folders[0]
    (folder / "library.json").write_text('{"blo')
    assert not mine([str(source)], cache).sources[0].cached
    assert len(open_library([folder]).placeable()) > 1


def test_the_command_prints_counts_and_writes_json(source, cache, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert main([str(source), "--library", str(cache), "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    for word in ("found", "translated", "executed", "placeable", "refused", str(cache)):
        assert word in printed.replace("\n", "")
    assert json.loads(out.read_text())["sources"][0]["placeable"] == 1


@pytest.mark.parametrize("content", [None, {}, {"notes.txt": "x"}, {"a.py": "x = 1\n"}])
def test_sources_without_anything_to_mine_are_bad_input(tmp_path, cache, capsys, content):
    folder = tmp_path / "source"
    if content is not None:
        folder.mkdir()
        for name, text in content.items():
            (folder / name).write_text(text)
    assert main([str(folder), "--library", str(cache)]) == 2
    error = capsys.readouterr().err
    assert str(folder) in error and error.count("\n") == 1


def test_an_error_names_what_was_given(tmp_path, cache, capsys):
    (tmp_path / "plain.py").write_text("x = 1\n")
    assert main([str(tmp_path / "plain.py"), "--library", str(cache)]) == 2
    assert str(tmp_path / "plain.py") + ": no class" in capsys.readouterr().err


def test_an_archive_and_a_notebook_are_mined(source, cache, tmp_path):
    with zipfile.ZipFile(tmp_path / "nets-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("nets/__init__.py", "")
        wheel.writestr("nets/gates.py", SOURCE)
    cells = [{"cell_type": "code", "source": ["%matplotlib inline\n"]}, {"cell_type": "code", "source": SOURCE}]
    (tmp_path / "gates.ipynb").write_text(json.dumps({"cells": cells}))
    given = [str(tmp_path / "nets-1.0-py3-none-any.whl"), str(tmp_path / "gates.ipynb")]
    report = mine(given, cache)
    assert [row.placeable for row in report.sources] == [1, 1]
    places = {b.name: b.provenance["path"] for b in open_library(report.folders).placeable() if b.mined}
    assert places == {"nets.gates.Gate": "nets/gates.py", "gates.Gate": "gates.ipynb[cell 2]"}


def test_an_unwritable_library_folder_is_bad_input(source, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main([str(source), "--library", str(tmp_path / "file" / "libraries")]) == 2
    error = capsys.readouterr().err
    assert "--library" in error and error.count("\n") == 1


def test_a_source_without_placeable_blocks_can_be_turned_down(source, cache):
    (source / "gates.py").write_text(SOURCE[: SOURCE.index("class Gate")] + SOURCE[SOURCE.index("class Two") :])
    with pytest.raises(UserError, match="no placeable block"):
        mine([str(source)], cache).require_placeable()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")
def test_timm_is_mined_without_being_imported(cache):
    program = (
        "import sys; from pathlib import Path; from jnas.library.mining import mine\n"
        f"row = mine(['timm'], Path({str(cache)!r})).sources[0]\n"
        "assert not {'timm', 'torch'} & set(sys.modules)\n"
        "print(row.classes, row.executed, row.placeable, len(row.families))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    classes, executed, placeable, families = map(int, done.stdout.split())
    assert abs(classes - 775) <= 775 * 0.05
    assert executed >= 300 and placeable >= 120 and families >= 8


def test_a_package_that_is_installed_later_is_noticed(tmp_path, cache, monkeypatch):
    folder, site = tmp_path / "nets", tmp_path / "site"
    folder.mkdir()
    (folder / "net.py").write_text(
        "from torch import nn\nfrom layers_for_test import Scale\n\n\n"
        "class Scaled(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.scale = Scale()\n\n    def forward(self, x):\n        return self.scale(x)\n"
    )
    assert mine([str(folder)], cache).sources[0].refused == {"R02": 1}
    assert mine([str(folder)], cache).sources[0].cached
    (site / "layers_for_test").mkdir(parents=True)
    layers = site / "layers_for_test" / "__init__.py"
    layers.write_text(
        "from torch import nn\n\n\nclass Scale(nn.Module):\n    def forward(self, x):\n        return x * 2\n"
    )
    monkeypatch.syspath_prepend(site)
    _installed.cache_clear()
    again = mine([str(folder)], cache).sources[0]
    assert (again.cached, again.translated) == (False, 1)
    assert mine([str(folder)], cache).sources[0].cached
    _installed.cache_clear()
