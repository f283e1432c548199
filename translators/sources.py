"""Files, folders and installed packages as sources: found and read, never imported."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import io
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from translators.diagnostics import UserError

_SKIPPED_FOLDERS = {"__pycache__", "node_modules", "site-packages", "build", "dist"}
_LICENCE_NAMES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "COPYING", "COPYING.txt")
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


@dataclass(frozen=True)
class SourceFile:
    """One Python file: `path` is relative to the folder that holds the package, `module` its dotted name."""

    path: str
    module: str
    text: str
    sha256: str

    @property
    def is_package(self) -> bool:
        return PurePosixPath(self.path).name == "__init__.py"


@dataclass(frozen=True)
class Source:
    """A package, folder or file of Python source. `skipped` holds (path, reason) of what could not be read."""

    name: str
    root: Path
    version: str
    licence: str
    files: tuple[SourceFile, ...]
    skipped: tuple[tuple[str, str], ...] = ()


def open_source(spec: str) -> Source:
    """Read a file, a folder or an installed top-level package. Raises UserError when there is nothing to read."""
    path = Path(spec).expanduser()
    if path.is_file():
        return _open_file(path)
    if path.is_dir():
        return _open_folder(path.resolve(), path.resolve().name, "", _licence_of_folder(path.resolve()))
    if not re.fullmatch(r"[A-Za-z_]\w*", spec):
        raise UserError(
            f"{spec}: no such file or folder; give a .py file, a folder or the name of an installed package"
        )
    # Only a top-level name: looking for a submodule would import its parents.
    found = importlib.util.find_spec(spec)
    if found is None:
        raise UserError(f"{spec}: neither a file, a folder nor an installed package; try: pip install --no-deps {spec}")
    version, licence = _distribution_of(spec)
    if found.submodule_search_locations:
        root = Path(next(iter(found.submodule_search_locations)))
        return _open_folder(root, spec, version, licence or _licence_of_folder(root))
    if found.origin is None or not found.origin.endswith(".py"):
        raise UserError(f"{spec}: found, but it has no Python source; give a package or folder that holds .py files")
    return _open_file(Path(found.origin))


def _open_file(path: Path) -> Source:
    if path.suffix != ".py":
        raise UserError(f"{path}: not Python source; expected a file that ends in .py")
    file = _read(path, path.name)
    if isinstance(file, str):
        raise UserError(f"{path}: {file}; expected readable Python source")
    return Source(path.stem, path.resolve().parent, "", _licence_of_folder(path.resolve().parent), (file,))


def _open_folder(root: Path, name: str, version: str, licence: str) -> Source:
    # A folder that is a package itself is named like one; a plain folder holds packages and is the import root.
    prefix = f"{name}/" if (root / "__init__.py").is_file() or version else ""
    files, skipped = [], []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        if any(part in _SKIPPED_FOLDERS or part.startswith(".") for part in parts[:-1]):
            continue
        relative = prefix + "/".join(parts)
        file = _read(path, relative)
        if isinstance(file, str):
            skipped.append((relative, file))
        else:
            files.append(file)
    if not files and not skipped:
        raise UserError(f"{root}: no Python files found; give a folder that contains .py files")
    return Source(name, root, version, licence, tuple(files), tuple(skipped))


def _read(path: Path, relative: str) -> SourceFile | str:
    """The file, or the reason why it cannot be used."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return f"unreadable ({error.strerror})"
    if b"\0" in data:
        return "contains NUL bytes"
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        return f"not decodable ({error})"
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    module = relative.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return SourceFile(relative, module, text, hashlib.sha256(data).hexdigest())


def _distribution_of(package: str) -> tuple[str, str]:
    """Version and licence from the metadata of the distribution that installed `package`; empty when unknown."""
    names = importlib.metadata.packages_distributions().get(package, [package])
    try:
        metadata = importlib.metadata.metadata(names[0])
    except importlib.metadata.PackageNotFoundError:
        return "", ""
    licence = _field(metadata, "License-Expression") or _field(metadata, "License")
    if not licence or len(licence) > 60:
        classified = [
            c.rsplit(" :: ", 1)[1] for c in metadata.get_all("Classifier") or [] if c.startswith("License ::")
        ]
        licence = classified[0] if classified else ""
    return _field(metadata, "Version"), licence


def _field(metadata: importlib.metadata.PackageMetadata, name: str) -> str:
    return (metadata.get_all(name) or [""])[0]


def _licence_of_folder(folder: Path) -> str:
    """SPDX name of the licence file in `folder` or one of its two parents, recognised by its wording; else empty."""
    for place in (folder, *list(folder.parents)[:2]):
        for name in _LICENCE_NAMES:
            try:
                head = (place / name).read_text(errors="replace")[:4000]
            except OSError:
                continue
            return next((spdx for spdx, mark in _LICENCE_MARKS if mark.search(head)), "see " + name)
    return ""
