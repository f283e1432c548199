"""A training between two steps, as a value: what a later process needs to go on as if nothing had happened."""

from __future__ import annotations

import json
import logging
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np

from translators.diagnostics import UserError

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class EpochMetrics:
    """Means over the training batches of an epoch; `accuracy` and `loss` on the scored images after it."""

    epoch: int
    train_loss: float
    train_accuracy: float
    accuracy: float | None
    loss: float | None
    seconds: float


@dataclass
class Course:
    """What was measured so far, by seed; `losses` and `hits` hold a row for each step of the epoch under way.

    `above`: training steps in a row with a loss above that of guessing; `ended`: curves that have their last point.
    """

    statuses: list[str]
    above: list[int]
    ended: list[bool]
    curves: list[list[EpochMetrics]]
    losses: list[list[float]] = field(default_factory=list)
    hits: list[list[float]] = field(default_factory=list)
    epoch: int = 0  # so many are complete
    seconds: float = 0.0  # of training; both are sums over all processes that took part
    seconds_compile: float = 0.0
    latency: float | None = None

    @classmethod
    def begin(cls, seeds: int) -> Course:
        return cls(["ok"] * seeds, [0] * seeds, [False] * seeds, [[] for _ in range(seeds)])

    def to_plain(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Course:
        curves = [[EpochMetrics(**epoch) for epoch in curve] for curve in values["curves"]]
        return cls(**{**values, "curves": curves})


@dataclass(frozen=True)
class Snapshot:
    """`carry`: parameters, statistics and optimiser state as the training step takes and returns them."""

    carry: Any
    course: Course

    @property
    def step(self) -> tuple[int, int]:
        """(complete epochs, steps into the next)."""
        return self.course.epoch, len(self.course.losses)


class Snapshots(Protocol):
    """Where a training keeps itself: a file for what is short, a series of checkpoints for what is long."""

    def save(self, snapshot: Snapshot) -> None: ...

    def load(self, carry: Any) -> Snapshot | None:
        """The newest whole one, its arrays shaped and placed like those of `carry`; None where there is none."""


@dataclass(frozen=True)
class SnapshotFile:
    """One .npz of a training by one process, replaced at every save; zip keeps a checksum of each array."""

    path: Path

    def save(self, snapshot: Snapshot) -> None:
        """Raises UserError where the folder cannot be written."""
        arrays: dict[str, Any] = {
            f"leaf{index}": np.asarray(leaf) for index, leaf in enumerate(jax.tree.leaves(snapshot.carry))
        }
        course = np.frombuffer(json.dumps(snapshot.course.to_plain()).encode(), np.uint8)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.path.parent, suffix=".npz", delete=False) as file:
                np.savez(file, course=course, **arrays)
            Path(file.name).replace(self.path)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror}); make room or choose another") from None

    def remove(self) -> None:
        """What no training goes on from."""
        self.path.unlink(missing_ok=True)

    def load(self, carry: Any) -> Snapshot | None:
        if not self.path.is_file():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                course = Course.from_plain(json.loads(arrays["course"].tobytes()))
                leaves = [arrays[f"leaf{index}"] for index in range(len(arrays) - 1)]
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            LOG.warning("%s: damaged (%s); the training begins anew", self.path, type(error).__name__)
            return None
        return Snapshot(placed_like(carry, leaves, self.path), course)


def placed_like(carry: Any, leaves: list[np.ndarray], origin: Path) -> Any:
    """`leaves` in the structure of `carry` and on its devices. Raises UserError where shapes or dtypes differ."""
    targets, structure = jax.tree.flatten(carry)
    kinds = [(target.shape, target.dtype) for target in targets]
    if kinds != [(leaf.shape, leaf.dtype) for leaf in leaves]:
        raise UserError(f"{origin}: holds the state of another network or recipe; remove it, or choose another place")
    # No aliasing: the step donates its carry, and would write into arrays that NumPy owns.
    placed = [jax.device_put(leaf, t.sharding, may_alias=False) for leaf, t in zip(leaves, targets, strict=True)]
    return jax.tree.unflatten(structure, placed)
