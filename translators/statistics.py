"""What a translation came to: kinds of classes, refusals by code, and what is missing, most wanted first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from translators.diagnostics import Refusal
from translators.translation import Translation

_DEMANDED = ("R02", "R10")  # what a further source or a larger runtime would bring


@dataclass(frozen=True)
class Statistics:
    """Counts are classes. `missing` says how many were refused for each symbol that is not there."""

    source: str
    version: str
    files: int
    classes: int
    blocks: int
    models: int
    translated: int
    translated_blocks: int
    refused: Mapping[str, int]
    missing: Mapping[str, int]
    skipped_files: tuple[tuple[str, str], ...]

    @property
    def share(self) -> float:
        """Percentage of the classes that was translated."""
        return 100.0 * self.translated / self.classes if self.classes else 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def statistics_of(translation: Translation) -> Statistics:
    outcomes = {mined.qualified_name: translation.outcomes[mined.qualified_name] for mined in translation.classes}
    refusals = [outcome for outcome in outcomes.values() if isinstance(outcome, Refusal)]
    kinds = Counter(mined.kind for mined in translation.classes)
    whole = Counter(
        mined.kind for mined in translation.classes if not isinstance(outcomes[mined.qualified_name], Refusal)
    )
    return Statistics(
        source=translation.source.name,
        version=translation.source.version,
        files=len(translation.source.files),
        classes=len(translation.classes),
        blocks=kinds["block"],
        models=kinds["model"],
        translated=whole.total(),
        translated_blocks=whole["block"],
        refused=dict(sorted(Counter(refusal.code for refusal in refusals).items())),
        missing=demand(refusals),
        skipped_files=translation.skipped_files,
    )


def demand(refusals: Iterable[Refusal]) -> dict[str, int]:
    """How many refusals name each missing operation or foreign symbol, most wanted first."""
    counted = Counter(refusal.name for refusal in refusals if refusal.code in _DEMANDED and refusal.name)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
