"""The console script `jnas`: `jnas NAME ...` is `python -m jnas.NAME ...`."""

from __future__ import annotations

import difflib
import runpy
import sys

COMMANDS = {
    "search": "search for an architecture: the main job",
    "mine": "translate PyTorch source into a library of blocks",
    "knowledge": "ideas from papers: build, show, stats",
    "train": "train one tree",
    "report": "write the report of a run",
    "runs": "list, show, verify, export and repair runs",
    "doctor": "say which walls stand around candidates on this machine",
    "preflight": "before a search elsewhere: is this host fit, do all hosts agree",
    "export": "take a model away, in Flax or PyTorch, or draw a tree",
    "benchmarks": "measure, and compare with the targets",
}


def main() -> int:
    """Runs the subcommand; 2 for one that does not exist."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print("usage: jnas COMMAND [OPTIONS]        (jnas COMMAND --help says more)\n")
        print("\n".join(f"  {command:<12}{purpose}" for command, purpose in COMMANDS.items()))
        print("\nexample: jnas search --config quickstart")
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        print(f"error: jnas {name}: expected one of {', '.join(COMMANDS)}{hint}", file=sys.stderr)
        return 2
    sys.argv = [f"jnas {name}", *sys.argv[2:]]
    runpy.run_module(f"jnas.{name}", run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
