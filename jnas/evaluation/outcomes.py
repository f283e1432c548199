"""What the gate says about a proposal, and what became of a training: typed values that are stored as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# Why a proposal is not trained. `executable`, `caps` and `intended` are the three factors of E (LLMasTool);
# `duplicate` is ours: a tree that was already trained under its canonical hash.
REASONS = (
    "nothing possible",
    "shape",
    "refused",
    "error",
    "time",
    "memory",
    "lost",
    "caps",
    "not intended",
    "duplicate",
)

# How a training ends. The first eight are results of the candidate; the last two say that the machinery failed
# under it, and are tried again before they are believed.
STATUSES = ("ok", "nan", "diverged", "filtered", "shape", "memory", "time", "error", "lost", "infrastructure")
RETRIED = ("lost", "infrastructure")


@dataclass(frozen=True)
class Verdict:
    """E = executable x within_caps x intended. `shapes` maps a path's text to its (incoming, outgoing) shape."""

    executable: bool
    within_caps: bool
    intended: bool
    reason: str | None = None  # one of REASONS, None when feasible
    message: str = ""
    parameters: int | None = None
    multiply_adds: int | None = None
    shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)

    @property
    def feasible(self) -> bool:
        return self.executable and self.within_caps and self.intended and self.reason is None

    def to_plain(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Verdict:
        shapes = {path: (tuple(before), tuple(after)) for path, (before, after) in values["shapes"].items()}
        return cls(**{**values, "shapes": shapes})


@dataclass(frozen=True)
class Result:
    """A training. `accuracy` in [0, 1] on the split it was asked for; `curve` has one mapping of metrics per epoch.

    `latency`: seconds per image of the compiled forward pass, as measured while scoring.
    """

    status: str
    accuracy: float | None = None
    loss: float | None = None
    curve: tuple[Mapping[str, Any], ...] = ()
    seconds_compile: float = 0.0
    seconds_train: float = 0.0
    message: str = ""
    latency: float | None = None

    def to_plain(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Result:
        return cls(**{**values, "curve": tuple(values["curve"])})
