from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from jnas import train
from jnas.library.store import open_library
from jnas.models.build import build
from jnas.training import weights
from jnas.trees.node import Node, network, to_json
from translators.runtime.state import load_state_dict, state_dict

TREE = network(Node("jnas.ConvNormAct", {"out_channels": 8, "stride": 2}), [Node("jnas.SqueezeExcite")])
SHORT = ["--recipe", "quick", "--epochs", "1", "--score-on", "validation", "--validation", "4800"]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("jnas.training.loop.enable_compilation_cache", lambda folder: None)
    file = tmp_path / "small.json"
    file.write_text(json.dumps(to_json(TREE)))
    return str(file)


def test_a_tree_becomes_weights_metrics_and_a_card(
    tree: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert train.main(["--tree", tree, *SHORT, "--seeds", "1", "2", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "small, seed 1: " in printed and "small, seed 2: " in printed and str(out) in printed
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [(line["seed"], line["epoch"], line["scored_on"]) for line in lines] == [
        (1, 0, "validation"),
        (2, 0, "validation"),
    ]
    assert json.loads((out / "tree.json").read_text()) == to_json(TREE)
    assert (out / "curves.svg").read_text().count("<path") == 4
    card = (out / "README.md").read_text()
    assert "| 2 | " in card and "fashion_mnist_small" in card and f"{100 * lines[0]['accuracy']:.2f} %" in card
    model = build(TREE, open_library(), (1, 28, 28), 10)
    state = weights.load(out / "weights" / "seed-2")
    load_state_dict(model, state)
    assert all(np.array_equal(array, state[name]) for name, array in state_dict(model).items())


def test_the_cards_own_lines_load_the_model(tree: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    train.main(["--tree", tree, *SHORT, "--seeds", "5", "--out", str(out)])
    lines = [line[4:] for line in (out / "README.md").read_text().splitlines() if line.startswith("    ")]
    monkeypatch.chdir(out)
    names: dict = {}
    exec("\n".join(lines), names)
    assert names["model"](np.zeros((2, 1, 28, 28), np.float32)).shape == (2, 10)


def test_a_diverged_training_is_told_by_the_exit_code(
    tree: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wild.toml").write_text('base = "quick"\nlearning_rate = 1e30\n')
    arguments = ["--tree", tree, *SHORT, "--recipe", str(tmp_path / "wild.toml"), "--seeds", "1"]
    assert train.main([*arguments, "--out", str(tmp_path / "out")]) == 1
    assert "diverged" in capsys.readouterr().out


def test_a_killed_command_goes_on_when_it_is_given_again(tree: str, tmp_path: Path) -> None:
    """SIGKILL in the middle: weights and curves end bit for bit like those of a run that nobody killed."""
    command = ["--tree", tree, "--recipe", "quick", "--epochs", "40", "--score-on", "validation"]
    command += ["--validation", "4800", "--save-every", "0.34", "--seeds", "1", "--out"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    program = "import sys; from jnas import train; sys.exit(train.main(sys.argv[1:]))"
    with subprocess.Popen([sys.executable, "-c", program, *command, str(killed)], stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 240
        while len(list(killed.glob("checkpoints/*/*.json"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL and not (killed / "metrics.jsonl").exists()
    steps = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_view", lambda *_, **__: nullcontext(lambda epoch, step, *_: steps.append(step)))
        assert train.main([*command, str(killed)]) == 0
    assert steps[0] > 1 and steps[-1] == 40 * 3
    assert train.main([*command, str(whole)]) == 0
    states = [weights.load(out / "weights" / "seed-1") for out in (killed, whole)]
    assert all(np.array_equal(array, states[1][name]) for name, array in states[0].items())
    curves = [
        [{**json.loads(line), "seconds": 0} for line in (out / "metrics.jsonl").read_text().splitlines()]
        for out in (killed, whole)
    ]
    assert curves[0] == curves[1] and len(curves[0]) == 40
    assert not (killed / "checkpoints").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tree", "resnt8"], "did you mean resnet8?"),
        (["--tree", "resnet8", "--recipe", "quik"], "--recipe quik: no such recipe; did you mean quick?"),
        (["--tree", "resnet8", "--epochs", "0"], "--epochs 0: expected 1 or more"),
        (["--tree", "resnet8", "--dataset", "fashion_mnist_smal"], "did you mean fashion_mnist_small?"),
        (["--tree", "resnet8", "--data-dir", "/nowhere", "--dataset", "cifar10"], "/nowhere: no such folder"),
        (["--tree", "resnet8", "--devices", "99"], "devices = 99: expected 1 to"),
        (["--tree", "resnet8", "--out", "/proc/nowhere"], "--out /proc/nowhere: cannot be made"),
        (["--tree", "resnet8", "--validation", "1.5"], "dataset.validation = 1.5: expected a fraction"),
        (["--tree", "resnet8", "--library", "/nowhere"], "/nowhere: not a block library"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    message: str,
    tree: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert train.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1
