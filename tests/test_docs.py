"""The documentation is what the code says, its links lead somewhere, and the README's commands run."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from jnas.runs.configuration import Configuration, flat
from jnas.search import requested

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"^(?:python -m (?:jnas|translators)|make)\b.*$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")


def run(*words: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=300, env=environment
    )


def commands(text: str) -> list[str]:
    """Command lines in the fenced blocks of a page, without comments."""
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [shlex.join(shlex.split(line, comments=True)) for block in blocks for line in COMMAND.findall(block)]


def test_the_reference_is_what_the_code_says() -> None:
    done = run("tools/document.py", "--check")
    assert done.returncode == 0, done.stdout


def test_the_help_of_every_command_has_an_example() -> None:
    """On the pages of the reference, which are what the parsers say."""
    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        assert "xample" in section, section.partition("\n")[0]


def test_every_setting_says_what_it_means() -> None:
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    rows = {
        row[0].split("`")[1]: row[-1].strip()
        for row in re.findall(r"^\| (`[^|]+)\|(?:[^|]*\|)*?([^|]+)\|$", page, re.M)
    }
    for key in flat(Configuration()):
        assert rows.get(key), f"{key}: no comment behind the field says what it means"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    notebooks = {f"{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")}
    for target in LINK.findall(re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)):
        if ":" in target or (Path(target).parent.name == "tutorials" and Path(target).name in notebooks):
            continue
        assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path: Path) -> None:
    pytest.importorskip("material")
    done = run("-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    fetched = re.compile(
        r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//|<link\b[^>]*\brel=[\"']?stylesheet[^>]*https?:"
    )
    for page in (tmp_path / "site").rglob("*.html"):
        assert not fetched.search(page.read_text(encoding="utf-8")), page


def test_options_in_the_documents_exist() -> None:
    """Every option of a jnas command in a fenced block is one that the command has."""
    reference = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    known = {
        name: set(re.findall(r"`(--[\w-]+)", text)) | {"--help"}
        for name, text in re.findall(r"^## (?:jnas |python -m )(\w+)\n(.*?)(?=^## |\Z)", reference, re.M | re.DOTALL)
    }
    for page in PAGES:
        for command in commands(page.read_text(encoding="utf-8")):
            words = shlex.split(command)
            if words[0] == "make":
                continue
            name = words[2].removeprefix("jnas.")
            own = words[: words.index("--")] if "--" in words else words
            wrong = {word for word in own if word.startswith("--")} - known[name]
            assert not wrong, f"{page.relative_to(ROOT)}: {command}: no {', '.join(sorted(wrong))}"


def test_searches_in_the_documents_ask_for_what_exists() -> None:
    """Configurations, keys and types of values, as the command itself reads them."""
    for page in PAGES:
        for command in commands(page.read_text(encoding="utf-8")):
            words = shlex.split(command)
            if words[:3] == ["python", "-m", "jnas.search"] and not any(word.endswith("my.toml") for word in words):
                requested(words[3:])


def test_targets_of_make_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        for command in commands(page.read_text(encoding="utf-8")):
            words = shlex.split(command)
            if words[0] == "make":
                assert {word for word in words[1:] if "=" not in word} <= targets, f"{page.name}: {command}"


CHEAP = ("--dry-run --llm none", "translators translate", "benchmarks --list", "runs list")


def cheap(command: str) -> bool:
    return any(all(word in command for word in words.split(" ")) for words in CHEAP)


@pytest.mark.parametrize("command", [command for command in commands(README) if cheap(command)])
def test_cheap_commands_of_the_readme_run(command: str, tmp_path: Path) -> None:
    if "timm" in command and importlib.util.find_spec("timm") is None:
        pytest.skip("the source of timm is not installed")
    (tmp_path / "runs").mkdir()
    done = run(*shlex.split(command)[1:], folder=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_readme_fits_on_a_few_screens() -> None:
    assert len(README.splitlines()) <= 130


HOW_TO = {  # page -> a command over the files that it shows, and what comes of it
    "block": ("-m jnas.mine my_blocks.py", r"placeable\W+1\b"),
    "planner": ("my_search.py --planner greedy --set sources=[] --llm none --dry-run --quiet", r"16 candidates"),
    "recipe": ("-c 'from jnas.training.recipe_files import recipe; print(recipe(\"mine.toml\"))'", r"optimiser='muon'"),
}


@pytest.mark.parametrize("page", HOW_TO)
def test_what_the_how_to_shows_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path / "cache"))
    text = (ROOT / "docs" / "howto" / f"{page}.md").read_text(encoding="utf-8")
    for name, content in re.findall(r"^```(?:python|toml)\n# ([\w.]+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(content, encoding="utf-8")
    command, expected = HOW_TO[page]
    done = run(*shlex.split(command), folder=tmp_path)
    assert re.search(expected, done.stdout + done.stderr), done.stderr
