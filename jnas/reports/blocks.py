"""The blocks of a run: how often they were tried, where they come from, under which licence, how they were verified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from jnas.library.block import Block
from jnas.library.store import OWN_PREFIX
from jnas.reports.run import Run, accuracy, blocks_of


def block_usage(run: Run) -> list[dict[str, Any]]:
    """A row for each block of all candidates' trees, the most used first."""
    uses: Counter[str] = Counter()
    best: dict[str, float] = {}
    for candidate in run.candidates:
        score = accuracy(candidate)
        for name in set(blocks_of(candidate.tree)):
            uses[name] += 1
            if score is not None:
                best[name] = max(best.get(name, 0.0), score)
    in_best = set(blocks_of(run.best.tree)) if run.best else ()
    return [
        {
            "name": name,
            "candidates": number,
            "in_best": name in in_best,
            "best_accuracy": best.get(name),
            **_origin(name, run.library.get(name)),
        }
        for name, number in sorted(uses.items(), key=lambda item: (-item[1], item[0]))
    ]


def _origin(name: str, block: Block | None) -> dict[str, Any]:
    if block is None:
        found = "not in a library on this machine"
        return {"family": "", "source": found, "licence": "", "verification": "", "difference": None}
    own, origin = name.startswith(OWN_PREFIX), block.provenance
    source = " ".join(str(origin.get(key, "")) for key in ("package", "version", "path")).strip()
    lines = origin.get("lines")
    return {
        "family": block.family,
        "source": "jnas" if own else f"{source}:{lines[0]}-{lines[1]}" if lines else source,
        "licence": str(origin.get("licence") or ("Apache-2.0" if own else "unknown")),
        "verification": "ours" if own else str(block.verification.get("status", "not compared")),
        "difference": _worst(block.verification),
    }


def _worst(found: Mapping[str, Any]) -> float | None:
    """The greatest difference from PyTorch of outputs, gradients and a training step, of a block that is right."""
    if found.get("status") != "right":
        return None
    return max(found[name] or 0.0 for name in ("output_diff", "gradient_diff", "train_diff"))
