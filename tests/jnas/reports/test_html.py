from __future__ import annotations

import base64
import gzip
import hashlib
import json
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
    "</script><!-- <script>",
    "\u2028 \ud800",
)


class _Page(HTMLParser):
    """Elements in their order, and what each script holds by its id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: dict[str | None, str] = {}
        self._script: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._script = dict(attrs).get("id") if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script" and data.strip():
            self.scripts[self._script] = data


SKELETON = ["html", "head", "meta", "meta", "meta", "title", "style", "body", "noscript", "script", "script", "script"]


def test_the_page_brings_its_content_and_the_details_of_its_candidates(make_run: Callable[..., Run]) -> None:
    page = _Page(html.page(make_run()))
    content = json.loads(page.scripts["content"])
    details = json.loads(gzip.decompress(base64.b64decode(page.scripts["part-0"])))
    assert content["best"]["number"] == 3 and len(details) == len(content["candidates"]["number"]) == 5
    assert page.tags == SKELETON


def test_details_are_packed_in_parts(make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "PART", 2)
    page, run = _Page(html.page(make_run())), make_run(name="other")
    assert {"part-0", "part-1", "part-2"} < page.scripts.keys() and "part-3" not in page.scripts
    last = json.loads(gzip.decompress(base64.b64decode(page.scripts["part-2"])))
    assert [each["number"] for each in last] == [row.number for row in html.part_of(run, 2)] == [4]


def test_the_page_is_self_contained_and_repeatable(make_run: Callable[..., Run]) -> None:
    run = make_run()
    page = html.page(run)
    assert page == html.page(run)
    assert not re.search(r"\ssrc=|<link|url\(|@import|https?://(?!www.w3.org/2000/svg)", page)


def test_the_browser_is_told_to_run_these_scripts_and_to_ask_nobody(make_run: Callable[..., Run]) -> None:
    page = html.page(make_run())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy and "default-src 'none'" in policy[1] and "connect-src" not in policy[1]
    script = base64.b64encode(hashlib.sha256(_Page(page).scripts[None].encode()).digest()).decode()
    assert f"script-src 'sha256-{script}'" in policy[1] and "unsafe" not in policy[1]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(make_run: Callable[..., Run], text: str) -> None:
    page = _Page(html.page(make_run(description=text.replace("\ud800", ""))))
    assert page.tags == SKELETON


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_string_holds_it_is_read_as_it_was(text: str) -> None:
    page = html.assembled({"name": text, text: [text]}, live=True)
    assert _Page(page).tags == [name for name in SKELETON if name != "script"] + ["script", "script"]
    assert json.loads(_Page(page).scripts["content"])[text] == [text]


def test_a_hostile_folder_name_stays_text(make_run: Callable[..., Run]) -> None:
    assert _Page(html.page(make_run(name="<img onerror=x>"))).tags == SKELETON


def test_an_unwritable_file_is_a_user_error(make_run: Callable[..., Run], tmp_path) -> None:
    with pytest.raises(UserError, match="--out"):
        html.write(make_run(), tmp_path / "absent" / "report.html")


def test_only_what_tag_made_is_markup() -> None:
    assert tag("p", "<b>", Markup("<i></i>"), None, class_='"x') == '<p class="&quot;x">&lt;b&gt;<i></i></p>'
