"""Whether contracts hold: python tests/long/contracts.py LIBRARY_FOLDER... [--draws 10] [--seed 0]

Draws places and arguments of every placeable block of libraries that `jnas.mine` made, and compares what is executed
(abstractly) with what the contract says. Imports translated code. Exit code 1 where a contract does not hold.
"""

import argparse
import random
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from jnas.library.store import read_blocks  # noqa: E402
from tests.jnas.library.contract_draws import draw  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("libraries", nargs="+", type=Path)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    for folder in options.libraries:
        for block in (block for block in read_blocks(folder) if block.placeable):
            counts["blocks"] += 1
            rng = random.Random(f"{options.seed} {block.name}")
            found = [draw(block, rng) for _ in range(options.draws)]
            wrong = [one for one in found if not one.holds]
            counts["draws"] += len(found)
            counts["refused by bind"] += sum(one.expected is None for one in found)
            counts["wrong draws"] += len(wrong)
            counts["blocks without a draw that binds"] += all(one.expected is None for one in found)
            counts["blocks that do not hold"] += bool(wrong)
            for one in wrong[:2]:
                print(f"{block.name} {one.arguments} at {one.place}: {one.expected} expected, {one.found}", flush=True)
    print(", ".join(f"{count} {name}" for name, count in counts.items()))
    return 1 if counts["wrong draws"] else 0


if __name__ == "__main__":
    sys.exit(main())
