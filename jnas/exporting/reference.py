"""The child process that runs the network as jnas builds it: its weights, and its logits of images drawn at random.

`python -m jnas.exporting.reference` reads one JSON request and writes one JSON answer and files.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jnas.exporting import safetensors
from jnas.library.store import open_library
from jnas.models.build import build
from jnas.models.evaluation import evaluating_here
from jnas.training import weights
from jnas.trees.node import from_json
from translators.runtime.state import load_state_dict, state_dict

IMAGES = 2  # that the outputs are compared on


def write(request: Mapping[str, Any]) -> int:
    """Writes weights.safetensors, images.npy and logits.npy into the folder; how many parameters there are."""
    library = evaluating_here(open_library([Path(folder) for folder in request["libraries"]]))
    tree, shape = from_json(request["tree"], library), tuple(request["shape"])
    model = build(tree, library, shape, request["classes"], seed=request["seed"]).eval()
    if request["weights"] is not None:
        load_state_dict(model, weights.load(Path(request["weights"])))
    folder = Path(request["folder"])
    safetensors.write(state_dict(model), folder / "weights.safetensors")
    images = np.random.default_rng(0).standard_normal((IMAGES, *shape)).astype(np.float32)
    np.save(folder / "images.npy", images)
    np.save(folder / "logits.npy", np.asarray(model(images)))
    return sum(int(np.prod(parameter.shape)) for parameter in model.parameters())


def main() -> None:
    """Every way to fail is an answer. What translated code prints goes to the log."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        answer: dict[str, Any] = {"parameters": write(json.load(sys.stdin))}
    except Exception as error:  # whatever translated code raises
        lines = str(error).strip().splitlines() or [""]
        answer = {
            "error": lines[0]
            if type(error).__name__ in ("UserError", "BuildError")
            else f"{type(error).__name__}: {lines[0][:300]}"
        }
    print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
