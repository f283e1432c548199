"""The doctor tries the walls from inside, and says why one is open."""

from __future__ import annotations

import json
import sys

import pytest

from jnas import doctor


@pytest.mark.skipif(sys.platform != "linux", reason="the walls are made of Linux")
def test_every_wall_is_tried_and_an_open_one_has_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    code = doctor.main(["--json", "--strict"])
    walls = json.loads(capsys.readouterr().out)
    assert [wall["name"] for wall in walls] == list(doctor.PURPOSE)
    assert code == (0 if all(wall["stands"] for wall in walls) else doctor.MISSING)
    assert all(wall["stands"] or wall["reason"] for wall in walls)
    assert all(wall["stands"] for wall in walls if wall["name"] in ("environment", "memory", "time"))


def test_what_is_reached_is_an_open_wall(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(
        doctor,
        "TRIALS",
        'print(\'{"network": true, "home": false, "files": false, "processes": false, "environment": false}\')',
    )
    assert doctor.main(["--strict"]) == doctor.MISSING
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("network     OPEN") and "sysctl" in first
