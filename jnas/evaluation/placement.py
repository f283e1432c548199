"""Where the workers of one machine run: each on an accelerator of its own, or on cores of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

GPUS = Path("/proc/driver/nvidia/gpus")
TPU_CHIPS = ("/dev/accel[0-9]*", "/dev/vfio/[0-9]*")
SHARE = 0.9  # of an accelerator's memory that the workers on it reserve together


@dataclass(frozen=True)
class Placement:
    """`cores` None: all of them."""

    environment: Mapping[str, str] = field(default_factory=dict)
    cores: tuple[int, ...] | None = None


def placements(workers: int, cores: int | None, first: int = 0) -> list[Placement]:
    """One for each worker of this machine, the first as number `first`.

    A worker sees one accelerator, or `cores` cores, however many workers there are: on how many devices or threads a
    sum is spread changes its last bits, and the number of workers must not change a result.
    """
    if chips := tpu_chips():
        return [Placement(_tpu(chips[index % len(chips)])) for index in range(workers)]
    if gpus := _gpus():
        sharing = -(-workers // len(gpus))
        memory = {} if sharing == 1 else {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{SHARE / sharing:.3f}"}
        return [Placement({"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)], **memory}) for i in range(workers)]
    return [Placement(cores=_share(_available(), first + index, cores)) for index in range(workers)]


def tpu_chips() -> list[str]:
    """The chips of this machine as libtpu numbers them; none where JAX is told to use something else."""
    if not _wanted("tpu"):
        return []
    found = [path for pattern in TPU_CHIPS for path in Path("/").glob(pattern.lstrip("/"))]
    return [str(index) for index in range(len(found))]


def _gpus() -> list[str]:
    if not _wanted("cuda", "gpu"):
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name and name != "-1"]
    return [str(index) for index in range(len(list(GPUS.iterdir())) if GPUS.is_dir() else 0)]


def _wanted(*names: str) -> bool:
    platforms = os.environ.get("JAX_PLATFORMS", "")
    return not platforms or any(name in platforms.split(",") for name in names)


def _tpu(chip: str) -> dict[str, str]:
    return {"TPU_VISIBLE_CHIPS": chip, "TPU_CHIPS_PER_PROCESS_BOUNDS": "1,1,1", "TPU_PROCESS_BOUNDS": "1,1,1"}


def _available() -> Sequence[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


def _share(available: Sequence[int], index: int, cores: int | None) -> tuple[int, ...] | None:
    if cores is None:
        return None
    return tuple(sorted({available[(index * cores + i) % len(available)] for i in range(cores)}))
