"""How numbers and foreign text read in every report: one spelling for the terminal and the page."""

from __future__ import annotations

import math
import unicodedata

# Stands for every character of category C: terminal escapes, bidirectional overrides, zero width, surrogates.
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def clean(text: object, limit: int = 200) -> str:
    """One printable line of at most `limit` characters, whatever mined source, an LLM or a file put into `text`."""
    line = " ".join(str(text).split())
    line = "".join(_REPLACEMENT if unicodedata.category(c).startswith("C") else c for c in line)
    return line if len(line) <= limit else line[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def percent(fraction: float | None) -> str:
    """An accuracy in [0, 1] as `84.12 %`; a dash when there is none."""
    return "-" if fraction is None or not math.isfinite(fraction) else f"{100 * fraction:.2f} %"


def gain(difference: float | None) -> str:
    """A difference of accuracies in percentage points with its sign: `+1.20`."""
    return "-" if difference is None or not math.isfinite(difference) else f"{100 * difference:+.2f}"


def count(number: float | None) -> str:
    """A count with three significant digits: `812`, `81.3 k`, `1.20 M`, `4.51 G`."""
    if number is None:
        return "-"
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= size:
            value = number / size
            return f"{value:.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f} {unit}"
    return f"{number:g}"


def duration(seconds: float | None) -> str:
    """Seconds as `9.1 s`, `3:12` (minutes) or `1:02:03` (hours)."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
