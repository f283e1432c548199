"""The pages about refusals: one for each code, whose examples do what they say."""

import re
from pathlib import Path

import pytest

from tests.translators.examples import outcome
from translators.diagnostics import CODES, Refusal, Refused

ROOT = Path(__file__).parents[2]
PAGES = {page.stem: page.read_text() for page in (ROOT / "docs" / "refusals").glob("R*.md")}


def test_every_code_has_a_page_and_every_code_in_use_is_one():
    assert PAGES.keys() == CODES.keys()
    for code, (title, _) in CODES.items():
        assert PAGES[code].startswith(f"# {code}: {title}\n") and "**What to do.**" in PAGES[code]
    sources = [*(ROOT / "translators").rglob("*.py"), *(ROOT / "jnas").rglob("*.py")]
    assert {code for file in sources for code in re.findall(r'"(R\d\d)"', file.read_text())} <= CODES.keys()


@pytest.mark.parametrize("code", [code for code, text in sorted(PAGES.items()) if "```python" in text])
def test_the_example_of_a_page_is_refused_as_it_says(code):
    example, shown = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)\n```", PAGES[code], re.DOTALL).groups()
    assert outcome(example) == shown
    assert code in shown and CODES[code][1] in shown


def test_a_refusal_says_what_to_do():
    for code, (_, advice) in CODES.items():
        assert advice in str(Refused(code, "this")) and advice in str(Refusal(code, "this", "a.py", 1, 0, "x", "x"))
