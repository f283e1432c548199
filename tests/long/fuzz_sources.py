"""Mutated sources through reading and translating: python -m tests.long.fuzz_sources --count 10000 --state fuzz.json

Each source is made from the seed and its number alone. A source that ends the process, raises or outlasts the limit is
written to `--failures`; everything else that can become of it is right. Stopped, it goes on where it stood.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.translators.hostile import HEADER, TEXTS
from translators import Refusal, UserError, open_source, translate_source
from translators.parsing import parse

ROOT = Path(__file__).resolve().parents[2]
BATCH = 100
SECONDS = 120  # of processor time for a batch, and for each half of one that fails
_WORD = re.compile(r"\w+")
_PIECES = (
    *(
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ":",
        ",",
        "=",
        "*",
        "**",
        "@",
        ".",
        ";",
        "\\",
        "\n",
        "\t",
        "    ",
        "'",
        '"',
        '"""',
        "#",
    ),
    *(
        "def f(x):\n",
        "class A(nn.Module):\n",
        "lambda x: ",
        "return ",
        "yield ",
        "await ",
        "async ",
        "import ",
        "from . ",
    ),
    *(
        "if x:\n",
        "else:\n",
        "try:\n",
        "except:\n",
        "with x as y:\n",
        "for i in x:\n",
        "while x:\n",
        "global x\n",
        "del x\n",
    ),
    *(
        "self.",
        "super().__init__()",
        "forward",
        "__init__",
        "nn.",
        "torch.",
        "F.",
        "x",
        "None",
        "0",
        "-1",
        "1e999",
        "0x",
    ),
    *(
        "match x:\n    case A():\n        pass\n",
        "x := 1",
        "f'{x!r:>{y}}'",
        "f'{",
        "*args",
        "**kwargs",
        "...",
        "not ",
        " in ",
    ),
    *("x[::2] = 0", "x.add_(1)", "x[0], y = y, x", "nn.Sequential(*[", "functools.partial(", "type(x)", "@property\n"),
    *("\u202e", "\u200b", "é", "𝔁", "\x1b[31m", "\x00", "\x0c", "\ufeff", "\r", "\ud7ff"),
)


def corpus() -> list[str]:
    """Small sources to start from: the hostile ones, and what the tests of the translator are made of."""
    texts = [HEADER + text for text, _ in TEXTS.values() if len(text) < 4000]
    return texts + [
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "translators" / "runtime" / "nn").glob("*.py"))
    ]


def mutated(texts: list[str], seed: int, number: int) -> bytes:
    """Source `number` of a seed: of four, one is as the dice fall and three are Python if that can be had."""
    draw = random.Random(f"{seed}/{number}")
    text = _changed(texts, draw, 30)
    for attempt in range(40 if number % 4 else 0):
        if not isinstance(parse(text), str):
            break
        text = _changed(texts, draw, max(1, 8 - attempt))
    data = text.encode("utf-8", "replace")
    for _ in range(draw.choice((1, 4)) if number % 8 == 0 else 0):
        at = draw.randrange(len(data) + 1)
        data = data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :]
    return data


def _changed(texts: list[str], draw: random.Random, most: int) -> str:
    text = draw.choice(texts)[:20_000]
    for _ in range(draw.randrange(1, most + 1)):
        lines = text.split("\n")
        at = draw.randrange(len(text) + 1)
        words = list(_WORD.finditer(text))
        match draw.randrange(12):
            case 0:
                text = text[:at] + draw.choice(_PIECES) + text[at:]
            case 1:
                text = text[:at] + text[at + draw.randrange(1, 20) :]
            case 2:
                text = text[:at] + chr(draw.choice((draw.randrange(128), draw.randrange(0x3000)))) + text[at + 1 :]
            case 3:
                line = draw.randrange(len(lines))
                text = "\n".join(lines[:line] + lines[line + 1 :])
            case 4:
                line = draw.randrange(len(lines))
                text = "\n".join(lines[:line] + [lines[line]] * draw.choice((2, 3, 200)) + lines[line + 1 :])
            case 5:
                draw.shuffle(lines)
                text = "\n".join(lines)
            case 6:
                line = draw.randrange(len(lines))
                lines[line] = " " * draw.randrange(12) + lines[line].lstrip()
                text = "\n".join(lines)
            case 7:
                other = draw.choice(texts)
                start = draw.randrange(len(other) + 1)
                text = text[:at] + other[start : start + draw.randrange(400)] + text[at:]
            case 8:
                depth = draw.choice((5, 60, 180, 3000))
                text = text[:at] + "(" * depth + draw.choice(("x", "1", "")) + ")" * depth + text[at:]
            case _ if words:  # a name or number for another
                old, new = draw.choice(words), draw.choice(words)
                text = text[: old.start()] + new[0] + text[old.end() :]
        text = text[:60_000]
    return text


