"""Weights on disk, as Orbax writes them: arrays by PyTorch's names, in a folder that is complete or not there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from translators.diagnostics import UserError


def save(state: Mapping[str, np.ndarray], folder: Path) -> None:
    """Writes `state` as `folder`; one that is there is replaced once the new one is complete."""
    folder = Path(folder).resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    new, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    with _checkpointer() as checkpointer:
        checkpointer.save(new, dict(state), force=True)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load(folder: Path) -> dict[str, np.ndarray]:
    """The state that `save` wrote. Raises UserError where there is none or it is damaged."""
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of weights; name one that a training wrote")
    try:
        with _checkpointer() as checkpointer:
            shapes = checkpointer.metadata(folder).item_metadata.tree
            targets = {name: np.empty(array.shape, array.dtype) for name, array in shapes.items()}
            restored = checkpointer.restore(folder, targets)
    except Exception as error:  # whatever Orbax and its storage layers raise on damaged files
        raise UserError(f"{folder}: cannot be read as weights ({type(error).__name__}); train again") from error
    return {name: np.asarray(array) for name, array in restored.items()}


def _checkpointer() -> Any:
    """Of this process alone: weights are whole in each, and Orbax would wait for the others of a launch."""
    import jax
    import orbax.checkpoint as ocp

    this = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=this, active_processes={this}, barrier_sync_key_prefix=f"process-{this}"
    )
    return ocp.StandardCheckpointer(multiprocessing_options=alone)
