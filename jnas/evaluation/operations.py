"""What a worker can be asked to do. Results depend on the arguments alone, never on what the worker did before."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from jnas.evaluation.inspection import inspection
from jnas.evaluation.outcomes import Result
from jnas.library.store import Library, default_cache, open_library
from jnas.models.build import build
from jnas.models.evaluation import evaluating_here
from jnas.training.data import open_dataset
from jnas.training.fidelity import rung_file
from jnas.training.first_step import first_step
from jnas.training.loop import enable_compilation_cache, fit
from jnas.training.proxies import BATCH, naswot
from jnas.training.recipes import Recipe
from jnas.training.weights import save
from jnas.trees.node import Node, from_json

Progress = Callable[..., None]


def inspect(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """What `inspection` says, by abstract execution of every block. Raises BuildError."""
    library, tree = _tree(arguments)
    shape, batch = tuple(arguments["shape"]), Recipe(**arguments["recipe"]).batch_size
    return inspection(tree, library, shape, arguments["classes"], batch, execute=True)


def step(arguments: Mapping[str, Any], progress: Progress) -> dict[str, bool]:
    """Whether loss and gradients of a tree's first training step, on a "batch" of noise, are numbers."""
    enable_compilation_cache(default_cache() / "compiled")
    library, tree = _tree(arguments)
    shape, classes = tuple(arguments["shape"]), arguments["classes"]
    model = build(tree, library, shape, classes)
    loss, gradients = first_step(model, shape, classes, arguments["batch"], seed=0)
    return {"loss": loss, "gradients": gradients}


def train(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """A Result: trained by the recipe, scored on "validation" or "test". With "weights" the end state is kept there.

    With "rung" the training goes to its "epochs" and waits there, from where that "of" the same arguments goes on.
    """
    enable_compilation_cache(default_cache() / "compiled")
    library, tree = _tree(arguments)
    dataset, recipe = _dataset(**arguments["dataset"]), Recipe(**arguments["recipe"])
    model = build(tree, library, dataset.shape, dataset.classes, seed=arguments["seed"])
    fitted = fit(
        model,
        dataset,
        recipe,
        seed=arguments["seed"],
        score_on=arguments["score_on"],
        snapshots=rung_file(arguments["rung"]["of"]) if "rung" in arguments else None,
        save_every=recipe.epochs,
        epochs=arguments["rung"]["epochs"] if "rung" in arguments else None,
        progress=lambda epoch, step, steps, loss: progress(
            epoch=step / steps * recipe.epochs, epochs=recipe.epochs, loss=float(loss)
        ),
    )
    if arguments.get("weights") and fitted.status == "ok":
        save(fitted.state, Path(arguments["weights"]))
    result = Result(
        fitted.status,
        fitted.accuracy,
        fitted.loss,
        tuple({name: value for name, value in vars(epoch).items() if name != "seconds"} for epoch in fitted.curve),
        fitted.seconds_compile,
        fitted.seconds_train,
        latency=fitted.latency,
    )
    del model, fitted
    gc.collect()  # compiled programs and buffers of this candidate, before the next one needs the memory
    return result.to_plain()


def proxy(arguments: Mapping[str, Any], progress: Progress) -> float:
    """What the proxy of that name says about an untrained tree; naswot looks at the first training images."""
    library, tree = _tree(arguments)
    dataset = _dataset(**arguments["dataset"])
    if arguments["proxy"] != "naswot":
        batch = Recipe(**arguments["recipe"]).batch_size
        return float(inspection(tree, library, dataset.shape, dataset.classes, batch, execute=True)[arguments["proxy"]])
    enable_compilation_cache(default_cache() / "compiled")
    model = build(tree, library, dataset.shape, dataset.classes, seed=arguments["seed"])
    first = dataset.train.pixels(np.arange(min(BATCH, len(dataset.train))))
    images = (first - np.array(dataset.mean, np.float32)) / np.array(dataset.std, np.float32)
    return naswot(model, images.transpose(0, 3, 1, 2).astype(np.float32))


def compile_ahead(arguments: Mapping[str, Any], progress: Progress) -> float:
    """Seconds of compiling what `train` with the same arguments will find in the cache."""
    enable_compilation_cache(default_cache() / "compiled")
    library, tree = _tree(arguments)
    dataset, recipe = _dataset(**arguments["dataset"]), Recipe(**arguments["recipe"])
    model = build(tree, library, dataset.shape, dataset.classes, seed=arguments["seed"])
    fitted = fit(model, dataset, recipe, seed=arguments["seed"], score_on=arguments["score_on"], epochs=0)
    return fitted.seconds_compile


OPERATIONS = {"inspect": inspect, "step": step, "train": train, "compile": compile_ahead, "proxy": proxy}


def _tree(arguments: Mapping[str, Any]) -> tuple[Library, Node]:
    library = _library(tuple(arguments["libraries"]))
    return library, from_json(arguments["tree"], library)


@cache
def _library(folders: tuple[str, ...]) -> Library:
    return evaluating_here(open_library([Path(folder) for folder in folders]))


_dataset = cache(open_dataset)
