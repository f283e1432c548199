"""The lines of a tree's picture as one SVG: families in colour, light and dark, no script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import log2

from jnas.trees.picture import Line

ROW, CHARACTER, INDENT, MARGIN = 24, 7.25, 20, 14
NAME_WIDTH, SHAPE_WIDTH, BAR_WIDTH, COST_WIDTH = 540, 120, 90, 84
WIDEST = 10  # log2 of the channels that fill the bar

# Okabe and Ito's colours, for the colour-blind; darker ones on light ground where theirs are too bright to read.
PALETTE = {
    "convolution": "#0072b2",
    "residual block": "#56b4e9",
    "attention": "#cc79a7",
    "channel attention": "#9d4edd",
    "mlp": "#009e73",
    "mixer": "#7cb518",
    "pooling": "#e69f00",
    "downsampling": "#d55e00",
    "normalisation": "#8c8c8c",
    "activation": "#b0a999",
    "other": "#5f7a8a",
}
STYLE = """
.tree { --paper: #ffffff; --ink: #1b1b1f; --soft: #5b6068; --line: #c4c8cf; --came: #00734f; --went: #b3261e; }
@media (prefers-color-scheme: dark) {
  .tree { --paper: #16181c; --ink: #e8e9ec; --soft: #a2a8b2; --line: #4a4f59; --came: #4cd3a5; --went: #ff8a80; }
}
.tree { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--paper); }
.tree text { fill: var(--ink); white-space: pre; } .tree .soft { fill: var(--soft); } .tree .bold { font-weight: 700; }
.tree .end { text-anchor: end; } .tree .guide { stroke: var(--line); fill: none; }
.tree .ground { fill: var(--paper); } .tree .bar { fill: var(--soft); opacity: .45; }
.tree .title { font-size: 14px; font-weight: 700; }
.tree .came, .tree .changed { fill: var(--came); font-weight: 700; } .tree .went { fill: var(--went); }
.tree .came-row, .tree .changed-row { fill: var(--came); opacity: .12; }
.tree .went-row { fill: var(--went); opacity: .12; }
.tree .went-name { text-decoration: line-through; }
"""
MARKS = {"*": "changed", "+": "came", "-": "went"}


def svg(lines: Sequence[Line], title: str) -> str:
    """One self-contained picture; `title` stands above it and is read out by screen readers."""
    costs = any(line.cost for line in lines)
    width = 2 * MARGIN + NAME_WIDTH + BAR_WIDTH + SHAPE_WIDTH + 2 * COST_WIDTH * costs
    families = list(dict.fromkeys(line.family for line in lines if line.family))
    legend_rows = -(-len(families) // 5)
    top = MARGIN + ROW
    height = top + ROW * (len(lines) + costs) + ROW * legend_rows + 2 * MARGIN
    body = [
        *(_headings(width, top) if costs else ()),
        *(
            part
            for i, line in enumerate(lines)
            for part in _row(line, lines[:i], top + ROW * (i + costs), width, costs)
        ),
        *_legend(families, top + ROW * (len(lines) + costs) + MARGIN),
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tree" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img"><title>{_safe(title)}</title><style>{STYLE}</style>'
        f'<rect class="ground" width="{width}" height="{height}"/>'
        f'<text class="title" x="{MARGIN}" y="{MARGIN + 8}">{_safe(_cut(title, width - 2 * MARGIN, 8.5))}</text>'
    )
    return head + "\n" + "\n".join(body) + "\n</svg>\n"


def _row(line: Line, above: Sequence[Line], y: float, width: float, costs: bool) -> Iterator[str]:
    x, middle = MARGIN + 14 + INDENT * len(line.guides), y + ROW / 2
    kind = MARKS.get(line.mark)
    if kind:
        yield f'<rect class="{kind}-row" x="{MARGIN / 2}" y="{y}" width="{width - MARGIN}" height="{ROW}"/>'
        yield f'<text class="{kind}" x="{MARGIN}" y="{middle + 4}">{_safe(line.mark)}</text>'
    yield from _guides(line.guides, y)
    x_text = x
    if line.family:
        colour = PALETTE.get(line.family, PALETTE["other"])
        chip = len(line.name) * CHARACTER + 16
        yield (
            f'<rect x="{x}" y="{y + 3}" width="{chip:.0f}" height="{ROW - 6}" rx="4" fill="{colour}" fill-opacity=".22"'
            f' stroke="{colour}"/><rect x="{x}" y="{y + 3}" width="5" height="{ROW - 6}" rx="2" fill="{colour}"/>'
        )
        x_text = x + 10
    weight = "soft" if line.mark == "." else "bold" if line.family is None else f"{kind}-name"
    yield f'<text class="{weight}" x="{x_text}" y="{middle + 4}">{_safe(line.name)}</text>'
    if line.details:
        x_details = x_text + len(line.name) * CHARACTER + (14 if line.family else 8)
        details = _cut(line.details, MARGIN + NAME_WIDTH - x_details, CHARACTER)
        yield f'<text class="soft" x="{x_details:.0f}" y="{middle + 4}">{_safe(details)}</text>'
    if line.after is not None:
        start, full = MARGIN + NAME_WIDTH, BAR_WIDTH - 16
        bar = full * min(1.0, log2(max(2, line.after[0])) / WIDEST)
        yield f'<rect class="bar" x="{start}" y="{middle - 3}" width="{bar:.0f}" height="6" rx="3"/>'
        yield f'<text class="soft" x="{start + BAR_WIDTH}" y="{middle + 4}">{_safe(line.shape_text)}</text>'
    if costs:
        for i, text in enumerate(line.cost_text):
            right = width - MARGIN - COST_WIDTH * (1 - i)
            yield f'<text class="end" x="{right}" y="{middle + 4}">{_safe(text)}</text>'


def _guides(guides: tuple[bool, ...], y: float) -> Iterator[str]:
    for level, last in enumerate(guides):
        x, own = MARGIN + 22 + INDENT * level, level == len(guides) - 1
        if own:
            yield f'<path class="guide" d="M{x} {y} V{y + (ROW / 2 if last else ROW)} M{x} {y + ROW / 2} h8"/>'
        elif not last:
            yield f'<path class="guide" d="M{x} {y} V{y + ROW}"/>'


def _headings(width: float, y: float) -> Iterator[str]:
    for i, name in enumerate(("params", "mult-adds")):
        yield f'<text class="soft end" x="{width - MARGIN - COST_WIDTH * (1 - i)}" y="{y + ROW / 2 + 4}">{name}</text>'


def _legend(families: Sequence[str], y: float) -> Iterator[str]:
    for i, family in enumerate(families):
        x, row, colour = MARGIN + 160 * (i % 5), y + ROW * (i // 5), PALETTE.get(family, PALETTE["other"])
        yield f'<rect x="{x}" y="{row + 6}" width="12" height="12" rx="3" fill="{colour}"/>'
        yield f'<text class="soft" x="{x + 18}" y="{row + 16}">{_safe(family)}</text>'


def _cut(text: str, width: float, character: float) -> str:
    fits = max(0, int(width / character))
    return text if len(text) <= fits else text[: max(0, fits - 1)] + "…" if fits > 1 else ""


def _safe(text: str) -> str:
    """Escaped, without what is no visible character."""
    return escape("".join(c if c.isprintable() else " " for c in text))
