from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from jnas.runs.configuration import Configuration, difference, flat, load, names, to_toml
from translators.diagnostics import UserError


@pytest.mark.parametrize("name", names())
def test_built_in_configurations_load_and_say_what_to_expect(name: str) -> None:
    from jnas.runs.configuration import BUILT_IN

    load(name)
    head = [line for line in (BUILT_IN / f"{name}.toml").read_text().splitlines() if line.startswith("#")]
    for word in ("command", "duration", "hardware", "expect"):
        assert any(line.lower().startswith(f"# {word}") for line in head), f"{name}.toml does not state its {word}"


def test_a_written_configuration_loads_to_the_same(tmp_path: Path) -> None:
    odd = load("quickstart", ['dataset.data_dir=a "b"\\c', "final.seeds=[1, 2]", "evaluation.epochs=3"])
    (tmp_path / "odd.toml").write_text(to_toml(odd))
    assert load(str(tmp_path / "odd.toml")) == odd
    assert odd.dataset.data_dir == 'a "b"\\c'


def test_overrides_win_and_need_no_quotes() -> None:
    changed = load("quickstart", ["llm.name=none", "search.budget=2", "planner.epsilon=1"])
    assert (changed.llm.name, changed.search.budget, changed.planner.epsilon) == ("none", 2, 1.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[serach]\nbudget = 1", "serach; did you mean search?"),
        ("[search]\nbugdet = 1", "search.bugdet; did you mean search.budget?"),
        ("[search]\nbudget = 'many'", "search.budget = 'many': expected a whole number"),
        ("[search]\nbudget = 0", "search.budget = 0: expected at least 1"),
        ("[search]\nbudget = true", "search.budget = True: expected a whole number"),
        ("[planner]\nepsilon = 1.5", "planner.epsilon = 1.5: expected a number from 0 to 1"),
        ("[planner]\nepsilon = nan", "planner.epsilon = nan: expected a number from 0 to 1"),
        ("search = 3", "search = 3: expected a section"),
        ("sources = 'timm'", "sources = 'timm': expected a list"),
        ("[search", "not TOML"),
    ],
)
def test_a_bad_file_is_one_line_with_key_value_and_expectation(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "my.toml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load(str(path))
    assert says in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [("quickstrat", "did you mean quickstart?"), ("absent.toml", "No such file"), ("/", "neither a built-in")],
)
def test_an_absent_configuration_is_named(name: str, says: str) -> None:
    with pytest.raises(UserError, match=says.replace("?", r"\?")):
        load(name)


CAPS_AND_WORKERS = {"search.budget", "search.hours", "search.workers", "search.compilers", "search.pool"}
CAPS_AND_WORKERS |= {"llm.calls", "llm.tokens", "llm.dollars", "llm.calls_per_minute"}


def test_the_identity_of_a_run_leaves_out_caps_and_workers() -> None:
    base = Configuration()
    for key in flat(base):
        changed = _with_another_value(base, key)
        expected = None if key in CAPS_AND_WORKERS else key
        found = difference(base, changed)
        assert (found and found[0]) == expected


def _with_another_value(base: Configuration, key: str) -> Configuration:
    section, _, name = key.rpartition(".")
    holder = getattr(base, section) if section else base
    old = getattr(holder, name)
    new = ("other",) if isinstance(old, tuple) else f"{old}x" if isinstance(old, str | None) else old + 1
    holder = dataclasses.replace(holder, **{name: new})
    return dataclasses.replace(base, **{section: holder}) if section else holder
