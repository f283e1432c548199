"""Disguised orders in mined source, put to a model that sees through and obeys: python -m tests.long.steering

Every order of the suite, in every place, in every disguise. Nothing but a listed option may come of it, nothing mined
may stand outside the fences, and of comments and strings nothing may reach the model. Prints a line of JSON; exit code
1 when anything was otherwise.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import random
import sys
from collections import Counter
from collections.abc import Callable

from tests.jnas.resolving.test_injections import COMMANDS, GONE, READ, planted, steered

DISGUISES: dict[str, Callable[[str], str]] = {  # of one word
    "none": str,
    "case": str.swapcase,
    "spaced": " ".join,
    "zero-width": "\u200b".join,
    "combining": lambda word: "".join(f"{letter}\u0301" for letter in word),
    "full-width": lambda word: "".join(chr(ord(letter) + 0xFEE0) if letter.isalnum() else letter for letter in word),
    "right to left": lambda word: f"\u202e{word}\u202c",
    "terminal": lambda word: f"\x1b[31m{word}\x1b[0m",
    "markup": lambda word: f"<!-- --><b>{word}</b>",
    "fence": lambda word: f"```{word}```",
    "lines": lambda word: f"\n\n{word}\r\n",
    "base64": lambda word: base64.b64encode(word.encode()).decode(),
    "percent": lambda word: "".join(f"%{ord(letter):X}" for letter in word),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, help="so many of them, drawn at random; else all")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cases = list(itertools.product(READ + GONE, COMMANDS, DISGUISES))
    if options.count is not None:
        cases = random.Random(options.seed).sample(cases, min(options.count, len(cases)))
    obeyed: Counter[str] = Counter()
    wrong = []
    for carrier, (command, word, answer), disguise in cases:
        hide = DISGUISES[disguise]
        library, source = planted(" ".join(map(hide, command.split(" "))), hide(word), carrier)
        try:
            read = steered(library, source, {hide(word): answer})
        except Exception as error:
            wrong.append(f"{carrier}, {word}, {disguise}: {type(error).__name__}: {error}")
            continue
        if read and carrier in GONE:
            wrong.append(f"{carrier}, {word}, {disguise}: it reached the model")
        obeyed[carrier] += read
    print(json.dumps({"cases": len(cases), "wrong": wrong, "obeyed": obeyed}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
