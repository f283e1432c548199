"""The command that writes a tree as a file, and what it says to bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jnas.export import main
from jnas.trees.node import to_json
from jnas.trees.starts import START_TREES


def test_the_command_writes_a_file_that_runs_without_the_search(tmp_path: Path) -> None:
    tree = tmp_path / "mine.json"
    tree.write_text(json.dumps(to_json(START_TREES["mobilenet"]())))
    out = tmp_path / "model.py"
    assert main([str(tree), "--shape", "3", "16", "16", "--classes", "4", "--out", str(out)]) == 0
    program = (
        "import sys, jax, numpy, model; "
        "print(jax.eval_shape(model.build().eval(), numpy.zeros((2, 3, 16, 16), 'float32')).shape); "
        "assert not [name for name in sys.modules if name.split('.')[0] == 'jnas']"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "(2, 4)", done.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["resnet8"], "tree resnet8: no run says what it receives and returns; give --shape C H W"),
        (["resnet9", "--shape", "1", "28", "28", "--classes", "2"], "tree resnet9: cannot be read"),
        (["BAD.json", "--shape", "1", "28", "28", "--classes", "2"], "BAD.json: not JSON"),
        (["ODD.json", "--shape", "1", "28", "28", "--classes", "2"], "tree: 3 is no node"),
        (["resnet32", "--shape", "1", "2", "2", "--classes", "2"], "the smallest is 2"),
        (
            ["resnet8", "--shape", "1", "28", "28", "--classes", "2", "--out", "/nowhere/m.py"],
            "--out /nowhere/m.py: cannot",
        ),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("BAD.json").write_text("{")
    Path("ODD.json").write_text("3")
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1
