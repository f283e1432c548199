"""Write a tree as one standalone Flax file: python -m jnas.export resnet20 --shape 3 32 32 --classes 10"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jnas.library.binding import Shape
from jnas.models.assembly import CLASSIFIER, BuildError
from jnas.models.source import export_flax
from jnas.reports.run import Run
from jnas.reports.trees import read_tree
from jnas.runs.directory import RunDirectory, write_atomically
from jnas.trees.node import path_text
from translators.diagnostics import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the file is written, 2 for bad input."""
    options = _parser().parse_args(arguments)
    try:
        name, tree, library = read_tree(options.tree, options.library)
        shape, classes = _ends(options)
        source = export_flax(tree, library, shape, classes)
        out = options.out or Path(f"{name}.py")
        try:
            write_atomically(out, source)
        except OSError as error:
            raise UserError(f"--out {out}: cannot be written ({error.strerror}); name a file that can") from None
    except (UserError, BuildError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(out)
    return 0


def _ends(options: argparse.Namespace) -> tuple[Shape, int]:
    """Shape of an image and number of classes: given, or those of the run."""
    shape, classes = options.shape, options.classes
    if RunDirectory(Path(options.tree)).database.is_file():
        run = Run.read(Path(options.tree))
        shape = shape or run.input_shape
        _, logits = run.candidates[0].verdict.shapes.get(path_text(CLASSIFIER), (None, (0, 1, 1)))
        classes = classes or logits[0]
    if not shape or not classes:
        raise UserError(
            f"tree {options.tree}: no run says what it receives and returns; give --shape C H W and --classes N"
        )
    return tuple(shape), classes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jnas export", description=__doc__)
    parser.add_argument("tree", metavar="TREE", help="a run directory, a tree's JSON file, or a start tree's name")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the Python file to write (default: NAME.py)")
    parser.add_argument("--shape", type=int, nargs=3, metavar=("C", "H", "W"), help="of an image (default: the run's)")
    parser.add_argument("--classes", type=int, metavar="N", help="default: the run's")
    parser.add_argument("--library", type=Path, action="append", default=[], metavar="DIR", help="of mined blocks")
    return parser


if __name__ == "__main__":
    sys.exit(main())
