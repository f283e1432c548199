"""Documents to take ideas from: text, Markdown, BibTeX and JSON lists with abstracts, PDF. Read, never executed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from translators.diagnostics import UserError

TEXT_LIMIT = 2000  # characters of a document that are looked at: an abstract, or the beginning of a paper
PDF_PAGES = 2
TOLD = ("title", "author", "authors", "year")  # of an entry, kept with its ideas


@dataclass(frozen=True)
class Document:
    """`source` is recorded with each of its ideas: title, path, sha256 of the text, and what else is known."""

    title: str
    text: str
    source: Mapping[str, Any] = field(hash=False)


def read_documents(names: Sequence[str]) -> tuple[Document, ...]:
    """All documents of files and folders, each text once. Raises UserError for what cannot be read."""
    found: dict[str, Document] = {}
    for name in names:
        path = Path(name)
        files = sorted(file for file in path.rglob("*") if file.suffix in READERS) if path.is_dir() else [path]
        for file in files:
            for title, text, told in _read(file):
                text = " ".join(text.split())[:TEXT_LIMIT]
                digest = hashlib.sha256(text.encode()).hexdigest()
                source = {"title": title, **told, "path": str(file), "sha256": digest}
                found.setdefault(digest, Document(title, text, source))
    if not found:
        raise UserError(f"{', '.join(names)}: no document found; expected files that end in {', '.join(READERS)}")
    return tuple(found.values())


Entry = tuple[str, str, dict[str, Any]]  # title, text, what else is known


def _read(path: Path) -> Iterator[Entry]:
    if path.suffix not in READERS:
        raise UserError(f"{path}: expected a folder or a file that ends in {', '.join(READERS)}")
    try:
        yield from READERS[path.suffix](path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text in UTF-8"
        raise UserError(f"{path}: {reason}; expected a readable document") from None


def _text(path: Path) -> Iterator[Entry]:
    """The first line that is not empty is the title."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line]
    if lines:
        yield lines[0].lstrip("# "), " ".join(lines[1:]) or lines[0], {}


def _json(path: Path) -> Iterator[Entry]:
    """A list of objects, or one object a line, each with an abstract."""
    text = path.read_text(encoding="utf-8")
    try:
        lines = path.suffix == ".jsonl"
        entries = [json.loads(line) for line in text.splitlines() if line.strip()] if lines else json.loads(text)
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}); expected a list of objects with title and abstract") from None
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries], 1):
        if not isinstance(entry, dict) or not isinstance(entry.get("abstract"), str):
            raise UserError(f"{path}, entry {number}: expected an object with title and abstract")
        yield str(entry.get("title", "")), entry["abstract"], {name: entry[name] for name in TOLD if name in entry}


def _bibtex(path: Path) -> Iterator[Entry]:
    """The entries that have an abstract."""
    text = path.read_text(encoding="utf-8")
    for start in re.finditer(r"@\w+\s*\{\s*[^,\s]*\s*,", text):
        fields = dict(_fields(text, start.end()))
        if "abstract" in fields:
            yield (
                fields.get("title", ""),
                fields["abstract"],
                {name: fields[name] for name in TOLD if name in fields and name != "title"},
            )


def _fields(text: str, at: int) -> Iterator[tuple[str, str]]:
    """name = {value} or "value" or number, until the entry's closing brace; braces may be nested."""
    while found := re.compile(r"\s*(\w+)\s*=\s*").match(text, at):
        at = found.end()
        opening = text[at : at + 1]
        if opening in ("{", '"'):
            end, depth = at + 1, 0
            while end < len(text) and (depth or text[end] != ("}" if opening == "{" else '"')):
                depth += {"{": 1, "}": -1}.get(text[end], 0)
                end += 1
            value, at = text[at + 1 : end], end + 1
        else:
            end = at + len(re.compile(r"[^,}\s]*").match(text, at)[0])  # type: ignore[index]
            value, at = text[at:end], end
        yield found[1].lower(), " ".join(re.sub(r"[{}\\]", "", value).split())
        at += len(re.compile(r"\s*,?").match(text, at)[0])  # type: ignore[index]


def _pdf(path: Path) -> Iterator[Entry]:
    """The text of the first pages. Raises UserError without pypdf and for what it cannot read."""
    try:
        from pypdf import PdfReader
    except ImportError:
        raise UserError(f"{path}: reading PDF needs pypdf; pip install 'jnas[knowledge]'") from None
    try:
        reader = PdfReader(path)
        text = " ".join(page.extract_text() for page in reader.pages[:PDF_PAGES])
        title = str((reader.metadata and reader.metadata.title) or path.stem)
    except OSError:
        raise
    except Exception as error:  # of many kinds: the file comes from anywhere
        raise UserError(f"{path}: not a readable PDF ({type(error).__name__}); convert it to text") from None
    if text.strip():
        yield title, text, {}


READERS: dict[str, Callable[[Path], Iterator[Entry]]] = {
    ".md": _text,
    ".txt": _text,
    ".bib": _bibtex,
    ".json": _json,
    ".jsonl": _json,
    ".pdf": _pdf,
}
