"""Train one tree: python -m jnas.train --tree resnet20 --dataset cifar10 --recipe nasbench201"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from jnas.library.store import Library, default_cache
from jnas.runs.directory import write_atomically
from jnas.training.liveness import beating, to_be_watched, watch
from jnas.training.processor import restart_with_huge_pages
from jnas.training.recipes import RECIPES, Recipe
from jnas.trees.node import Node, to_json, walk
from translators.diagnostics import UserError

if TYPE_CHECKING:
    from jnas.training.data import Dataset
    from jnas.training.loop import Fit, Progress

SCHEMA = 1  # of the lines of metrics.jsonl
SAVES = 20  # checkpoints of a training, at most one an epoch, where --save-every says nothing


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every seed trained to its end, 1: a loss stopped being a number, 2: bad input, 75: a host was lost."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(arguments)
    try:
        if to_be_watched():
            digest = hashlib.sha256(json.dumps(arguments).encode()).hexdigest()
            folder = (options.out or Path("runs")) / f"hosts-{digest[:16]}"
            return watch([sys.executable, "-m", "jnas.train", *arguments], folder)
        return _train_joined(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _train_joined(options: argparse.Namespace) -> int:
    """As one process of a launch over several hosts, or the only one."""
    from jnas.models.build import BuildError
    from jnas.training.sharding import join_processes

    join_processes()
    with beating():
        try:
            return train(options)
        except BuildError as error:
            raise UserError(str(error)) from None


def train(options: argparse.Namespace) -> int:
    """The seeds in turn, or side by side on accelerators; a command that was killed goes on when it is given again."""
    from jnas.reports.trees import read_tree
    from jnas.training.sharding import is_first_process

    open_data = cache(lambda: _dataset(options))  # once, and only when the tree's name is right
    name, tree, library = read_tree(options.tree, options.library, lambda: (open_data().shape, open_data().classes))
    recipe = _recipe(options.recipe, options.epochs)

    from jnas.models.build import build
    from jnas.training import weights
    from jnas.training.checkpoints import CheckpointSeries
    from jnas.training.loop import enable_compilation_cache, fit_seeds

    enable_compilation_cache(default_cache() / "compiled")
    dataset = open_data()
    out = options.out or Path("runs") / f"train-{name}-{_word(options.dataset)}-{_word(options.recipe)}"
    _make(out)
    fits: dict[int, Fit] = {}
    kept: list[CheckpointSeries] = []
    for seeds in together(options.seeds, dataset):
        models = [build(tree, library, dataset.shape, dataset.classes, seed=seed) for seed in seeds]
        named = ", ".join(map(str, seeds))
        kept.append(CheckpointSeries(out / "checkpoints" / _identity(tree, library, options, recipe, seeds)))
        with _view(f"{name}, seed {named}", shown=is_first_process()) as progress:
            fitted = fit_seeds(
                models,
                dataset,
                recipe,
                seeds=seeds,
                score_on=options.score_on,
                devices=options.devices,
                progress=progress,
                snapshots=kept[-1],
                save_every=options.save_every or max(1, recipe.epochs // SAVES),
            )
        fits |= dict(zip(seeds, fitted, strict=True))
        if is_first_process():
            for seed in seeds:
                weights.save(fits[seed].state, out / "weights" / f"seed-{seed}")
                print(f"{name}, seed {seed}: {_outcome(fits[seed])} on {options.score_on}")
    if is_first_process():
        write_atomically(out / "tree.json", json.dumps(to_json(tree), indent=1) + "\n")
        write_atomically(out / "metrics.jsonl", _metrics(fits, options.score_on))
        write_atomically(out / "curves.svg", _curves(name, fits) + "\n")
        write_atomically(out / "README.md", model_card(name, tree, library, dataset, options, recipe, fits))
        print(f"weights, metrics and model card: {out}")
    for series in kept:
        series.remove()
    return 0 if all(fit.status == "ok" for fit in fits.values()) else 1


def together(seeds: Sequence[int], dataset: Dataset) -> Iterator[list[int]]:
    """Seeds that are trained as one program: all on an accelerator, each alone on CPU and where images are streamed."""
    import jax

    if jax.default_backend() == "cpu" or dataset.train.streamed:
        yield from ([seed] for seed in seeds)
    else:
        yield list(seeds)


def model_card(
    name: str,
    tree: Node,
    library: Library,
    dataset: Dataset,
    options: argparse.Namespace,
    recipe: Recipe,
    fits: Mapping[int, Fit],
) -> str:
    """What was trained, on what, how, how well, and how to load it: Markdown."""
    from jnas.models.costs import inspect

    cost = inspect(tree, library, dataset.shape, dataset.classes)
    scores = [fit.accuracy for fit in fits.values() if fit.accuracy is not None]
    spread = f" ± {100 * stdev(scores):.2f}" if len(scores) > 1 else ""
    mean = f"{100 * fmean(scores):.2f}{spread} %" if scores else "none: every training diverged"
    mined = sorted({node.block for _, node in walk(tree) if node.block in library and library[node.block].mined})
    rows = "\n".join(f"| {seed} | {_outcome(fit)} | {fit.seconds_train:.0f} |" for seed, fit in fits.items())
    settings = ", ".join(f"{key} {value}" for key, value in asdict(recipe).items())
    origins = (
        "\n".join(f"* `{block}`: {_origin(library[block].provenance)}" for block in mined)
        or "None: all blocks are ours."
    )
    return f"""# {name}

