"""The licences of what an exported file contains: whose code it is, and the text where it is installed here."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import jnas
from jnas.exporting.expression import Design
from jnas.exporting.files import plain
from translators.origins import LICENCE_NAMES, of_distribution

RULE = "\n\n" + "-" * 80 + "\n\n"


def notices(plan: Design, modules: Iterable[str], specs: Sequence[str] = ()) -> str:
    """One section per package that `modules`, dotted, are of: version, licence, modules, blocks, its licence's text."""
    packages: dict[str, list[str]] = {}
    for module in sorted(modules):
        packages.setdefault(module.split(".")[0], []).append(module)
    ours = [name for name in ("jnas", "translators") if packages.pop(name, None)]
    sections = [_section("jnas", jnas.__version__, "Apache-2.0", ours, [], _own_text())] if ours else []
    for package, found in packages.items():
        blocks = [block for block in plan.mined if block.name.split(".")[0] == package]
        stated = of_distribution(package)
        version, licence = (
            next((str(block.provenance[key]) for block in blocks if block.provenance.get(key)), known)
            for key, known in zip(("version", "licence"), stated, strict=True)
        )
        places = [
            f"{block.name}: {block.provenance.get('path', '')}, lines {_lines(block.provenance)}" for block in blocks
        ]
        sections.append(_section(package, version, licence, found, places, _text(package, specs)))
    return "This network contains code of the packages below.\n\n" + RULE.join(sections) + "\n"


def _lines(provenance: object) -> str:
    lines = provenance.get("lines", ()) if hasattr(provenance, "get") else ()
    return "-".join(map(str, lines))


def _section(package: str, version: str, licence: str, modules: Sequence[str], blocks: Sequence[str], text: str) -> str:
    lines = [f"{plain(package)} {plain(version)}".strip(), f"Licence: {plain(licence) or 'not stated by its source'}"]
    lines += ["Modules: " + ", ".join(map(plain, modules))] + [f"Block {plain(block)}" for block in blocks]
    return "\n".join(lines) + ("\n\n" + text.strip() if text else "\n\nIts text was not found here.")


def _own_text() -> str:
    file = Path(jnas.__file__).parent.parent / "LICENSE"
    return file.read_text(encoding="utf-8") if file.is_file() else _text("jnas", ())


def _text(package: str, specs: Sequence[str]) -> str:
    """The licence file of a package that is installed, or of a folder among `specs` of its name."""
    return next((text for text in (*_installed(package), *_beside(package, specs)) if text), "")


def _installed(package: str) -> Iterator[str]:
    names = importlib.metadata.packages_distributions().get(package, [package])
    for name in names[:1]:
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            return
        for file in files:
            if file.name in LICENCE_NAMES:
                yield _read(Path(str(file.locate())))


def _beside(package: str, specs: Sequence[str]) -> Iterator[str]:
    for spec in map(Path, specs):
        if spec.exists() and spec.stem == package:
            for place in (spec, *list(spec.resolve().parents)[:2]):
                yield from (_read(place / name) for name in LICENCE_NAMES if (place / name).is_file())


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
