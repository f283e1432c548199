"""Members of folders, zip and tar archives: read one by one into memory, never unpacked, within limits."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from translators.diagnostics import UserError

LARGEST_FILE = 2 << 20
_LARGEST_NOTEBOOK = 32 << 20  # most of it pictures
LARGEST_TOTAL = 512 << 20  # of what is unpacked, wanted or not
MOST_MEMBERS = 100_000
_LONGEST_PATH = 400
_SKIPPED_FOLDERS = {"__pycache__", "node_modules", "site-packages", "build", "dist"}
_COMPRESSIONS: dict[str, Callable[[Path, str], Any]] = {
    ".tar": open,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tar.xz": lzma.open,
}
ARCHIVES = (".whl", ".zip", ".egg", *_COMPRESSIONS)


@dataclass(frozen=True)
class Member:
    """A file of a folder or archive: its path there with `/`, and its bytes or the reason why it cannot be read."""

    path: str
    content: bytes | str


def is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVES)


def members(root: Path, wanted: Callable[[str], bool]) -> list[Member]:
    """The files of a folder or archive whose path is `wanted`, by path. Raises UserError when it cannot be listed."""
    read = _folder if root.is_dir() else _zip if root.name.lower().endswith((".whl", ".zip", ".egg")) else _tar
    try:
        found = list(read(root, lambda path: _is_shown(path) and wanted(path)))
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, ValueError) as error:
        raise UserError(f"{root}: cannot be read ({_reason(error)}); give a folder or a whole .zip or .tar") from error
    return sorted(found, key=lambda member: member.path)


def read_file(path: Path) -> bytes | str:
    """The bytes of a regular file, or why there are none."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "not a regular file"
        with open(path, "rb") as file:
            return _limited(file, path.name)
    except OSError as error:
        return f"unreadable ({error.strerror})"


def _is_shown(path: str) -> bool:
    folders = path.split("/")[:-1]
    return not any(part in _SKIPPED_FOLDERS or (part.startswith(".") and part != "..") for part in folders)


def _folder(root: Path, wanted: Callable[[str], bool]) -> Iterator[Member]:
    real, count, total = os.path.realpath(root), 0, 0
    for folder, below, files in os.walk(root):
        relative = Path(folder).relative_to(root).as_posix()
        prefix = "" if relative == "." else relative + "/"
        below[:] = sorted(name for name in below if _is_shown(f"{name}/"))
        for name in sorted(files):
            if not wanted(prefix + name):
                continue
            path = Path(folder, name)
            leaves = path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(real)
            refused = "a link that leaves the folder" if leaves else _unsafe(prefix + name, False)
            member = Member(prefix + name, read_file(path)) if refused is None else _refused(prefix + name, refused)
            count, total = count + 1, total + len(member.content)
            if count > MOST_MEMBERS or total > LARGEST_TOTAL:
                raise UserError(
                    f"{root}: more than {MOST_MEMBERS} files or {LARGEST_TOTAL >> 20} MB of source; give a sub-folder"
                )
            yield member


def _zip(path: Path, wanted: Callable[[str], bool]) -> Iterator[Member]:
    total, seen = 0, set()
    with zipfile.ZipFile(path) as archive:
        listed = archive.infolist()
        if len(listed) > MOST_MEMBERS:
            raise UserError(
                f"{path}: {len(listed)} members, at most {MOST_MEMBERS} are read; unpack it and give a folder"
            )
        for info in listed:
            name, is_link = info.filename, stat.S_ISLNK(info.external_attr >> 16)
            if info.is_dir() or not wanted(name) or name in seen:
                continue
            seen.add(name)
            refused = _unsafe(name, is_link)
            if refused is None and info.flag_bits & 1:
                refused = "encrypted"
            if refused is not None:
                yield _refused(name, refused)
                continue
            try:
                with archive.open(info) as file:
                    content = _limited(file, name)
            except (
                zipfile.BadZipFile,
                zlib.error,
                lzma.LZMAError,
                EOFError,
                NotImplementedError,
                RuntimeError,
            ) as error:
                content = f"damaged ({_reason(error)})"
            total += len(content)
            if total > LARGEST_TOTAL:
                raise UserError(
                    f"{path}: more than {LARGEST_TOTAL >> 20} MB of source; unpack it and give a sub-folder"
                )
            yield Member(name, content)


def _tar(path: Path, wanted: Callable[[str], bool]) -> Iterator[Member]:
    suffix = next(
        suffix for suffix in sorted(_COMPRESSIONS, key=len, reverse=True) if path.name.lower().endswith(suffix)
    )
    seen, count = set(), 0
    # As a stream: a member that is skipped is still unpacked, and the total of all that is bounded.
    with _COMPRESSIONS[suffix](path, "rb") as raw, tarfile.open(fileobj=_Bounded(raw, path), mode="r|") as archive:
        for info in archive:
            count += 1
            if count > MOST_MEMBERS:
                raise UserError(f"{path}: more than {MOST_MEMBERS} members; unpack it and give a sub-folder")
            archive.members = []  # type: ignore[attr-defined]  # the list of all that was seen grows without use
            if info.isdir() or not wanted(info.name) or info.name in seen:
                continue
            seen.add(info.name)
            refused = _unsafe(info.name, info.issym() or info.islnk())
            file = archive.extractfile(info) if refused is None and info.isreg() else None
            if file is None:
                yield _refused(info.name, refused or "not a regular file")
            else:
                yield Member(info.name, _limited(file, info.name))


class _Bounded(io.RawIOBase):
    """Reads from `raw` and gives up when what was read passes the limit: a bomb is stopped, not unpacked."""

    def __init__(self, raw: IO[bytes], path: Path):
        self._raw = raw
        self._path = path
        self._left = LARGEST_TOTAL

    def read(self, size: int = -1) -> bytes:
        data = self._raw.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise UserError(f"{self._path}: unpacks to more than {LARGEST_TOTAL >> 20} MB; give a smaller archive")
        return data


def _limited(file: IO[bytes], name: str) -> bytes | str:
    largest = _LARGEST_NOTEBOOK if name.endswith(".ipynb") else LARGEST_FILE
    content = file.read(largest + 1)
    return content if len(content) <= largest else f"larger than {largest >> 20} MB"


def _unsafe(name: str, is_link: bool) -> str | None:
    """Why a member of an archive is not read, if there is a reason."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in parts[0]:
        return "its path leaves the archive"
    if not name.isprintable() or len(name) > _LONGEST_PATH:
        return "its name has control characters or is too long"
    return "a link" if is_link else None


def _refused(name: str, reason: str) -> Member:
    """The name goes to terminals and reports: what it could do there is spelled out."""
    name = name if len(name) <= _LONGEST_PATH else f"{name[:80]}...{name[-20:]}"
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
    return Member(shown, reason)


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error).split("\n")[0] or type(error).__name__