def translate(seed: int, numbers: list[int]) -> Counter[str]:
    """What became of some sources; raises what must not be raised."""
    outcomes: Counter[str] = Counter()
    texts = corpus()
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            Path(folder, f"m{number}.py").write_bytes(mutated(texts, seed, number))
        try:
            translation = translate_source(open_source(folder))
        except UserError:
            return Counter({"bad input": len(numbers)})
        outcomes["skipped"] = len(translation.skipped_files)
        for outcome in translation.outcomes.values():
            outcomes[f"refused {outcome.code}" if isinstance(outcome, Refusal) else "translated"] += 1
    return outcomes


def batch(seed: int, numbers: list[int]) -> tuple[Counter[str], dict[int, str]]:
    """Outcomes of a batch, and the sources of it that raise: found by halves."""
    try:
        return translate(seed, numbers), {}
    except Exception:
        if len(numbers) == 1:
            return Counter(), {numbers[0]: traceback.format_exc()}
        return _halved(batch, seed, numbers)


def run(seed: int, numbers: list[int]) -> tuple[Counter[str], dict[int, str]]:
    """A batch in a process of its own; when that ends or outlasts the limit, by halves."""
    command = [sys.executable, "-m", "tests.long.fuzz_sources", "--seed", str(seed), "--numbers", *map(str, numbers)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30 * SECONDS)
        words = done.stderr[-2000:] if done.returncode else ""
    except subprocess.TimeoutExpired:
        words = f"longer than {30 * SECONDS} s"
    if not words:
        outcomes, failed = json.loads(done.stdout.splitlines()[-1])
        return Counter(outcomes), {int(number): why for number, why in failed.items()}
    return (Counter(), {numbers[0]: words}) if len(numbers) == 1 else _halved(run, seed, numbers)


def _halved(
    function: Callable[[int, list[int]], tuple[Counter[str], dict[int, str]]], seed: int, numbers: list[int]
) -> tuple[Counter[str], dict[int, str]]:
    middle = len(numbers) // 2
    (one, failed), (other, failed_too) = function(seed, numbers[:middle]), function(seed, numbers[middle:])
    return one + other, failed | failed_too


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--state", type=Path, help="where to note what is done")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"), help="folder for sources that fail")
    parser.add_argument("--numbers", type=int, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.numbers:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        print(json.dumps(batch(options.seed, options.numbers)))
        return 0
    state = {"seed": options.seed, "done": 0, "outcomes": {}, "failed": {}}
    if options.state and options.state.is_file():
        state = json.loads(options.state.read_text())
    while state["done"] < options.count:
        numbers = list(range(state["done"], min(state["done"] + BATCH, options.count)))
        outcomes, failed = run(options.seed, numbers)
        for number, why in failed.items():
            options.failures.mkdir(parents=True, exist_ok=True)
            place = options.failures / f"{options.seed}-{number}.py"
            place.write_bytes(mutated(corpus(), options.seed, number))
            place.with_suffix(".txt").write_text(why)
            state["failed"][str(number)] = why.strip().splitlines()[-1]
        state["outcomes"] = dict(Counter(state["outcomes"]) + outcomes)
        state["done"] = numbers[-1] + 1
        if options.state:
            options.state.write_text(json.dumps(state, indent=1) + "\n")
        print(f"{state['done']} sources, {len(state['failed'])} failed, {state['outcomes']}", flush=True)
    return 1 if state["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
