"""The benchmark of edits at its smallest."""

from __future__ import annotations

from jnas.benchmarks.edits import measure


def test_what_passes_runs_trains_and_was_meant() -> None:
    rows = {row.name: row for row in measure(edits=12, train=1, sources="")}
    assert rows["ResNet-32: proposals"].value == 12
    assert rows["finite first training step"].note == "of 1 trees"
    sound = [name for name in rows if "duplicates" not in name and "warm memo" not in name]  # of 12, one is 8 %
    assert [name for name in sound if not rows[name].met] == []
