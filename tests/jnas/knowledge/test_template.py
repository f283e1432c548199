"""The template and the starter ideas that come with the package, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from jnas.knowledge.ideas import Knowledge, parse_ideas, read_ideas, write_ideas
from jnas.knowledge.template import LEVELS, read_template, template
from jnas.library.block import FAMILIES
from jnas.library.declarations import OWN_BLOCKS
from translators.diagnostics import UserError

GOOD = {"place": "width/overall width", "text": "Widen everything.", "source": {"title": "t"}}
SUB = 'name = "s"\ndefinition = "d"\nkinds = ["delete"]'
CATEGORY = f'[[category]]\nname = "c"\nlevel = "block"\ndefinition = "d"\n[[category.sub]]\n{SUB}\n'


def test_three_levels_15_categories_55_sub_categories() -> None:
    found = template()
    assert len(found.categories) == 15 and len(found.subs) == 55
    assert {category.level for category in found.categories} == {*LEVELS}


def test_the_starter_ideas_cover_every_sub_category_and_name_their_publication() -> None:
    ideas = read_ideas("starter")
    counted = Counter(idea.place for idea in ideas)
    assert len(ideas) >= 300 and counted.keys() == template().subs.keys() and min(counted.values()) >= 4
    assert all(idea.source.keys() == {"authors", "title", "year"} for idea in ideas)
    assert all(10 < len(idea.text) <= 200 for idea in ideas)


def test_our_own_blocks_alone_can_realise_some_idea_of_every_category() -> None:
    knowledge = Knowledge(template(), read_ideas("starter"))
    kept = knowledge.realisable({block.family for block in OWN_BLOCKS.values()})
    assert {idea.category for idea in kept.ideas} == {category.name for category in template().categories}
    assert knowledge.realisable(FAMILIES).ideas == knowledge.ideas
    assert len(knowledge.realisable(()).ideas) < len(kept.ideas)


def test_ideas_are_read_as_they_were_written(tmp_path: Path) -> None:
    ideas = read_ideas("starter")
    write_ideas(ideas, tmp_path / "ideas.jsonl")
    assert read_ideas(str(tmp_path / "ideas.jsonl")) == ideas


def test_what_is_said_twice_counts_once() -> None:
    line = json.dumps(GOOD)
    assert len(parse_ideas(f"{line}\n\n{line}\n", "f", template())) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"place": "width/overal width"}, "did you mean 'width/overall width'"),
        ({"text": " "}, "one or two sentences"),
        ({"edits": 7}, "edits from 1 to 3"),
        ({"direction": "left"}, '"up" or "down"'),
        ({"colour": "red"}, "expected an object with"),
        ({"source": "me"}, "a source"),
    ],
)
def test_a_bad_idea_is_named_by_its_line(change: dict, words: str) -> None:
    text = f"{json.dumps(GOOD)}\n{json.dumps({**GOOD, **change})}"
    with pytest.raises(UserError, match=r"ideas\.jsonl, line 2") as error:
        parse_ideas(text, "ideas.jsonl", template())
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"block"', '"brick"', "expected one of operation, block, network"),
        ('"delete"', '"remove"', "expected one of set, swap"),
        ('"delete"', '"set"', "kind set without roles"),
        ('"delete"', '"swap"', "without families"),
        ('definition = "d"\nkinds', "kinds", "no definition"),
        ('kinds = ["delete"]', 'kinds = ["delete"]\nsize = 3', "unknown key size"),
        (CATEGORY, CATEGORY + CATEGORY, "stands there twice"),
        ("[[category]]", "[[category", "not TOML"),
    ],
)
def test_a_bad_template_is_refused(old: str, new: str, words: str) -> None:
    with pytest.raises(UserError) as error:
        read_template(CATEGORY.replace(old, new, 1), "t.toml")
    assert words in str(error.value) and "t.toml" in str(error.value)
