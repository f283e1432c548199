"""Take a model away, in Flax or PyTorch, or draw a tree: python -m jnas.export RUN --to torch --out DIR"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jnas.library.binding import Shape
from jnas.reports.run import Run
from jnas.runs.directory import RunDirectory, write_atomically
from jnas.trees.node import Node
from translators.diagnostics import UserError

if TYPE_CHECKING:
    from jnas.library.store import Library
    from jnas.trees.picture import Line

BATCH = 64  # at which costs may have been measured; they are the same at any
FORMS = ("flax", "torch", "onnx-ready", "tree")
PICTURES = ("svg", "text")


@dataclass(frozen=True)
class Subject:
    """What is exported, and what is known of it."""

    name: str
    tree: Node
    library: Library
    shape: Shape
    classes: int
    weights: Path | None = None
    sources: tuple[str, ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is written, 1 where the file does not compute what jnas computes, 2 for bad input."""
    options = _parser().parse_args(arguments)
    from jnas.exporting.checking import CheckFailed
    from jnas.models.assembly import BuildError

    try:
        subject = read(options)
        if options.to in PICTURES:
            return _draw(options, subject)
        return _export(options, subject)
    except (UserError, BuildError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except CheckFailed as error:
        print(f"error: {error}; nothing was written", file=sys.stderr)
        return 1


def read(options: argparse.Namespace) -> Subject:
    """The tree, its library and what it is for: of a run, a training, a file or a name. Raises UserError."""
    from jnas.reports.trees import read_tree

    folder = Path(options.tree)
    if RunDirectory(folder).database.is_file():
        return _of_run(options, Run.read(folder))
    if options.candidate is not None:
        raise UserError(f"--candidate {options.candidate}: {options.tree} is no run; leave it out")
    trained = folder / "tree.json"
    text = str(trained) if trained.is_file() else options.tree
    ends = (lambda: _ends(options)) if options.shape and options.classes else None  # said before anything is mined
    name, tree, library = read_tree(text, options.library, ends)
    saved = sorted((folder / "weights").glob("seed-*")) if trained.is_file() else []
    weights = options.weights or next(iter(saved), None)
    shape, classes = _ends(options)
    return Subject(
        folder.name if trained.is_file() else name, tree, library, shape, classes, weights, tuple(options.source)
    )


def _of_run(options: argparse.Namespace, run: Run) -> Subject:
    candidate = run.best
    if options.candidate is not None:
        candidate = run.by_number.get(options.candidate)
        if candidate is None:
            raise UserError(f"--candidate {options.candidate}: {options.tree} has 0 to {max(run.by_number, default=0)}")
    if candidate is None:
        raise UserError(f"tree {options.tree}: the run has no trained tree yet; continue it with {run.command()}")
    name = f"{run.directory.root.resolve().name}-{candidate.number}"
    places = (run.directory.weights(candidate.number, seed) for seed in run.configuration.final.seeds)
    weights = options.weights or next((place for place in places if place.is_dir()), None)
    written = map(str, sorted(run.directory.written.glob("*.py")))
    sources = (*options.source, *run.configuration.sources, *written)
    shape, classes = tuple(options.shape or run.input_shape), options.classes or run.classes
    return Subject(name, run.tree(candidate), run.library, shape, classes, weights, sources)


def _ends(options: argparse.Namespace) -> tuple[Shape, int]:
    """Shape of an image and number of classes."""
    if not options.shape or not options.classes:
        raise UserError(
            f"tree {options.tree}: no run says what it receives and returns; give --shape C H W and --classes N"
        )
    return tuple(options.shape), options.classes


def _export(options: argparse.Namespace, subject: Subject) -> int:
    from jnas.exporting.expression import design
    from jnas.exporting.folder import export_folder

    plan = design(subject.tree, subject.library, subject.shape, subject.classes)
    out = options.out or Path(f"{subject.name}-{options.to}")
    exported = export_folder(
        plan,
        options.to,
        out,
        name=subject.name,
        weights=subject.weights,
        seed=options.seed,
        specs=subject.sources,
    )
    print(exported.check.text)
    print(exported.folder)
    return 0


def _draw(options: argparse.Namespace, subject: Subject) -> int:
    from rich.console import Console

    from jnas.trees.drawing import draw
    from jnas.trees.svg import svg

    picture = _picture(options, subject)
    if options.to == "text":
        Console().print(draw(picture))
        return 0
    out = options.out or Path(f"{subject.name}.svg")
    try:
        write_atomically(out, svg(picture, subject.name))
    except OSError as error:
        raise UserError(f"--out {out}: cannot be written ({error.strerror}); name a file that can") from None
    print(out)
    return 0


def _picture(options: argparse.Namespace, subject: Subject) -> list[Line]:
    """The tree's lines; with --since those of both trees, and what changed."""
    from jnas.evaluation.inspection import node_costs
    from jnas.reports.trees import read_tree
    from jnas.trees.picture import compared, lines

    def drawn(tree: Node, library: Library) -> list[Line]:
        shape, classes = subject.shape, subject.classes
        return lines(tree, library, shape, (), node_costs(tree, library, shape, classes, BATCH))

    if options.since is None:
        return drawn(subject.tree, subject.library)
    _, old, library = read_tree(options.since, options.library)
    return compared(drawn(old, library), drawn(subject.tree, subject.library))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jnas.export",
        description="Take a model away, in Flax or PyTorch, or draw a tree.",
        epilog="example: python -m jnas.export runs/quickstart --to torch --out model",
    )
    parser.add_argument(
        "tree", metavar="TREE", help="a run, a folder of jnas.train, a tree's JSON file, a start tree or SOURCE:MODEL"
    )
    parser.add_argument(
        "--to",
        choices=(*FORMS, *PICTURES),
        default="flax",
        help="a folder with a standalone model.py, weights, licences and a check; tree: to build it again with jnas; "
        "svg, text: a drawing (default: flax)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="a new folder, or the SVG file (default: by name)")
    parser.add_argument("--candidate", type=int, metavar="N", help="of the run (default: the best)")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="that a training saved (default: the run's)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="draws weights where none are saved")
    parser.add_argument("--source", action="append", default=[], metavar="SOURCE", help="with originals of the blocks")
    parser.add_argument("--since", metavar="TREE", help="svg, text: mark what changed since this tree")
    parser.add_argument("--shape", type=int, nargs=3, metavar=("C", "H", "W"), help="of an image (default: the run's)")
    parser.add_argument("--classes", type=int, metavar="N", help="default: the run's")
    parser.add_argument("--library", type=Path, action="append", default=[], metavar="DIR", help="of mined blocks")
    return parser


if __name__ == "__main__":
    sys.exit(main())
