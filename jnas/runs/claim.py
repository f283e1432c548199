"""Whether a run directory holds the run that is asked for: one configuration and one library for all its candidates."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import jnas
from jnas.library.store import Library
from jnas.runs.configuration import Configuration, difference, from_plain, to_plain, to_toml
from jnas.runs.database import RunDatabase
from jnas.runs.directory import RunDirectory, write_atomically
from jnas.training.recipe_files import recipe
from translators.diagnostics import UserError

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


def claim(directory: RunDirectory, database: RunDatabase, configuration: Configuration) -> None:
    """Raises UserError naming the field in which the run of this directory differs from `configuration`.

    A run without candidates (its first start met bad input, say) may still become any other.
    """
    asked = _recipes(configuration)
    if not database.count():
        with database.transaction():
            database.set_fact("configuration", to_plain(configuration))
            database.set_fact("recipes", asked)
            database.set_fact("versions", versions())
    elif found := difference(from_plain(database.fact("configuration"), str(directory.database)), configuration):
        key, old, new = found
        raise UserError(
            f"{directory.root}: holds a run with {key} = {old!r}, asked for {new!r}; "
            f"give another --run-dir or --set {key}={old}"
        )
    for name, recorded in (database.fact("recipes") or {}).items():
        for key, old in recorded.items():
            if asked[name].get(key) != old:
                raise UserError(
                    f"{directory.root}: holds a run whose recipe {name} had {key} = {old!r}, "
                    f"it has {asked[name].get(key)!r} now; give another --run-dir, or the recipe its value back"
                )
    write_atomically(directory.configuration, to_toml(configuration))


def claim_library(directory: RunDirectory, database: RunDatabase, library: Library, folders: Sequence[Path]) -> None:
    """The same for the blocks: another version of a source offers other edits, and the run could not be repeated."""
    if not database.count():
        with database.transaction():
            database.set_fact("library", library.fingerprint)
            database.set_fact("libraries", [str(folder) for folder in folders])
    elif (recorded := database.fact("library")) != library.fingerprint:
        raise UserError(
            f"{directory.root}: holds a run over library {recorded[:16]}, asked for {library.fingerprint[:16]}; "
            "the sources or their translation have changed: give another --run-dir"
        )


def _recipes(configuration: Configuration) -> Mapping[str, Mapping[str, Any]]:
    """What the recipes of a run say: a file keeps its name when somebody changes it."""
    return {name: asdict(recipe(name)) for name in (configuration.evaluation.recipe, configuration.final.recipe)}


def versions() -> dict[str, str]:
    """What made the run."""
    found = {"jnas": jnas.__version__, "python": platform.python_version(), "machine": platform.platform()}
    return found | {package: metadata.version(package) for package in PACKAGES}
