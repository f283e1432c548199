"""What the documentation site adds to the pages of docs/: hooks of mkdocs.yml.

The stored notebooks become tutorials. Links from a page to a file of the repository, which the site does not have,
become plain text; one that leads nowhere is a warning, which ends a strict build.
"""

from __future__ import annotations

import json
import logging
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = "tutorials"
IMAGES = {"image/svg+xml": "svg", "image/png": "png"}
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
OUTWARD = re.compile(r"\[([^\]]*)\]\((\.\./[^)#\s]*)(#[^)\s]*)?\)")
log = logging.getLogger("mkdocs.hooks.site")


def on_files(files: Any, config: Any) -> Any:
    """Add a page, and the pictures in it, for every notebook."""
    from mkdocs.structure.files import File

    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for name, content in rendered(path).items():
            files.append(File.generated(config, f"{TUTORIALS}/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    return OUTWARD.sub(lambda found: _link(found, (ROOT / "docs" / page.file.src_uri).parent), markdown)


def _link(found: re.Match[str], folder: Path) -> str:
    target = (folder / found[2]).resolve()
    if target.is_relative_to(ROOT / "docs"):
        return found[0]
    if not target.exists():
        log.warning("%s: link to %s, which is not in the repository", folder.name, found[2])
    if target.suffix == ".ipynb":
        up = "../" * len(folder.relative_to(ROOT / "docs").parts)
        return f"[{found[1]}]({up}{TUTORIALS}/{target.stem}.md)"
    return found[1] if "/" in found[1] else f"{found[1]} (`{target.relative_to(ROOT)}`)"


def rendered(path: Path) -> Mapping[str, str | bytes]:
    """File name -> content: the page of a notebook and the pictures of its outputs."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    found: dict[str, str | bytes] = {}
    page = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            page.append(text.replace("](../docs/", "](../"))
        elif text:
            page.append(f"```python\n{text}\n```")
            page += _outputs(cell["outputs"], path.stem, found)
    where = f"*This page is the notebook `notebooks/{path.name}` with the outputs that are stored in it.*"
    head, _, rest = "\n\n".join(page).partition("\n")
    return {f"{path.stem}.md": f"{head}\n\n{where}\n{rest}\n", **found}


def _outputs(outputs: Iterable[Mapping[str, Any]], stem: str, found: dict[str, str | bytes]) -> Iterator[str]:
    """A picture each, what is printed in between together."""
    printed = ""
    for output in outputs:
        data = output.get("data", {})
        kind = next((kind for kind in IMAGES if kind in data), None)
        if kind is None:
            printed += COLOURS.sub("", "".join(output.get("text", data.get("text/plain", "")))).rstrip("\n") + "\n"
            continue
        yield from _block(printed)
        printed = ""
        name, content = f"{stem}-{len(found) + 1}.{IMAGES[kind]}", "".join(data[kind])
        found[name] = b64decode(content) if kind == "image/png" else content
        yield f"![output]({name})"
    yield from _block(printed)


def _block(printed: str) -> Iterator[str]:
    if printed.strip():
        yield f"```text\n{printed.rstrip()}\n```"
