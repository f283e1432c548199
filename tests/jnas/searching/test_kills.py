"""A search that is killed, robbed of its workers, frozen or served in another order ends like one left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "long" / "kills.py"


@pytest.mark.skipif(sys.platform != "linux", reason="looks for orphans in /proc")
@pytest.mark.parametrize(
    "counts", [("--kill", "20"), ("--group", "5", "--worker", "5"), ("--freeze", "5"), ("--shuffle", "10")]
)
def test_what_happens_to_a_search_does_not_change_its_archive(counts: tuple[str, ...], tmp_path: Path) -> None:
    environment = {**os.environ, "JNAS_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *counts], capture_output=True, text=True, env=environment, timeout=600
    )
    assert done.returncode == 0, done.stderr
