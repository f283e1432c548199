from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from jnas.reports import html
from jnas.reports.markup import Markup, tag
from jnas.reports.run import Run
from translators.diagnostics import UserError

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "</style><svg onload=alert(1)>",
    "javascript:alert(1)",
    "&lt;b&gt; \x1b[31m \u202e",
    "]]><!--",
)
KNOWN = {
    "html",
    "head",
    "body",
    "main",
    "meta",
    "title",
    "style",
    "section",
    "div",
    "h1",
    "h2",
    "p",
    "b",
    "ol",
    "li",
    "pre",
}
KNOWN |= {"code", "span", "table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary"}
KNOWN |= {"svg", "desc", "line", "text", "path", "circle", "rect"}


class _Page(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def test_the_page_says_what_the_run_found(make_run: Callable[..., Run]) -> None:
    page = _Page(html.page(make_run()))
    words = " ".join(" ".join(page.words).split())
    assert page.open == []
    for expected in (
        "88.50 %",
        "86.00 %",
        "4 of 4",
        "insert jnas.SqueezeExcite",
        "failed: memory",
        "caps",
        "mining 40.0 s 40.0 %",
    ):
        assert expected in words, expected
    assert "From the start tree to the best the start tree #0, 80.00 %" in words
    assert "jnas.SqueezeExcite 1 85.12 %" in words


def test_blocks_say_how_they_compare_with_pytorch() -> None:
    differences = {"output_diff": 2e-7, "gradient_diff": 5e-7, "train_diff": None}
    assert html._compared({"status": "right", **differences}) == "right, 5e-07 apart at most"
    assert html._compared({"status": "crashed"}) == "crashed" and html._compared({}) == "-"


def test_the_page_is_self_contained(make_run: Callable[..., Run]) -> None:
    page = html.page(make_run())
    assert not re.search(r"(src|href)\s*=|url\(|@import|<script|<link|https?://(?!www.w3.org/2000/svg)", page)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(make_run: Callable[..., Run], text: str) -> None:
    run = make_run(description=text)
    page = _Page(html.page(run))
    assert page.tags <= KNOWN and not {name for name in page.attributes if name.startswith("on")}
    assert "\x1b" not in "".join(page.words) and "\u202e" not in "".join(page.words)


def test_a_hostile_folder_name_stays_text(make_run: Callable[..., Run]) -> None:
    assert _Page(html.page(make_run(name="<img onerror=x>"))).tags <= KNOWN


def test_a_run_that_has_only_begun_has_a_page(make_run: Callable[..., Run]) -> None:
    assert "1 candidates" in html.page(make_run(finished=False))


def test_an_unwritable_file_is_a_user_error(make_run: Callable[..., Run], tmp_path) -> None:
    with pytest.raises(UserError, match="--out"):
        html.write(make_run(), tmp_path / "absent" / "report.html")


def test_only_what_tag_made_is_markup() -> None:
    assert tag("p", "<b>", Markup("<i></i>"), None, class_='"x') == '<p class="&quot;x">&lt;b&gt;<i></i></p>'
