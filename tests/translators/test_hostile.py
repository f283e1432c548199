"""Hostile sources are skipped, refused or lose what makes them so; an audit hook sees that nothing of them runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.long.fuzz_sources import translate
from tests.translators.hostile import BYTES, HEADER, TEXTS

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys
from pathlib import Path
from translators import Refusal, load_class, open_source, translate_source
from translators.rewriting import names
from translators.__main__ import write_files

benign, hostile, out = map(Path, sys.argv[1:])
translate_source(open_source(str(benign)))
for module in names.RUNTIME_ALIASES:
    names.runtime_names(module)
import encodings.latin_1  # what translating and reading load when they first need it
seen = []
known = set(sys.modules)

def watch(event, arguments):
    if event == "compile" and arguments[1] not in ("<unknown>", "<emitted>", b"<unknown>"):
        seen.append(f"compile {arguments[1]}")
    elif event == "open" and not (arguments[1] in ("r", "rb", None) and arguments[2] & 3 == 0):
        seen.append(f"open {arguments[0]} {arguments[1]}")
    elif event == "import" and arguments[0].split(".")[0] not in known:
        seen.append(f"import {arguments[0]}")
    elif event == "exec" or event.split(".")[0] in ("subprocess", "socket", "shutil", "ctypes"):
        seen.append(f"{event} {arguments[:1]}")
    elif event.startswith("os.") and event not in ("os.listdir", "os.scandir", "os.walk"):
        seen.append(f"{event} {arguments[:1]}")

watching = True
sys.addaudithook(lambda event, arguments: watching and watch(event, arguments))
translation = translate_source(open_source(str(hostile)))
watching = False
write_files(translation.modules, out)
loaded = {}
for name, outcome in translation.outcomes.items():
    if not isinstance(outcome, Refusal):
        try:
            load_class(out, name)
        except Exception as error:
            loaded[name] = f"{type(error).__name__}: {error}"
print(json.dumps({
    "seen": seen,
    "outcomes": {n: [o.code, str(o)] if isinstance(o, Refusal) else None for n, o in translation.outcomes.items()},
    "skipped": dict(translation.skipped_files),
    "modules": dict(translation.modules),
    "not loaded": loaded,
}))
"""


def file_of(name):
    return name.replace(" ", "_").replace("-", "_") + ".py"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What became of all cases, translated and loaded in a child process."""
    root = tmp_path_factory.mktemp("hostile")
    mark = root / "mark"
    for folder in ("benign", "hostile"):
        (root / folder).mkdir()
    (root / "benign" / "a.py").write_text(
        HEADER + "import math\nclass A(nn.Module):\n    def forward(self, x):\n        return x\n"
    )
    for name, (text, _) in TEXTS.items():
        (root / "hostile" / file_of(name)).write_text(HEADER + text.replace("MARK", str(mark)), encoding="utf-8")
    for name, data in BYTES.items():
        (root / "hostile" / file_of(name)).write_bytes(data)
    (root / "hostile" / "linked.py").symlink_to("/etc/passwd")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *(str(root / folder) for folder in ("benign", "hostile", "out"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert not mark.exists()
    return json.loads(done.stdout)


def test_nothing_of_them_runs(report):
    assert report["seen"] == []


@pytest.mark.parametrize("name", TEXTS)
def test_each_source(report, name):
    path, expected = file_of(name), TEXTS[name][1]
    if expected == "skipped":
        assert report["skipped"][path]
        return
    assert path not in report["skipped"]
    outcome = report["outcomes"].get(f"{path[:-3]}.Block")
    assert (outcome is not None) == (expected == "refused"), outcome
    if outcome is None:
        assert f"{path[:-3]}.Block" not in report["not loaded"]
        assert "system" not in report["modules"].get(path, "")
    else:
        assert "\x1b" not in outcome[1] and path in outcome[1]


@pytest.mark.parametrize("name", BYTES)
def test_each_file(report, name):
    assert report["skipped"][file_of(name)]


def test_mutated_sources_break_nothing():
    outcomes = translate(seed=1, numbers=list(range(40)))
    assert outcomes["translated"] and outcomes["skipped"] and any(name.startswith("refused") for name in outcomes)
