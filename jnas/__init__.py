"""jnas: neural architecture search over trees of mined blocks, in JAX.

The names of `jnas.api` are names of this package; each is loaded when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Edit",
    "Library",
    "MiningReport",
    "Run",
    "Translation",
    "Tree",
    "UserError",
    "apply_edit",
    "build_network",
    "describe_edit",
    "diff_trees",
    "draw_tree",
    "export_tree",
    "load_run",
    "load_tree",
    "mine_source",
    "open_library",
    "propose_edits",
    "run_search",
    "save_tree",
    "train_tree",
    "translate_source",
]

if TYPE_CHECKING:
    from jnas.api import (
        Edit,
        Library,
        MiningReport,
        Run,
        Translation,
        Tree,
        UserError,
        apply_edit,
        build_network,
        describe_edit,
        diff_trees,
        draw_tree,
        export_tree,
        load_run,
        load_tree,
        mine_source,
        open_library,
        propose_edits,
        run_search,
        save_tree,
        train_tree,
        translate_source,
    )


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'jnas' has no attribute {name!r}")
    from jnas import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
