from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest

from jnas.resolving.keys import Key, find_key
from translators.diagnostics import UserError

NAMES = ("FIRST_TEST_KEY", "SECOND_TEST_KEY")


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def test_a_key_shows_itself_nowhere() -> None:
    key = Key("planted-key")
    shown = [repr(key), str(key), f"{key}", f"{key!r}", repr([key]), repr({"key": key})]
    assert not any("planted-key" in text for text in shown)
    assert key.redact("no access for planted-key") == "no access for ***"
    assert key.reveal() == "planted-key"
    with pytest.raises(TypeError):
        json.dumps(key)
    for write in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            write(key)


def test_a_key_comes_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_key(NAMES) is None
    file = tmp_path / "key"
    file.write_text("of-a-file\n")
    monkeypatch.setenv("SECOND_TEST_KEY_FILE", str(file))
    assert find_key(NAMES).reveal() == "of-a-file"
    monkeypatch.setenv("FIRST_TEST_KEY", "of-the-environment")
    assert find_key(NAMES).reveal() == "of-the-environment"


@pytest.mark.parametrize("content", [None, b"", b"  \n", b"\xff\xfe"])
def test_a_file_without_a_key_is_one_line(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("FIRST_TEST_KEY_FILE", str(file))
    with pytest.raises(UserError, match=r"FIRST_TEST_KEY_FILE=.*expected a") as caught:
        find_key(NAMES)
    assert "\n" not in str(caught.value)
