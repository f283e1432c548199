"""From sources to libraries: translate, write the emitted modules, probe them, keep all under a content hash."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from jnas.library.answers import answers_for
from jnas.library.models import unplaced
from jnas.library.store import LIBRARY_FILE, MODULES_FOLDER, block_to_json, default_cache, read_blocks
from jnas.library.verification import verify_library
from translators import MinedClass, Refusal, Source, Translation, UserError, open_source, translate_source
from translators.translation import installed_hash
from translators.verification import require_torch

Progress = Callable[[str, int, int], None]  # (stage, done, total)

_CODE_FOLDERS = (Path(__file__).parent, Path(__file__).parents[2] / "translators")


@dataclass(frozen=True)
class SourceReport:
    """What became of one source; counts are classes. `missing` counts unsupported operations and foreign symbols."""

    source: str
    version: str
    folder: str
    cached: bool
    seconds: float
    classes: int
    blocks: int
    models: int
    translated: int
    translated_blocks: int
    executed: int
    placeable: int
    refused: Mapping[str, int]
    missing: Mapping[str, int]
    families: Mapping[str, int]
    skipped_files: int
    verified: Mapping[str, int] = field(default_factory=dict)  # blocks by what the comparison with PyTorch found


@dataclass(frozen=True)
class MiningReport:
    """Outcome of `mine`: one row per source, in the order given."""

    sources: tuple[SourceReport, ...]

    @property
    def folders(self) -> tuple[Path, ...]:
        """Library folders, for `open_library`."""
        return tuple(Path(source.folder) for source in self.sources)

    def require_placeable(self) -> None:
        """Raises UserError when no source gave a block that a tree can use."""
        if not any(source.placeable for source in self.sources):
            names = ", ".join(source.source for source in self.sources)
            raise UserError(
                f"{names}: no placeable block found; expected at least one; try another source, such as timm"
            )

    def to_json(self) -> dict[str, Any]:
        return {"sources": [asdict(source) for source in self.sources]}


def mine(
    sources: Sequence[str],
    cache: Path | None = None,
    progress: Progress | None = None,
    *,
    refresh: bool = False,
    verify: bool = False,
) -> MiningReport:
    """Libraries of `sources` (files, folders, package names), made where the cache has none of their content.

    Sources given together resolve each other's imports. `cache` holds one folder per library. `verify` compares what
    executes with PyTorch. Raises UserError.
    """
    if verify:
        require_torch()
    cache = default_cache() / "libraries" if cache is None else Path(cache)
    opened = [open_source(spec) for spec in sources]
    code = _code_hash()
    reports = []
    for source in opened:
        others = [other for other in opened if other is not source]
        reports.append(_mine_one(source, others, cache, code, progress or _silent, refresh))
    for report in reports if verify else ():
        verify_library(
            Path(report.folder),
            opened,
            cache / ".verified",
            lambda done, total: (progress or _silent)("verifying", done, total),
        )
    return MiningReport(tuple(_with_results(report) for report in reports))


def _with_results(report: SourceReport) -> SourceReport:
    """The report after a comparison with PyTorch, if there was one: what turned out wrong is not placeable."""
    blocks = read_blocks(Path(report.folder))
    placeable = [block for block in blocks if block.placeable]
    return replace(
        report,
        verified=dict(Counter(b.verification["status"] for b in blocks if b.verification).most_common()),
        placeable=len(placeable),
        families=dict(Counter(block.family for block in placeable).most_common()),
    )


def _mine_one(
    source: Source, others: Sequence[Source], cache: Path, code: str, progress: Progress, refresh: bool
) -> SourceReport:
    started = time.monotonic()
    folder = cache / _folder_name(source, others, code)
    content = None if refresh else _read(folder)
    cached = content is not None
    if content is None:
        with _made_whole(folder) as unfinished:
            content = _make(source, others, unfinished, cache, progress)
            (unfinished / LIBRARY_FILE).write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
    return SourceReport(
        **content["report"], folder=str(folder), cached=cached, seconds=round(time.monotonic() - started, 2)
    )


def _make(source: Source, others: Sequence[Source], folder: Path, cache: Path, progress: Progress) -> dict[str, Any]:
    """Content of library.json; the emitted modules are written below `folder`."""
    translation = translate_source(
        source,
        others=others,
        progress=lambda done, total: progress("translating", done, total),
        cache=cache / ".translated",
    )
    if not translation.classes:
        raise UserError(f"{source.spec}: no class derived from nn.Module found; give PyTorch source")
    modules = folder / MODULES_FOLDER
    for path, text in translation.modules.items():
        target = modules / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    answers = answers_for(
        [_job(mined, modules) for mined in _candidates(translation)],
        modules,
        cache / ".probed",
        lambda done, total: progress("probing", done, total),
    )
    blocks = [answer["block"] for answer in answers if answer["block"] is not None]
    return {
        "blocks": blocks,
        "models": [block_to_json(block) for block in unplaced(translation, {block["name"] for block in blocks})],
        "outcomes": {
            answer["name"]: {k: answer.get(k) for k in ("status", "code", "reason", "example")} for answer in answers
        }
        | {name: _refusal_json(o) for name, o in sorted(translation.outcomes.items()) if isinstance(o, Refusal)},
        "report": _counts(translation, answers),
        "skipped_files": translation.skipped_files,
        "installed": dict(translation.installed),
    }


def _candidates(translation: Translation) -> list[MinedClass]:
    """Translated classes that take one tensor and return one."""
    return [
        mined
        for mined in translation.classes
        if mined.kind == "block" and not isinstance(translation.outcomes[mined.qualified_name], Refusal)
    ]


def _job(mined: MinedClass, modules: Path) -> dict[str, Any]:
    return {
        "name": mined.qualified_name,
        "folder": str(modules),
        "arguments": [vars(argument) for argument in mined.arguments],
        "calls": [dict(call) for call in mined.calls],
        "description": mined.doc,
        "provenance": vars(mined.provenance),
    }


def _refusal_json(refusal: Refusal) -> dict[str, Any]:
    return {
        "status": "refused",
        "code": refusal.code,
        "reason": refusal.message,
        "at": f"{refusal.path}:{refusal.line}",
    }


def _counts(translation: Translation, answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    fates = {mined.qualified_name: translation.outcomes[mined.qualified_name] for mined in translation.classes}
    refusals = [outcome for outcome in fates.values() if isinstance(outcome, Refusal)]
    late = [answer["code"] for answer in answers if answer["status"] == "refused"]
    placeable = [answer["block"] for answer in answers if answer["status"] == "placeable"]
    kinds = Counter(mined.kind for mined in translation.classes)
    return {
        "source": translation.source.name,
        "version": translation.source.version,
        "classes": len(translation.classes),
        "blocks": kinds["block"],
        "models": kinds["model"],
        "translated": len(translation.classes) - len(refusals) - len(late),
        "translated_blocks": len(_candidates(translation)) - len(late),
        "executed": sum(answer["status"] in ("executed", "placeable") for answer in answers),
        "placeable": len(placeable),
        "refused": dict(sorted(Counter([*(refusal.code for refusal in refusals), *late]).items())),
        "missing": dict(Counter(r.name for r in refusals if r.code in ("R02", "R10") and r.name).most_common(20)),
        "families": dict(Counter(block["family"] for block in placeable).most_common()),
        "skipped_files": len(translation.skipped_files),
    }


def _read(folder: Path) -> dict[str, Any] | None:
    """What an earlier run left; None when there is nothing whole, or when other packages are installed now."""
    try:
        content = json.loads((folder / LIBRARY_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if all(installed_hash(name) == known for name, known in content["installed"].items()) else None


@contextmanager
def _made_whole(folder: Path):
    """A folder to fill that takes the name `folder` when all went well, and vanishes otherwise."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise UserError(
            f"{folder.parent}: cannot write a library here ({error.strerror}); choose another --library"
        ) from error
    try:
        yield unfinished
        unfinished.chmod(0o755)
        if folder.exists():
            replaced = unfinished.with_name(unfinished.name + "-old")
            os.rename(folder, replaced)
            os.rename(unfinished, folder)
            shutil.rmtree(replaced)
        else:
            os.rename(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _folder_name(source: Source, others: Sequence[Source], code: str) -> str:
    key = hashlib.sha256(code.encode())
    for part in (source, *sorted(others, key=lambda other: other.name)):
        key.update(f"\0{part.sha256}".encode())
    return "-".join(filter(None, (source.name, source.version, key.hexdigest()[:16])))


def _code_hash() -> str:
    """Hash of the code that translates and probes: its results are as new as it is."""
    digest = hashlib.sha256()
    for folder in _CODE_FOLDERS:
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _silent(stage: str, done: int, total: int) -> None:
    pass
