"""Where a source comes from: its version or commit and its licence, read from the files that say so."""

from __future__ import annotations

import email.parser
import functools
import importlib.metadata
import os
import re
import sys
from collections.abc import Mapping
from email.message import Message
from pathlib import Path

LICENCE_NAMES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "COPYING", "COPYING.txt")
_LICENCE_MARKS = (
    ("Apache-2.0", re.compile(r"Apache License\s+Version 2\.0")),
    ("MIT", re.compile(r"Permission is hereby granted, free of charge")),
    ("BSD-3-Clause", re.compile(r"Neither the name .* nor the names", re.DOTALL)),
    ("BSD-2-Clause", re.compile(r"Redistribution and use in source and binary forms")),
    ("AGPL-3.0", re.compile(r"GNU AFFERO GENERAL PUBLIC LICENSE")),
    ("LGPL-3.0", re.compile(r"GNU LESSER GENERAL PUBLIC LICENSE")),
    ("GPL-3.0", re.compile(r"GNU GENERAL PUBLIC LICENSE\s+Version 3")),
    ("CC-BY-NC-4.0", re.compile(r"Attribution-NonCommercial 4\.0")),
)


def of_distribution(package: str) -> tuple[str, str]:
    """Version and licence from the metadata of the distribution that installed `package`; empty when unknown."""
    names = _distributions(tuple(_changed(place) for place in sys.path)).get(package, [package])
    try:
        metadata = importlib.metadata.metadata(names[0])
    except importlib.metadata.PackageNotFoundError:
        return "", ""
    return _stated(metadata)[1:]


@functools.cache
def _distributions(places: tuple[tuple[str, int], ...]) -> Mapping[str, list[str]]:
    """Distributions by the packages that they install, as long as nothing changes in the `places` that are searched."""
    return importlib.metadata.packages_distributions()


def _changed(place: str) -> tuple[str, int]:
    """A place and when something was last added to it or removed."""
    try:
        return place, os.stat(place).st_mtime_ns
    except OSError:
        return place, 0


def of_metadata(text: str) -> tuple[str, str, str]:
    """Name, version and licence that a METADATA or PKG-INFO file states."""
    return _stated(email.parser.HeaderParser().parsestr(text))


def licence_named(name: str, text: str) -> str:
    """SPDX name of a licence by its wording; "see FILE" when it is none of the usual ones."""
    return next((spdx for spdx, mark in _LICENCE_MARKS if mark.search(text[:4000])), "see " + name)


def licence_of_folder(folder: Path) -> str:
    """Licence of a file in `folder` or one of its two parents; else empty."""
    for place in (folder, *list(folder.parents)[:2]):
        for name in LICENCE_NAMES:
            try:
                return licence_named(name, (place / name).read_text(errors="replace"))
            except OSError:
                continue
    return ""


def commit_of_folder(folder: Path) -> str:
    """The commit that is checked out around `folder` ("commit 0123456789ab"); empty when there is none."""
    for place in (folder, *folder.parents):
        git = place / ".git"
        try:
            if git.is_file():  # of a work tree: names the folder that holds HEAD
                git = place / git.read_text().partition("gitdir:")[2].strip()
            head = (git / "HEAD").read_text().strip()
            reference = head.partition("ref: ")[2]
            found = _commit(git, reference) if reference else head
        except (OSError, ValueError):
            continue
        return f"commit {found[:12]}" if re.fullmatch(r"[0-9a-f]{40,64}", found) else ""
    return ""


def _commit(git: Path, reference: str) -> str:
    """What a branch points to; its file lies in the common folder when `git` is that of a work tree."""
    common = git / "commondir"
    root = git / common.read_text().strip() if common.is_file() else git
    if (root / reference).is_file():
        return (root / reference).read_text().strip()
    packed = (root / "packed-refs").read_text().splitlines()
    return next((line.split()[0] for line in packed if line.endswith(" " + reference)), "")


def _stated(metadata: importlib.metadata.PackageMetadata | Message) -> tuple[str, str, str]:
    licence = _field(metadata, "License-Expression") or _field(metadata, "License")
    if not licence or len(licence) > 60 or "\n" in licence:
        classified = [
            c.rsplit(" :: ", 1)[1] for c in metadata.get_all("Classifier") or [] if c.startswith("License ::")
        ]
        licence = classified[0] if classified else ""
    return _field(metadata, "Name"), _field(metadata, "Version"), licence


def _field(metadata: importlib.metadata.PackageMetadata | Message, name: str) -> str:
    return str((metadata.get_all(name) or [""])[0])
