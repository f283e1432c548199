from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jnas.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parents[2]


def jnas(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jnas", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_the_module_of_its_name(name: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", f"jnas.{name}", "--help"]
    module = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    script = jnas(name, "--help")
    assert script.returncode == module.returncode == 0
    assert script.stdout == module.stdout and script.stdout.startswith("usage:")
    assert "example" in script.stdout
    loaded = {line.rpartition("|")[2].strip() for line in module.stderr.splitlines()}
    assert "argparse" in loaded and not loaded & {"jax", "flax", "libcst", "numpyro"}, "help waits for heavy imports"


def test_help_names_every_command() -> None:
    assert all(name in jnas().stdout for name in COMMANDS)


def test_an_unknown_command_is_one_line_with_the_nearest_name() -> None:
    done = jnas("serch")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [done.stderr.strip()] and "did you mean search?" in done.stderr


def test_exit_codes_pass_through() -> None:
    assert jnas("search", "--config", "quickstrat").returncode == 2
