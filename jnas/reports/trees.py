"""A tree that somebody names: a start tree, a file, or the best tree of a run, with the library that has its blocks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path

from jnas.library.binding import Shape
from jnas.library.mining import mine
from jnas.library.store import Library, open_library
from jnas.models.starts import named_tree, names_model
from jnas.reports.run import Run
from jnas.runs.directory import RunDirectory
from jnas.trees.node import Node, from_json
from jnas.trees.starts import START_TREES
from translators.diagnostics import UserError


def read_tree(
    text: str, libraries: Sequence[Path], ends: Callable[[], tuple[Shape, int]] | None = None
) -> tuple[str, Node, Library]:
    """(name, tree, library) of a start tree's name, of a tree's JSON file, or of the best tree of a run directory.

    A file that lies in a run directory is read over that run's library. A mined model ("timm:convnext_atto") is lifted
    for `ends()`, (shape of an image, number of classes); without libraries its source is mined. Raises UserError.
    """
    if text in START_TREES:
        return text, START_TREES[text](), open_library(libraries)
    if names_model(text):
        if ends is None:
            raise UserError(f"tree {text}: a mined model is built for images; give their shape and the classes")
        source, _, model = text.partition(":")
        library = open_library(libraries or mine([source]).folders)
        return model.partition("?")[0], named_tree(text, library, *ends()), library
    path = Path(text)
    if path.is_dir():
        run = Run.read(path)
        if run.best is None:
            raise UserError(f"tree {text}: the run has no trained tree yet; continue it with {run.command()}")
        return path.resolve().name, run.tree(run.best), run.library
    library = Run.read(path.parent).library if RunDirectory(path.parent).database.is_file() else open_library(libraries)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        nearest = get_close_matches(text, START_TREES, n=1)
        hint = (
            f"did you mean {nearest[0]}?" if nearest else f"expected a file, a run or one of {', '.join(START_TREES)}"
        )
        raise UserError(f"tree {text}: cannot be read ({error.strerror}); {hint}") from None
    except ValueError as error:
        raise UserError(f"tree {text}: not JSON ({error}); write one with python -m jnas.search") from None
    return path.stem, from_json(data, library), library
