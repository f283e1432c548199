"""Files, folders, archives, notebooks and installed packages as sources: found and read, never imported or unpacked."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import keyword
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from translators import origins
from translators.archives import ARCHIVES, Member, is_archive, members, read_file
from translators.diagnostics import UserError
from translators.neighbours import import_root, neighbours
from translators.notebooks import read_notebook

# Any other codec of Python (rot13, zlib, unicode_escape) hides text from a reader.
_ENCODINGS = re.compile(
    r"utf-?8(-sig)?|ascii|us-ascii|latin.*|iso.*|cp\d+|windows-\d+|gb.*|big5.*|euc.*|shift.*|koi8.*"
)
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.MULTILINE)
_SUFFIXES = (".py", ".ipynb")
_METADATA = ("METADATA", "PKG-INFO")
_LICENCES = origins.LICENCE_NAMES


@dataclass(frozen=True)
class SourceFile:
    """One Python file or notebook: `path` is relative to the folder that holds the package, `module` its dotted name.

    `cells` holds the line at which each code cell of a notebook begins.
    """

    path: str
    module: str
    text: str
    sha256: str
    cells: tuple[int, ...] = ()

    @property
    def is_package(self) -> bool:
        return PurePosixPath(self.path).name == "__init__.py"

    @property
    def emitted_path(self) -> str:
        """Where its translation stands: like `path`, with names that an import can spell."""
        return self.module.replace(".", "/") + ("/__init__.py" if self.is_package else ".py")

    def position(self, line: int) -> tuple[str, int]:
        """What a person calls a line: (path, line), in a notebook (path with the cell, line of the cell)."""
        if not self.cells:
            return self.path, line
        cell = max(1, bisect_right(self.cells, line))
        return f"{self.path}[cell {cell}]", line - self.cells[cell - 1] + 1


@dataclass(frozen=True)
class Source:
    """Python source under the name that the user gave (`spec`). `skipped` holds (path, reason) of what is not used.

    `files` are mined; `context` are files around them that only say what their imports mean.
    """

    name: str
    spec: str
    version: str
    licence: str
    files: tuple[SourceFile, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    context: tuple[SourceFile, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Hash of name, version and files."""
        digest = hashlib.sha256(f"{self.name}\0{self.version}".encode())
        for file in self.files:
            digest.update(f"\0{file.path}\0{file.sha256}".encode())
        return digest.hexdigest()


def split_class(spec: str) -> tuple[str, str | None]:
    """SOURCE[:CLASS] as (SOURCE, CLASS or None); a colon in the name of an existing path belongs to it."""
    source, colon, name = spec.rpartition(":")
    return (source, name) if colon and not Path(spec).expanduser().exists() else (spec, None)


def open_source(spec: str) -> Source:
    """Read a file, notebook, folder, archive or installed top-level package. Raises UserError when there is nothing."""
    path = Path(spec).expanduser()
    if path.is_dir():
        return _open_folder(path.resolve(), spec)
    if path.exists():
        return _open_archive(path, spec) if is_archive(path) else _open_file(path, spec)
    if not re.fullmatch(r"[A-Za-z_]\w*", spec):
        raise UserError(
            f"{spec}: no such file or folder; give a .py file, a notebook, a folder, an archive or an installed package"
        )
    # Only a top-level name: looking for a submodule would import its parents.
    found = importlib.util.find_spec(spec)
    if found is None:
        raise UserError(f"{spec}: neither a file, a folder nor an installed package; try: pip install --no-deps {spec}")
    version, licence = origins.of_distribution(spec)
    if found.submodule_search_locations:
        root = Path(next(iter(found.submodule_search_locations)))
        read = _read_all(members(root, _is_python), f"{spec}/")
        return _source(spec, spec, version, licence or origins.licence_of_folder(root), read)
    if found.origin is None or not found.origin.endswith(".py"):
        raise UserError(f"{spec}: found, but it has no Python source; give a package or folder that holds .py files")
    read = _read_all([Member(Path(found.origin).name, read_file(Path(found.origin)))])
    return _source(spec, spec, version, licence, read)


def _open_file(path: Path, spec: str) -> Source:
    if path.suffix not in _SUFFIXES:
        raise UserError(f"{spec}: not Python source; expected .py, .ipynb, a folder or {', '.join(ARCHIVES)}")
    path = path.resolve()
    root, around = neighbours([path], import_root(path))
    read = _read_all([_member(path, root)])
    if not read.files:
        raise UserError(f"{spec}: {read.skipped[0][1]}; expected readable Python source")
    licence = origins.licence_of_folder(path.parent) or origins.licence_of_folder(root)
    name = read.files[0].module.split(".")[0] if (path.parent / "__init__.py").is_file() else path.stem
    return _source(name, spec, origins.commit_of_folder(path.parent), licence, read, root, around)


