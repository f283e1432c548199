"""Recipes by name or out of a TOML file, checked key by key."""

from __future__ import annotations

import math
import tomllib
from dataclasses import MISSING, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jnas.training.recipes import FLIPS, OPTIMISERS, RECIPES, Recipe
from translators.diagnostics import UserError

BASE = "base"  # the key that names the recipe from which a file departs
KINDS = {"int": int, "float": float, "bool": bool, "str": str}
CHOICES = {"optimiser": OPTIMISERS, "flip": FLIPS}
BOUNDS = {  # inclusive
    "epochs": (1, 100_000),
    "batch_size": (1, 2**20),
    "learning_rate": (0, math.inf),
    "momentum": (0, 1),
    "weight_decay": (0, math.inf),
    "warmup": (0, 1),
    "label_smoothing": (0, 1),
    "clip_norm": (0, math.inf),
    "crop_padding": (0, 1024),
    "cutout": (0, 1024),
    "mixup": (0, math.inf),
    "average": (0, 1),
}


def recipe(name: str, epochs: int | None = None, origin: str = "--recipe ") -> Recipe:
    """A recipe by its name or that of a .toml file, perhaps for other `epochs`. Raises UserError, `origin` in front."""
    if name.endswith(".toml"):
        found = read_recipe(Path(name), origin)
    elif name in RECIPES:
        found = RECIPES[name]
    else:
        near = get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected a .toml file or one of {', '.join(RECIPES)}"
        raise UserError(f"{origin}{name}: no such recipe; {hint}")
    return found if epochs is None else replace(found, epochs=epochs)


def read_recipe(path: Path, origin: str = "") -> Recipe:
    """The keys are the fields of Recipe; what a file leaves out is as in its `base`. Raises UserError."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{origin}{path}: cannot be read ({reason}); give an existing file") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{origin}{path}: not TOML: {error}") from None
    base = values.pop(BASE, None)
    if base is not None and base not in RECIPES:
        raise UserError(f"{path}: {BASE} = {base!r}: expected one of {', '.join(RECIPES)}")
    kinds = {field.name: KINDS[str(field.type)] for field in fields(Recipe)}
    for key, value in values.items():
        if key not in kinds:
            near = get_close_matches(key, kinds, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {BASE}, {', '.join(kinds)}"
            raise UserError(f"{path}: unknown key {key}{hint}")
        _check(path, key, value, kinds[key])
    if base is not None:
        return replace(RECIPES[base], **values)
    missing = [field.name for field in fields(Recipe) if field.default is MISSING and field.name not in values]
    if missing:
        raise UserError(f"{path}: no {', '.join(missing)}; add them, or {BASE} = one of {', '.join(RECIPES)}")
    return Recipe(**values)


def _check(path: Path, key: str, value: Any, kind: type) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number if kind is float else isinstance(value, int) and number if kind is int else type(value) is kind):
        word = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[kind]
        raise UserError(f"{path}: {key} = {value!r}: expected {word}")
    if key in CHOICES and value not in CHOICES[key]:
        raise UserError(f"{path}: {key} = {value!r}: expected one of {', '.join(CHOICES[key])}")
    if key in BOUNDS and not BOUNDS[key][0] <= value <= BOUNDS[key][1]:
        low, high = BOUNDS[key]
        raise UserError(f"{path}: {key} = {value!r}: expected a number from {low:g} to {high:g}")
