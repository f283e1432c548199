from __future__ import annotations

import json
import math
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from jnas.benchmarks import __main__ as command
from jnas.benchmarks import main_job
from jnas.benchmarks.rows import Row
from jnas.reports.run import Run

GOOD, BAD = Row("speed", 12.0, "s", high=20.0), Row("classes", 7, low=10)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the benchmark `pretended` yield the given rows."""

    def pretend(*rows: Row) -> None:
        module = types.ModuleType("pretended_benchmark")
        module.measure = lambda: rows  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "pretended_benchmark", module)
        monkeypatch.setitem(command.BENCHMARKS, "pretended", ("pretended_benchmark", "nothing"))

    return pretend


def test_the_table_names_machine_versions_and_targets(measured, capsys: pytest.CaptureFixture[str]) -> None:
    measured(GOOD, BAD)
    assert command.main(["pretended"]) == 0
    out = capsys.readouterr().out
    assert "cores" in out and "jax" in out and "at most 20: met" in out and "at least 10: MISSED" in out


def test_check_exits_3_and_names_each_row_that_misses(measured, capsys: pytest.CaptureFixture[str]) -> None:
    measured(GOOD, BAD)
    assert command.main(["pretended", "--check"]) == 3
    assert capsys.readouterr().err == "missed: classes is 7, target at least 10\n"
    measured(GOOD)
    assert command.main(["pretended", "--check"]) == 0


def test_rows_are_written_as_json(measured, tmp_path: Path) -> None:
    measured(GOOD, BAD)
    command.main(["pretended", "--json", str(tmp_path / "out.json")])
    document = json.loads((tmp_path / "out.json").read_text())
    assert [(row["name"], row["value"], row["met"]) for row in document["rows"]] == [
        ("speed", 12.0, True),
        ("classes", 7, False),
    ]
    assert document["benchmark"] == "pretended" and document["machine"]["cores"] and document["versions"]["jax"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["main-jop"], "did you mean main-job"), ([], "main-job"), (["main-job", "--json", "/absent/x"], "/absent")],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and words in captured.err


def test_list_shows_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    assert "main-job" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("x", 1), True),
        (Row("x", 1, low=1, high=1), True),
        (Row("x", 2, high=1), False),
        (Row("x", math.nan, low=0), False),
    ],
)
def test_targets(row: Row, met: bool) -> None:
    assert row.met is met


def test_main_job_shows_phases_with_shares_and_judges_the_outcome(make_run: Callable[..., Run]) -> None:
    rows = {row.name: row for row in main_job.rows(make_run(), 200.0)}
    assert (rows["mining"].value, rows["mining"].note) == (40.0, "20.0%")
    assert rows["other"].value == pytest.approx(100.0)
    assert sum(row.value for name, row in rows.items() if row.note.endswith("%")) == pytest.approx(200.0)
    assert rows["best tree, test accuracy"].met and not rows["trained with a mined block"].met
    begun = {row.name: row for row in main_job.rows(make_run(finished=False, name="begun"), 200.0)}
    assert not begun["best tree, test accuracy"].met
