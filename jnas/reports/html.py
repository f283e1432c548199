"""The report of a run as one self-contained page: no network, and nothing of a run's text taken as markup or script.

The page brings content.content as JSON and candidates.details in compressed parts, each unpacked when one of its
candidates is looked at; its scripts show both as text nodes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jnas.reports.candidates import details
from jnas.reports.content import content, plain
from jnas.reports.markup import Markup, tag
from jnas.reports.run import Run
from jnas.runs.database import Candidate
from jnas.runs.directory import write_atomically
from translators.diagnostics import UserError

ASSETS = Path(__file__).parent / "page"
SCRIPTS = ("elements.js", "plots.js", "tables.js", "trees.js", "candidates.js", "sections.js", "main.js")
PART = 100  # candidates whose details are packed together


def write(run: Run, path: Path) -> None:
    """Write the page, whole or not at all. Raises UserError where `path` cannot be written."""
    text = page(run)
    try:
        write_atomically(path, text)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); give another --out") from None


def page(run: Run) -> str:
    """The HTML text; the same run gives the same text."""
    found = list(details(run, run.candidates))
    parts = [json.dumps(plain(found[i : i + PART])) for i in range(0, len(found), PART)]
    return assembled(
        content(run),
        *(
            tag("script", Markup(_packed(text)), type="application/gzip", id=f"part-{number}")
            for number, text in enumerate(parts)
        ),
    )


def served(found: dict[str, Any]) -> str:
    """The page that follows a search: what it shows comes from the server that it came from."""
    return assembled(found, live=True)


def part_of(run: Run, number: int) -> Sequence[Candidate]:
    """The candidates whose details are the part of that number; none beyond the last one."""
    return run.candidates[number * PART : (number + 1) * PART]


def assembled(found: dict[str, Any], *parts: Markup, live: bool = False) -> str:
    """Style, scripts and data around an empty body; the browser runs these scripts and no others."""
    style = (ASSETS / "page.css").read_text(encoding="utf-8")
    script = "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS)
    script = f"(() => {{\n'use strict';\n{script}\n}})();"
    head = tag(
        "head",
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script, live)}">'),
        tag("title", f"jnas: {found['name']}"),
        tag("style", Markup(style)),
    )
    body = tag(
        "body",
        tag("noscript", "This report needs JavaScript; python -m jnas.report RUN --text does without."),
        tag("script", Markup(_inert(found)), type="application/json", id="content"),
        *parts,
        tag("script", Markup(script)),
        data_part=PART,
        data_live=int(live),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _policy(style: str, script: str, live: bool) -> str:
    """Enforced by the browser, should an escape ever be missed: these texts alone, and no request elsewhere."""
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script))
    style_hash, script_hash = (f"'sha256-{digest}'" for digest in hashes)
    rules = f"default-src 'none'; style-src {style_hash}; script-src {script_hash}; base-uri 'none'; form-action 'none'"
    return f"{rules}; connect-src 'self'" if live else rules


def _inert(value: Any) -> str:
    """JSON in ASCII that ends no script element and begins no comment, whatever its strings hold."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
