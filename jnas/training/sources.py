"""What a kind of data set has to say about itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jnas.training.examples import Split


@dataclass(frozen=True)
class Source:
    """`read` gives the "train" or the "test" images; `statistics`: mean and deviation per channel that are official."""

    class_names: tuple[str, ...]
    read: Callable[[str], Split]
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None = None