Image classifier for {dataset.classes} classes of {dataset.name}, channels, height and width {dataset.shape}.
{cost.parameters:,} parameters, {cost.multiply_adds:,} multiply-adds an image.

Mean accuracy on the {options.score_on} images after the last epoch: {mean}

| seed | accuracy | seconds |
|---|---|---|
{rows}

Recipe `{options.recipe}`: {settings}.

![Accuracy and loss over epochs](curves.svg)

Mined blocks in it:

{origins}

`tree.json` is the architecture; `weights/seed-N` are the parameters as Orbax writes them:

    from jnas.models.build import build
    from jnas.reports.trees import read_tree
    from jnas.training import weights
    from translators.runtime.state import load_state_dict

    _, tree, library = read_tree("tree.json", libraries=[])
    model = build(tree, library, {dataset.shape}, {dataset.classes}).eval()
    load_state_dict(model, weights.load("weights/seed-{next(iter(fits))}"))
"""


def _origin(provenance: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in provenance.items() if isinstance(value, str | int)) or "unknown"


def _identity(tree: Node, library: Library, options: argparse.Namespace, recipe: Recipe, seeds: Sequence[int]) -> str:
    """The name of a training's checkpoints: that of all its inputs, so that no other goes on from them."""
    inputs = {
        "tree": to_json(tree),
        "library": library.fingerprint,
        "data": [options.dataset, str(options.data_dir), options.validation, options.score_on],
        "images": [options.splits, options.size],
        "recipe": asdict(recipe),
    }
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return f"seed-{'-'.join(map(str, seeds))}-{digest[:16]}"


def _dataset(options: argparse.Namespace) -> Dataset:
    from jnas.training.data import open_dataset

    return open_dataset(
        options.dataset,
        options.data_dir,
        validation=options.validation,
        splits=options.splits,
        size=options.size,
        stream=options.stream,
    )


def _outcome(fit: Fit) -> str:
    if fit.accuracy is not None:
        return f"{100 * fit.accuracy:.2f} %"
    why = "is not a number" if fit.status == "nan" else "stays above that of guessing"
    return f"diverged (the loss {why})"


