"""Write a tree as one standalone Flax file or draw it: python -m jnas.export resnet20 --shape 3 32 32 --classes 10"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from jnas.evaluation.inspection import node_costs
from jnas.library.binding import Shape
from jnas.library.store import Library
from jnas.models.assembly import BuildError
from jnas.models.source import export_flax
from jnas.reports.run import Run
from jnas.reports.trees import read_tree
from jnas.runs.directory import RunDirectory, write_atomically
from jnas.trees.drawing import draw
from jnas.trees.node import Node
from jnas.trees.picture import Line, compared, lines
from jnas.trees.svg import svg
from translators.diagnostics import UserError

BATCH = 64  # at which costs may have been measured; they are the same at any


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the file is written, 2 for bad input."""
    options = _parser().parse_args(arguments)
    try:
        name, tree, library = read_tree(options.tree, options.library, lambda: _ends(options))
        shape, classes = _ends(options)
        if options.to == "text":
            Console().print(draw(_picture(options, tree, library, shape, classes)))
            return 0
        if options.to == "svg":
            text = svg(_picture(options, tree, library, shape, classes), name)
        else:
            text = export_flax(tree, library, shape, classes)
        out = options.out or Path(f"{name}.{'svg' if options.to == 'svg' else 'py'}")
        try:
            write_atomically(out, text)
        except OSError as error:
            raise UserError(f"--out {out}: cannot be written ({error.strerror}); name a file that can") from None
    except (UserError, BuildError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(out)
    return 0


def _picture(options: argparse.Namespace, tree: Node, library: Library, shape: Shape, classes: int) -> list[Line]:
    """The tree's lines; with --since those of both trees, and what changed."""
    after = lines(tree, library, shape, (), node_costs(tree, library, shape, classes, BATCH))
    if options.since is None:
        return after
    _, old, old_library = read_tree(options.since, options.library)
    return compared(lines(old, old_library, shape, (), node_costs(old, old_library, shape, classes, BATCH)), after)


def _ends(options: argparse.Namespace) -> tuple[Shape, int]:
    """Shape of an image and number of classes: given, or those of the run."""
    shape, classes = options.shape, options.classes
    if RunDirectory(Path(options.tree)).database.is_file():
        run = Run.read(Path(options.tree))
        shape = shape or run.input_shape
        classes = classes or run.classes
    if not shape or not classes:
        raise UserError(
            f"tree {options.tree}: no run says what it receives and returns; give --shape C H W and --classes N"
        )
    return tuple(shape), classes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jnas export", description=__doc__)
    parser.add_argument("tree", metavar="TREE", help="a run directory, a tree's JSON file, or a start tree's name")
    parser.add_argument("--to", choices=("flax", "svg", "text"), default="flax", help="text: shown in the terminal")
    parser.add_argument("--since", metavar="TREE", help="svg, text: mark what changed since this tree")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the file to write (default: NAME.py or NAME.svg)")
    parser.add_argument("--shape", type=int, nargs=3, metavar=("C", "H", "W"), help="of an image (default: the run's)")
    parser.add_argument("--classes", type=int, metavar="N", help="default: the run's")
    parser.add_argument("--library", type=Path, action="append", default=[], metavar="DIR", help="of mined blocks")
    return parser


if __name__ == "__main__":
    sys.exit(main())
