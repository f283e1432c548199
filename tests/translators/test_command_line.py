"""python -m translators: what it prints, where it writes, how it fails."""

import json

import pytest

from translators.__main__ import main

TEXT = """
import torch
from torch import nn

class Good(nn.Module):
    def forward(self, x):
        return x.abs()

class Bad(nn.Module):
    def forward(self, x):
        return torch.lobpcg(x)
"""


@pytest.fixture
def folder(tree, tmp_path):
    tree({"net/__init__.py": "", "net/a.py": TEXT, "net/bad.py": "def f(:\n"})
    return tmp_path / "source" / "net"


def test_translate_writes_files(folder, tmp_path, capsys):
    assert main(["translate", str(folder), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith("1 translated, 1 refused")
    assert "class Good" in (tmp_path / "out" / "net" / "a.py").read_text()


def test_translate_prints_one_class(folder, capsys):
    assert main(["translate", f"{folder}:Good"]) == 0
    assert "return ops.abs(x)" in capsys.readouterr().out


def test_translate_prints_one_factory(tree, capsys):
    source = tree(
        {
            "net.py": "import torch.nn as nn\n\n\ndef tiny(width=8):\n    return nn.Sequential(Layer(width))\n\n\n"
            "class Layer(nn.Linear):\n    def __init__(self, width):\n        super().__init__(width, width)\n\n\n"
            "def layer(width=8):\n    return Layer(width)\n"
        }
    )
    assert main(["translate", f"{source.spec}:layer"]) == 0
    text = capsys.readouterr().out
    assert "def layer(width=8):" in text and "class Layer(nn.Linear)" in text and "def tiny" not in text


def test_translate_of_a_refused_class_says_why(folder, capsys):
    assert main(["translate", f"{folder}:Bad"]) == 1
    shown = capsys.readouterr()
    assert "net/a.py:11: R10" in shown.err and "return torch.lobpcg(x)\n" in shown.err


def test_stats_count_classes_codes_and_skipped_files(folder, capsys):
    assert main(["stats", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "2 classes" in shown and "translated 1 (50.0 %)" in shown and "refused 1" in shown
    assert "R10 unsupported operation: 1" in shown and "skipped net/bad.py" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stats", "/no/such/folder"], "/no/such/folder"),
        (["translate", "/no/such.py:Block"], "/no/such.py"),
        (["verify", "/no/such.json"], "/no/such.json"),
    ],
)
def test_bad_input_is_one_line_and_code_2(arguments, said, capsys):
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert said in shown.err and shown.err.count("\n") == 1 and not shown.out


def test_a_class_that_is_not_there(folder, capsys):
    assert main(["translate", f"{folder}:Missing"]) == 2
    assert "Missing: no nn.Module class" in capsys.readouterr().err


def test_one_class_becomes_one_file_that_says_where_it_comes_from(folder, tmp_path, capsys):
    assert main(["translate", f"{folder}:Good", "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == f"net.a.Good: written to {tmp_path / 'out' / 'Good.py'}\n"
    text = (tmp_path / "out" / "Good.py").read_text()
    assert text.startswith('"""Translated from net, net/a.py, lines 5-7.\n\nSource sha256 ') and "class Good" in text


def test_stats_as_json_and_as_a_condition(folder, tmp_path):
    out = tmp_path / "counts.json"
    assert main(["stats", str(folder), "--at-least", "50", "--json", str(out)]) == 0
    (counts,) = json.loads(out.read_text())
    assert (counts["classes"], counts["blocks"], counts["translated_blocks"]) == (2, 2, 1)
    assert counts["missing"] == {"torch.lobpcg": 1} and counts["skipped_files"][0][0] == "net/bad.py"
    assert main(["stats", str(folder), "--at-least", "51"]) == 1


def test_what_a_source_holds_cannot_drive_the_terminal(tree, tmp_path, capsys):
    tree({"a.py": TEXT.replace("torch.lobpcg(x)", "torch.lobpcg(x, '\x1b[2J')")})
    assert main(["translate", f"{tmp_path / 'source'}:Bad"]) == 1
    shown = capsys.readouterr().err
    assert "\x1b" not in shown and "\\x1b[2J" in shown


@pytest.mark.parametrize("command", ["translate", "verify", "stats"])
def test_help_shows_examples_and_exit_codes(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out
    assert f"python -m translators {command} " in shown and "exit codes: 0" in shown
