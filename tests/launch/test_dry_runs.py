"""What each launcher would run, word for word. `python -m tests.launch.test_dry_runs` writes the texts anew."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.launch.launching import PLACES, ROOT, Pretended

GOLDEN = Path(__file__).parent / "golden"
SEARCH = ["--", "--config", "nasbench201_cifar10", "--run-dir", "gs://bucket/first", "--set", "llm.name=it's"]
SOURCE = "https://example.org/jnas.git@0123abc"
CASES: dict[str, list[str]] = {
    "local-submit": ["local", "submit", "--restarts", "2", "--secret", "~/keys.env", "--max-hours", "8", *SEARCH],
    "local-stop": ["local", "stop"],
    "tpu_vm-submit": [
        "tpu_vm",
        "submit",
        "--project",
        "mine",
        "--spot",
        "--max-usd",
        "20",
        "--secret",
        "gemini",
        *SEARCH,
    ],
    "tpu_vm-submit-slice": ["tpu_vm", "submit", "--name", "pod", "--type", "v5litepod-16", "--hosts", "4", *SEARCH],
    "tpu_vm-submit-commit": ["tpu_vm", "submit", "--source", SOURCE, "--shared", "gs://b/x", "--hosts", "2", *SEARCH],
    "tpu_vm-resume": ["tpu_vm", "resume", *SEARCH],
    "tpu_vm-status": ["tpu_vm", "status", "--name", "pod", "--zone", "us-east5-b"],
    "tpu_vm-logs": ["tpu_vm", "logs", "--worker", "3"],
    "tpu_vm-fetch": ["tpu_vm", "fetch"],
    "tpu_vm-delete": ["tpu_vm", "delete"],
    "queued-submit": ["queued", "submit", "--spot", "--restarts", "5", "--valid-for", "6h", *SEARCH],
    "queued-delete": ["queued", "delete", "--project", "mine"],
    "gke-submit": ["gke", "submit", "--source", SOURCE, "--spot", "--secret", "gemini", "--restarts", "3", *SEARCH],
    "gke-stop": ["gke", "stop", "--context", "east", "--namespace", "research"],
    "gke-resume": ["gke", "resume", "--source", SOURCE, "--account", "searcher", *SEARCH],
    "xpk-submit": [
        "xpk",
        "submit",
        "--cluster",
        "c1",
        "--zone",
        "us-west4-a",
        "--max-usd",
        "5",
        "--restarts",
        "3",
        *SEARCH,
    ],
    "xpk-delete": ["xpk", "delete", "--cluster", "c1"],
    "slurm-submit": ["slurm", "submit", "--gres", "gpu:1", "--time", "12:00:00", "--restarts", "9", *SEARCH],
    "slurm-status": ["slurm", "status"],
    "sky-submit": ["sky", "submit", "--spot", "--secret", "GEMINI_API_KEY", "--restarts", "1", *SEARCH],
    "sky-logs": ["sky", "logs"],
}


def dry_run(case: str, folder: Path) -> str:
    pretended = Pretended(folder)
    place, *words = CASES[case]
    at = words.index("--") if "--" in words else len(words)
    done = pretended.launch(place, *words[:at], "--dry-run", *words[at:])
    assert (done.returncode, done.stderr) == (0, "")
    assert not pretended.calls() and not pretended.state.exists(), "a dry run touches nothing"
    return done.stdout.replace(str(pretended.state), "STATE").replace(str(ROOT), "CHECKOUT")


@pytest.mark.parametrize("case", CASES)
def test_dry_run_prints_exactly_these_commands(case: str, tmp_path: Path) -> None:
    assert dry_run(case, tmp_path) == (GOLDEN / f"{case}.txt").read_text()


def test_no_expected_text_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(CASES)


@pytest.mark.parametrize("place", PLACES)
def test_help_names_every_verb(place: str, tmp_path: Path) -> None:
    text = Pretended(tmp_path).launch(place, "help").stdout
    for word in ("submit", "status", "logs", "resume", "stop", "delete", "--max-usd", "--restarts", "--dry-run"):
        assert word in text


def test_scripts_are_clean_and_short() -> None:
    scripts = sorted((ROOT / "launch").glob("*.sh"))
    assert {script.stem for script in scripts} >= {*PLACES, "common", "host"}
    for script in scripts:
        assert len(script.read_text().splitlines()) < 150, script
    if (checker := shutil.which("shellcheck")) is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([checker, "-x", *map(str, scripts)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


if __name__ == "__main__":
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            (GOLDEN / f"{case}.txt").write_text(dry_run(case, Path(folder)))