def _curves(name: str, fits: Mapping[int, Fit]) -> str:
    """Accuracy on the scored images where every epoch was scored, else on the training images."""
    from jnas.reports.curves import training_curves

    accuracy, loss = {}, {}
    for seed, fit in fits.items():
        whole = [point for point in fit.curve if math.isfinite(point.train_loss)]
        every = all(point.accuracy is not None for point in whole)
        accuracy[seed] = [
            (p.epoch + 1, p.train_accuracy if not every or p.accuracy is None else p.accuracy) for p in whole
        ]
        loss[seed] = [(p.epoch + 1, p.train_loss) for p in whole]
    return training_curves(name, accuracy, loss)


def _metrics(fits: Mapping[int, Fit], score_on: str) -> str:
    lines = (
        {"schema": SCHEMA, "seed": seed, "scored_on": score_on, **asdict(epoch)}
        for seed, fit in fits.items()
        for epoch in fit.curve
    )
    return "".join(json.dumps(line) + "\n" for line in lines)


def _recipe(name: str, epochs: int | None) -> Recipe:
    from jnas.training.recipe_files import recipe as find_recipe

    if epochs is not None and epochs < 1:
        raise UserError(f"--epochs {epochs}: expected 1 or more")
    return find_recipe(name, epochs)


def _share(text: str) -> float | int:
    return int(text) if text.isdigit() else float(text)


def _word(text: str) -> str:
    """For the name of a folder: of a path its last part, without the ending."""
    return Path(text.rpartition(":")[2]).stem.replace("/", "-")


def _epochs(text: str) -> float:
    epochs = float(text)
    if not 0 < epochs < float("inf") or (epochs > 1 and epochs % 1):
        raise argparse.ArgumentTypeError(f"{text}: expected a share of an epoch or a whole number of them")
    return epochs


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: cannot be made ({error.strerror}); give another folder") from None


@contextmanager
def _view(title: str, shown: bool) -> Iterator[Progress]:
    """A bar over all steps with the loss and the time left."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TextColumn("loss {task.fields[loss]:.3f}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), transient=True, disable=not shown) as bars:
        task = bars.add_task(title, total=None, loss=float("nan"))

        def update(epoch: int, step: int, steps: int, loss: float) -> None:
            bars.update(task, completed=step, total=steps, loss=loss)

        yield update


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jnas.train",
        description="Train one tree.",
        epilog="example: python -m jnas.train --tree resnet20 --dataset cifar10 --recipe nasbench201",
    )
    parser.add_argument("--tree", required=True, metavar="TREE", help="a start tree, SOURCE:MODEL, a file or a run")
    parser.add_argument(
        "--dataset",
        default="fashion_mnist_small",
        metavar="NAME",
        help="embedded, of tfds, imagenet16_120 or folder:PATH",
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where prepared tfds sets lie")
    parser.add_argument("--recipe", default="fast", metavar="NAME", help=f"{', '.join(RECIPES)} or a .toml file")
    parser.add_argument("--epochs", type=int, metavar="N", help="instead of the recipe's")
    parser.add_argument("--seeds", type=int, nargs="+", default=[777], metavar="SEED")
    parser.add_argument(
        "--score-on",
        choices=("test", "validation"),
        default="test",
        help="test: train on all training images; validation: hold some out and score those",
    )
    parser.add_argument(
        "--validation", type=_share, default=0.1, metavar="SHARE", help="of the training images held out, or a number"
    )
    parser.add_argument("--splits", metavar="FILE", help="official splits of NAS-Bench-201, instead of --validation")
    parser.add_argument("--size", type=int, metavar="PIXELS", help="bring all images to this size")
    parser.add_argument("--stream", action="store_true", help="keep the images on disk: sets larger than the device")
    parser.add_argument("--devices", type=int, metavar="N", help="how many to train on (default: all)")
    parser.add_argument(
        "--library", type=Path, action="append", default=[], metavar="DIR", help="of mined blocks; repeatable"
    )
    parser.add_argument(
        "--save-every", type=_epochs, metavar="EPOCHS", help="or a share of one: how often a checkpoint is written"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: runs/train-TREE-DATASET-RECIPE")
    return parser


if __name__ == "__main__":
    restart_with_huge_pages()
    sys.exit(main())
