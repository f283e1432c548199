"""Jobs that are not done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from jnas.benchmarks import jobs
from translators.diagnostics import UserError


def test_what_a_file_of_results_holds_is_not_done_again(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    assert jobs.done(divmod, [(7, 2), (9, 4)], results) == [(3, 1), (2, 1)]
    lines = results.read_text().splitlines(keepends=True)
    assert len(lines) == 3
    results.write_text("".join(lines[:2]).replace("[3, 1]", "[2, 99]").replace("[2, 1]", "[2, 99]") + lines[2][:-5])
    found = jobs.done(divmod, [(7, 2), (9, 4)], results)  # one is read, the other was cut off in the middle
    assert sorted(map(list, found)) in ([[2, 1], [2, 99]], [[2, 99], [3, 1]])
    assert len(results.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "words"), [("nonsense", "no results of a benchmark"), ('{"code": "other"}\n', "another version")]
)
def test_another_file_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    results = tmp_path / "results.jsonl"
    results.write_text(text)
    with pytest.raises(UserError, match=words):
        jobs.done(divmod, [(7, 2)], results)
