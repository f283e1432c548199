"""Keys of language-model services: from the environment or a file that it names, shown nowhere."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from translators.diagnostics import UserError

HIDDEN = "***"


class Key:
    """A key that prints as ***. `reveal` is for the client that sends it, `redact` for every text that comes back."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a key is not written anywhere")

    def reveal(self) -> str:
        return self._text

    def redact(self, text: str) -> str:
        return text.replace(self._text, HIDDEN)


def find_key(names: Sequence[str]) -> Key | None:
    """The first of the environment variables NAME (the key) and NAME_FILE (a file that holds it) that is set.

    Raises UserError for a file that cannot be read or is empty.
    """
    for name in names:
        if os.environ.get(name):
            return Key(os.environ[name])
        if file := os.environ.get(f"{name}_FILE"):
            try:
                text = Path(file).expanduser().read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "not text"
                raise UserError(f"{name}_FILE={file}: {reason}; expected a file that holds a key") from None
            if not text:
                raise UserError(f"{name}_FILE={file}: the file is empty; expected a key")
            return Key(text)
    return None
