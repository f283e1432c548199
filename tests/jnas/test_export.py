"""The command that takes a model away, and what it says to bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jnas.export import main
from jnas.exporting import safetensors
from jnas.models.build import build
from jnas.reports.run import Run
from jnas.reports.trees import read_tree
from jnas.training import weights
from jnas.trees.node import to_json
from jnas.trees.starts import START_TREES
from translators.runtime.state import load_state_dict, state_dict

ENDS = ["--shape", "3", "16", "16", "--classes", "4"]
USE = """
import sys
for name in {hidden!r}:
    sys.modules[name] = None
import numpy
from model import build
model = build("weights.safetensors")
images = numpy.random.default_rng(1).standard_normal((3, 3, 16, 16)).astype("float32")
numpy.save("found.npy", {run})
"""
RUNS = {
    "flax": (("jnas", "translators", "torch"), "numpy.asarray(model(images))"),
    "torch": (("jnas", "translators", "jax", "flax"), "model(__import__('torch').from_numpy(images)).detach().numpy()"),
}


def used(folder: Path, kind: str) -> np.ndarray:
    """Logits that the exported model gives in a process without jnas and without the other framework."""
    hidden, run = RUNS[kind]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-c", USE.format(hidden=hidden, run=run)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return np.load(folder / "found.npy")


@pytest.mark.parametrize("kind", ["flax", "torch"])
def test_a_tree_is_taken_away_and_computes_the_same(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "torch":
        pytest.importorskip("torch")
    tree = tmp_path / "mine.json"
    tree.write_text(json.dumps(to_json(START_TREES["mobilenet"]())))
    out = tmp_path / "out" / kind
    assert main([str(tree), *ENDS, "--to", kind, "--out", str(out)]) == 0
    assert "The logits differ from those of jnas by" in capsys.readouterr().out
    names = {"model.py", "weights.safetensors", "README.md", "LICENSES.txt", "tree.json"}
    assert {file.name for file in out.iterdir()} == names
    assert "Apache License" in (out / "LICENSES.txt").read_text()
    _, start, library = read_tree(str(tree), [])
    model = build(start, library, (3, 16, 16), 4).eval()
    load_state_dict(model, safetensors.read(str(out / "weights.safetensors")))
    images = np.random.default_rng(1).standard_normal((3, 3, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(used(out, kind), model(images), atol=1e-4)


def test_the_best_candidate_of_a_run_comes_with_the_weights_of_its_training(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = make_run()
    assert run.best is not None
    trained = build(run.tree(run.best), run.library, (1, 28, 28), 10, seed=9)
    (seed, *_) = run.configuration.final.seeds
    weights.save(state_dict(trained), run.directory.weights(run.best.number, seed))
    out = tmp_path / "best"
    assert main([str(run.directory.root), "--to", "tree", "--out", str(out)]) == 0
    assert json.loads((out / "tree.json").read_text()) == to_json(run.tree(run.best))
    saved = safetensors.read(str(out / "weights.safetensors"))
    np.testing.assert_array_equal(saved["classifier.weight"], state_dict(trained)["classifier.weight"])
    assert "of its training" in (out / "README.md").read_text()
    assert main([str(run.directory.root), "--candidate", "0", "--to", "tree", "--out", str(tmp_path / "start")]) == 0
    assert "drawn from seed 0" in (tmp_path / "start" / "README.md").read_text()


def test_without_torch_the_folder_says_that_it_was_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["resnet8", *ENDS, "--to", "torch", "--out", str(tmp_path / "out")]) == 0
    assert "NOT checked: torch is not installed here" in capsys.readouterr().out
    assert "NOT checked" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["resnet8"], "tree resnet8: no run says what it receives and returns; give --shape C H W"),
        (["timm:convnext_atto"], "a mined model is built for images; give their shape and the classes"),
        (["resnet9", *ENDS], "tree resnet9: cannot be read"),
        (["BAD.json", *ENDS], "BAD.json: not JSON"),
        (["ODD.json", *ENDS], "tree: 3 is no node"),
        (["resnet32", "--shape", "1", "2", "2", "--classes", "2"], "the smallest is 2"),
        (["resnet8", *ENDS, "--candidate", "3"], "--candidate 3: resnet8 is no run; leave it out"),
        (["resnet8", *ENDS, "--out", "/proc/nowhere/m"], "--out /proc/nowhere/m: cannot"),
        (["resnet8", *ENDS, "--out", "FULL"], "--out FULL: is there already and not empty"),
        (["resnet8", *ENDS, "--weights", "NONE", "--out", "new"], "NONE: no such folder of weights"),
        (["resnet8", *ENDS, "--to", "svg", "--out", "/nowhere/m.svg"], "--out /nowhere/m.svg: cannot be written"),
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
    (Path("FULL") / "kept").mkdir(parents=True)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1
    assert {file.name for file in tmp_path.iterdir()} == {"BAD.json", "ODD.json", "FULL"}
