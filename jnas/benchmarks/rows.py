"""What a benchmark yields: rows with targets, and the machine that they were measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """A measured value. `low` and `high` are the targets, both inclusive; without them the row informs."""

    name: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        """A value that is not a number meets no target."""
        return (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)

    @property
    def target(self) -> str:
        """The target in words; empty without one."""
        words = [("at least", self.low), ("at most", self.high)]
        return ", ".join(f"{word} {bound:g}" for word, bound in words if bound is not None)

    def to_plain(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


def machine() -> dict[str, str]:
    """What the numbers depend on, as far as the operating system says it."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
