"""CIFAR-10 and CIFAR-100 as prepared tfds sets, out of cifar10.npz and cifar100.npz that somebody has unpacked.

    python tools/prepare_cifar.py FOLDER_OF_NPZ OUT
    python -m jnas.train --tree resnet32 --dataset cifar10 --data-dir OUT

An .npz holds x, uint8 (60000, 32, 32, 3), its first 50,000 the training images in the order of the authors; y, their
labels; names, of the classes. What is written is what the stock builders of tfds would write.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jnas.training.cifar import BUILDERS, png

TRAINING = 50_000


def prepare(name: str, source: Path, out: Path) -> None:
    with np.load(source, allow_pickle=False) as arrays:
        images, labels, names = arrays["x"], arrays["y"], [str(word) for word in arrays["names"]]

    class Prepared(BUILDERS[name], skip_registration=True):  # type: ignore[misc, valid-type, call-arg]
        def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
            self.info.features["label"].names = names
            return {"train": self._range(0, TRAINING, "train"), "test": self._range(TRAINING, len(images), "test")}

        def _range(self, start: int, end: int, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
            coarse = {"coarse_label": -1} if "coarse_label" in self.info.features else {}
            for index in range(start, end):
                example = {"image": png(images[index]), "label": int(labels[index]), **coarse}
                yield index, {"id": f"{split}_{index - start:05d}", **example}

    Prepared.__name__ = BUILDERS[name].__name__
    Prepared.name = name
    Prepared(data_dir=out, file_format="array_record").download_and_prepare()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="FOLDER_OF_NPZ")
    parser.add_argument("out", type=Path, metavar="OUT")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    found = [name for name in BUILDERS if (options.source / f"{name}.npz").is_file()]
    if not found:
        print(f"error: {options.source}: has none of {', '.join(f'{name}.npz' for name in BUILDERS)}", file=sys.stderr)
        return 2
    for name in found:
        prepare(name, options.source / f"{name}.npz", options.out)
        print(f"{name}: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
