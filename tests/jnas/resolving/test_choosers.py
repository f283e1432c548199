from __future__ import annotations

from pathlib import Path

import pytest

from jnas.resolving import local
from jnas.resolving.choosers import make_chooser
from jnas.resolving.gemini import DEFAULT_MODEL, KEY_VARIABLES
from jnas.resolving.questions import Question
from translators.diagnostics import UserError

QUESTION = Question("which?", {"place": ("1", "2", "3")})


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_auto_prefers_a_key_then_the_installed_model_then_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "installed", lambda: False)
    assert make_chooser("auto").name == "none"
    monkeypatch.setattr(local, "installed", lambda: True)
    monkeypatch.setattr(local, "find_model", lambda path="": Path("small.gguf"))
    assert make_chooser("auto").name == "local (small)"
    monkeypatch.setenv("GEMINI_API_KEY", "key-of-a-test")
    assert make_chooser("auto").name == f"gemini ({DEFAULT_MODEL})"
    assert make_chooser("gemini:gemini-other").name == "gemini (gemini-other)"


def test_nobody_draws_uniformly() -> None:
    chooser = make_chooser("none")
    drawn = [chooser.choose(QUESTION, seed).values["place"] for seed in range(600)]
    assert all(150 < drawn.count(option) < 250 for option in "123")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gemni", "did you mean 'gemini'"),
        ("none:x", "expected one of"),
        ("", "expected one of"),
        ("gemini", "GEMINI_API_KEY"),
    ],
)
def test_a_wrong_name_is_one_line(name: str, told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        make_chooser(name)
    assert "\n" not in str(caught.value)


def test_a_wrong_model_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.importlib.util, "find_spec", lambda name: object())
    with pytest.raises(UserError, match="No such file"):
        make_chooser(f"local:{tmp_path}/absent.gguf")
    other = tmp_path / "other.gguf"
    other.write_bytes(b"not a model")
    with pytest.raises(UserError, match="not a GGUF file"):
        make_chooser(f"local:{other}")
    monkeypatch.setattr(local.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install xllamacpp"):
        make_chooser("local")
