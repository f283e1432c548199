"""HTML that cannot be broken out of: every text and attribute is escaped, only what `tag` made is taken as markup."""

from __future__ import annotations

from html import escape

from jnas.reports.text import clean


class Markup(str):
    """Finished HTML."""

    __slots__ = ()


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """`<name attributes>children</name>`; `class_` is class, `_` in other names is `-`; a None child is left out."""
    text = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(clean(value, 10_000))}"' for key, value in attributes.items()
    )
    return Markup(f"<{name}{text}>{join(*children)}</{name}>")


def join(*children: object) -> Markup:
    """Children one after another: Markup as it is, anything else as cleaned and escaped text."""
    return Markup(
        "".join(child if isinstance(child, Markup) else _text(child) for child in children if child is not None)
    )


def _text(child: object) -> str:
    return escape(clean(child, 10_000))
