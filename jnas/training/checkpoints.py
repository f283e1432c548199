"""A series of checkpoints of one training, as Orbax writes them: each process its share, complete or not there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from jnas.training.sharding import is_first_process
from jnas.training.snapshots import Course, Snapshot
from translators.diagnostics import UserError

LOG = logging.getLogger(__name__)
KEPT = 2  # the newest may have been damaged after it was written


@dataclass(frozen=True)
class CheckpointSeries:
    """Folders `EPOCH.STEP` under `folder`, which belongs to one training: tree, data, recipe and seeds.

    Orbax renames a folder when all processes have written; the digest of its files, written last by the first process,
    tells damage that came later. All processes of a launch see the same folder.
    """

    folder: Path

    def save(self, snapshot: Snapshot) -> None:
        """Collective: every process of the launch calls it at the same step. Raises UserError on a full disk."""
        import orbax.checkpoint as ocp

        epoch, step = snapshot.step
        new = self.folder.resolve() / f"{epoch:06d}.{step:08d}"
        arrays = {f"leaf{index}": leaf for index, leaf in enumerate(jax.tree.leaves(snapshot.carry))}
        try:
            if is_first_process():
                self.folder.mkdir(parents=True, exist_ok=True)
                _digest_file(new).unlink(missing_ok=True)
            with ocp.StandardCheckpointer() as checkpointer:
                checkpointer.save(new, arrays, force=True)
            if is_first_process():
                course = json.dumps(snapshot.course.to_plain())
                text = json.dumps({"digest": _digest(new, course), "course": course})
                partial = _digest_file(new).with_suffix(".new")
                partial.write_text(text)
                partial.replace(_digest_file(new))
                for old in self._complete()[KEPT:]:
                    _digest_file(old).unlink(missing_ok=True)
                    shutil.rmtree(old, ignore_errors=True)
        except OSError as error:
            raise UserError(f"{new}: cannot be written ({error.strerror or error}); make room and run again") from None

    def load(self, carry: Any) -> Snapshot | None:
        """The newest that is whole; a warning names each that is not."""
        import orbax.checkpoint as ocp

        leaves, structure = jax.tree.flatten(carry)
        targets = {
            f"leaf{index}": jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
            for index, leaf in enumerate(leaves)
        }
        for folder in self._complete():
            try:
                record = json.loads(_digest_file(folder).read_text())
                if record["digest"] != _digest(folder, record["course"]):
                    raise ValueError("its files have changed since they were written")
                with ocp.StandardCheckpointer() as checkpointer:
                    arrays = checkpointer.restore(folder, targets)
                course = Course.from_plain(json.loads(record["course"]))
            except Exception as error:  # whatever Orbax and its storage layers raise on damaged files
                reason = str(error).strip().splitlines() or [""]
                LOG.warning("%s: passed over (%s: %.200s)", folder, type(error).__name__, reason[0])
                continue
            return Snapshot(jax.tree.unflatten(structure, [arrays[name] for name in targets]), course)
        return None

    def remove(self) -> None:
        """What a finished training no longer needs."""
        if is_first_process():
            shutil.rmtree(self.folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # others may keep theirs beside it
                self.folder.parent.rmdir()

    def _complete(self) -> list[Path]:
        """Newest first; one without a digest was never finished."""
        return sorted((file.with_suffix("") for file in self.folder.resolve().glob("*.*.json")), reverse=True)


def _digest_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _digest(folder: Path, course: str) -> str:
    digest = hashlib.sha256(course.encode())
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size}".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