def _open_folder(folder: Path, spec: str) -> Source:
    found = members(folder, _is_python)
    # A folder that is a package itself is named like one; a plain folder holds packages and is the import root.
    root = import_root(folder / "__init__.py") if (folder / "__init__.py").is_file() else folder
    listed = [folder / member.path for member in found]
    around: tuple[Path, ...] = ()
    if root not in (folder, folder.parent) or _is_inside_repository(folder):
        root, around = neighbours(listed, root)
    prefix = "" if root == folder else folder.relative_to(root).as_posix() + "/"
    licence = origins.licence_of_folder(folder) or origins.licence_of_folder(root)
    read = _read_all(found, prefix)
    return _source(folder.name, spec, origins.commit_of_folder(folder), licence, read, root, around)


def _is_inside_repository(folder: Path) -> bool:
    """Whether the folder is part of something larger, whose other parts its imports may mean."""
    return not (folder / ".git").exists() and any((parent / ".git").exists() for parent in folder.parents)


def _open_archive(path: Path, spec: str) -> Source:
    found = members(path, lambda name: _is_python(name) or PurePosixPath(name).name in (*_METADATA, *_LICENCES))
    top = _wrapping_folder(found)
    found = [Member(member.path.removeprefix(top), member.content) for member in found]
    texts = {
        member.path: member.content.decode(errors="replace")
        for member in sorted(found, key=lambda member: (member.path.count("/"), member.path))
        if isinstance(member.content, bytes) and not _is_python(member.path)
    }
    stated = (origins.of_metadata(texts[place]) for place in texts if PurePosixPath(place).name in _METADATA)
    suffix = next(suffix for suffix in ARCHIVES if path.name.lower().endswith(suffix))
    name, version, licence = next(stated, ("", "", ""))
    worded = (origins.licence_named(p.name, texts[str(p)]) for p in map(PurePosixPath, texts) if p.name in _LICENCES)
    code = _read_all(member for member in found if _is_python(member.path))
    return _source(name or path.name[: -len(suffix)], spec, version, licence or next(worded, ""), code)


def _wrapping_folder(found: Sequence[Member]) -> str:
    """The folder, named after project and version, that a source archive puts all into: it is no part of an import."""
    tops = {member.path.split("/")[0] for member in found if "/" in member.path}
    if len(tops) != 1 or any("/" not in member.path for member in found):
        return ""
    top = tops.pop() + "/"
    return "" if any(member.path == f"{top}__init__.py" for member in found) else top


@dataclass(frozen=True)
class _Read:
    files: tuple[SourceFile, ...]
    skipped: tuple[tuple[str, str], ...]


def _source(
    name: str, spec: str, version: str, licence: str, read: _Read, root: Path = Path(), around: Iterable[Path] = ()
) -> Source:
    if not read.files and not read.skipped:
        raise UserError(f"{spec}: no Python files found; give a folder or archive that contains .py files")
    context = _read_all([_member(path, root) for path in around]).files
    return Source(name, spec, version, licence, read.files, read.skipped, context)


def _is_python(path: str) -> bool:
    return path.endswith(_SUFFIXES)


def _member(path: Path, root: Path) -> Member:
    return Member(path.relative_to(root).as_posix(), read_file(path))


def _read_all(found: Iterable[Member], prefix: str = "") -> _Read:
    """Files by path; of two that an import cannot tell apart the one that Python would take."""
    files: dict[str, SourceFile] = {}
    skipped: list[tuple[str, str]] = []
    for member in sorted(found, key=lambda member: (not member.path.endswith("/__init__.py"), member.path)):
        path = prefix + member.path
        file = member.content if isinstance(member.content, str) else _decoded(path, member.content, skipped)
        if isinstance(file, str):
            skipped.append((path, file))
        elif file.module in files:
            skipped.append((path, f"hidden by {files[file.module].path}"))
        else:
            files[file.module] = file
    return _Read(tuple(sorted(files.values(), key=lambda file: file.path)), tuple(sorted(skipped)))


def _decoded(path: str, data: bytes, skipped: list[tuple[str, str]]) -> SourceFile | str:
    """The file, or the reason why it cannot be used."""
    if b"\0" in data:
        return "contains NUL bytes"
    try:
        # The name is checked before anything looks it up: a codec is a module.
        stated = _CODING.search(b"\n".join(data.split(b"\n", 2)[:2]))
        if stated and not _ENCODINGS.fullmatch(stated[1].decode().lower().replace("_", "-")):
            return f"unusual encoding {stated[1].decode()}"
        encoding = "utf-8" if path.endswith(".ipynb") else tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        return f"not decodable ({error})"
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    cells: tuple[int, ...] = ()
    if path.endswith(".ipynb"):
        notebook = read_notebook(text)
        if isinstance(notebook, str):
            return notebook
        text, cells = notebook.text, notebook.starts
        skipped += [(f"{path}[cell {cell}]", reason) for cell, reason in notebook.skipped]
    return SourceFile(path, _module_name(path), text, hashlib.sha256(data).hexdigest(), cells)


def _module_name(path: str) -> str:
    parts = path.removesuffix(".py").removesuffix(".ipynb").removesuffix("/__init__").split("/")
    return ".".join(identifier(part) for part in parts)


def identifier(name: str) -> str:
    """The name of a file, folder or project as an import can spell it."""
    spelled = re.sub(r"\W", "_", name, flags=re.ASCII) or "_"
    return f"_{spelled}" if spelled[0].isdigit() or keyword.iskeyword(spelled) else spelled
