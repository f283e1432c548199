"""Where the time of a run goes: every second of wall-clock time belongs to one phase."""

from __future__ import annotations

import time
from collections.abc import Mapping

from jnas.runs.database import RunDatabase


class Phases:
    """Entering a phase ends the one before and writes its seconds down."""

    def __init__(self, database: RunDatabase, first: str) -> None:
        self._database, self._name, self._since = database, first, time.monotonic()

    def enter(self, name: str) -> None:
        if name != self._name:
            self.divide({self._name: 1.0}, name)

    def divide(self, shares: Mapping[str, float], then: str) -> None:
        """End the phase as several, in proportion to `shares`: only afterwards is known what the workers spent."""
        now = time.monotonic()
        whole = sum(shares.values())
        for name, share in shares.items():
            if share:
                self._database.add_phase(name, (now - self._since) * share / whole)
        self._name, self._since = then, now
