"""A killed run's files cut or with a bit flipped at random: python -m tests.long.faults --count 500

Each fault is made from the seed and its number alone. Opening the run afterwards has to give every record that was
whole before the fault, or to refuse in one line. Prints a line of JSON; exit code 1 when a record was lost, invented
or changed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.jnas.runs.test_faults import KEPT, LAST, left_by_a_kill, opened


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found: Counter[str] = Counter()
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        live, killed, place = (Path(folder, name) for name in ("live", "killed", "place"))
        for made in (live, killed, place):
            made.mkdir()
        path, lengths = left_by_a_kill(live, killed)
        for number in range(options.count):
            chance = random.Random(f"{options.seed} {number}")
            suffix, kind = chance.choice(("", "-wal")), chance.choice(("cut", "flip"))
            at = chance.randrange(Path(f"{path}{suffix}").stat().st_size)
            bit = 1 << chance.randrange(8)

            def change(content: bytearray, kind: str = kind, at: int = at, bit: int = bit) -> bytearray:
                if kind == "cut":
                    return content[:at]
                content[at] ^= bit
                return content

            try:
                done = opened(path, place, change, suffix)
            except Exception as error:
                wrong.append(f"{number}: {kind} of the {suffix or 'file'} at {at}: {type(error).__name__}: {error}")
                continue
            least = KEPT + sum(length <= at for length in lengths) if suffix else KEPT + LAST
            if done is not None and not least <= done <= KEPT + LAST:
                wrong.append(f"{number}: {kind} of the {suffix or 'file'} at {at}: {done} of {least} records")
            found[f"{kind} {suffix or 'file'}: {'refused' if done is None else 'opened'}"] += 1
    print(json.dumps({"faults": options.count, "wrong": wrong, **dict(sorted(found.items()))}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
