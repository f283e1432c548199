"""Randomness without state: every draw is named by what it is for, so that a resumed run repeats it (ours)."""

from __future__ import annotations

import hashlib
import json

import numpy as np


def folded_seed(seed: int, *purpose: int | str) -> int:
    """128 bits that depend on the run's seed and on the purpose alone, e.g. `folded_seed(0, round, slot, "plan")`."""
    digest = hashlib.sha256(json.dumps([seed, *purpose]).encode()).digest()
    return int.from_bytes(digest[:16], "big")


def generator(seed: int, *purpose: int | str) -> np.random.Generator:
    """A fresh NumPy generator for one purpose."""
    return np.random.Generator(np.random.PCG64(folded_seed(seed, *purpose)))
