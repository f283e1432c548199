"""NAS-Bench-201's official release -> a table for `python -m jnas.benchmarks planner --table FILE`.

    pip install nats_bench numpy
    python tools/nasbench201_table.py NATS-tss-v1_0-3ffb9-simple nasbench201.npz

The release (github.com/D-X-Y/NATS-Bench; MIT) is a folder of pickles, which can run anything when they are read: take
it from its authors, and convert it in an environment of its own. jnas itself reads the table alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

DATASETS = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16_120": "ImageNet16-120"}  # here, in the release


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release", type=Path, help="the unpacked folder")
    parser.add_argument("out", type=Path, help="an .npz file")
    options = parser.parse_args(arguments)
    try:
        from nats_bench import create
    except ImportError:
        print("error: nats_bench is not installed: pip install nats_bench", file=sys.stderr)
        return 2
    if not options.release.is_dir():
        print(f"error: {options.release}: no such folder; unpack NATS-tss-v1_0-3ffb9-simple.tar first", file=sys.stderr)
        return 2
    np.savez_compressed(options.out, **columns(create(str(options.release), "tss", fast_mode=True, verbose=False)))
    return 0


def columns(api: Any) -> dict[str, np.ndarray]:
    """Test accuracies in per cent: mean of the 200-epoch trials, one of them (the smallest seed), after 12 epochs."""
    cells = [operations(api.arch(index)) for index in range(len(api))]
    names = sorted({name for cell in cells for name in cell})
    found: dict[str, np.ndarray] = {
        "ops": np.array(names),
        "op_edges": np.array([[names.index(name) for name in cell] for cell in cells], np.uint8),
    }
    for name, dataset in DATASETS.items():

        def accuracy(index: int, epochs: str, trial: int | bool, dataset: str = dataset) -> float:
            return api.get_more_info(index, dataset, hp=epochs, is_random=trial)["test-accuracy"]

        def seed(index: int, dataset: str = dataset) -> int:
            return min(api.query_meta_info_by_index(index, hp="200").get_dataset_seeds(dataset))

        everywhere = range(len(api))
        found[f"{name}_test_200"] = np.array([accuracy(i, "200", False) for i in everywhere], np.float32)
        found[f"{name}_test_200_trial"] = np.array([accuracy(i, "200", seed(i)) for i in everywhere], np.float32)
        found[f"{name}_test_12"] = np.array([accuracy(i, "12", False) for i in everywhere], np.float32)
    return found


def operations(cell: str) -> list[str]:
    """Of `|a~0|+|b~0|c~1|+...`, in the order 0-1, 0-2, 1-2, 0-3, ..."""
    names = []
    for node in cell.split("+"):
        edges = sorted((int(source), name) for name, source in (edge.split("~") for edge in node.strip("|").split("|")))
        names += [name for _, name in edges]
    return names


if __name__ == "__main__":
    sys.exit(main())
