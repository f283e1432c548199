"""The benchmark of translation: what its rows count, and that it says what it needs."""

import json

import pytest

from jnas.benchmarks import traced, translate
from translators.diagnostics import UserError


def test_rows_count_each_outcome_and_judge_us_alone():
    found = [{"status": "right", "seconds_translate": 0.02}, {"status": "wrong", "seconds_translate": 0.04}]
    rows = {row.name: row for row in translate._rows("translators", found, "seconds_translate", "")}
    assert rows["translators: right"].value == 1 and rows["translators: right"].unit == "of 2"
    assert not rows["translators: wrong"].met and rows["translators: refused"].met
    assert rows["translators: time to convert"].value == pytest.approx(0.03)
    assert all(row.met for row in translate._rows("torchax", found, "seconds", ""))


def test_the_shipped_blocks_name_what_verification_needs():
    for row in json.loads(translate.SPEC.read_text()):
        assert {"source", "class", "init", "input_shapes"} == row.keys()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"python": ["ivy=/x"]}, "one of torchax"), ({"python": ["x"]}, "NAME=PATH"), ({"root": ["x"]}, "NAME=PATH")],
)
def test_bad_options_are_one_line(options, message, monkeypatch):
    monkeypatch.setattr(translate, "require_torch", lambda: None)
    with pytest.raises(UserError, match=message) as caught:
        translate.measure(**options)
    assert "\n" not in str(caught.value)


def test_a_specification_that_is_none_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(translate, "require_torch", lambda: None)
    with pytest.raises(UserError, match="not a JSON list of blocks"):
        translate.measure(spec=tmp_path / "absent.json")


def test_a_tool_that_never_ends_costs_that_block(monkeypatch):
    pytest.importorskip("torch")

    def endless(model):
        while True:
            pass

    monkeypatch.setitem(traced.TOOLS, "endless", endless)
    monkeypatch.setattr(traced, "SECONDS", 0.2)
    row = {"module": "torch.nn", "class": "ReLU", "init": {}, "shapes": [[[2, 3]]]}
    assert traced.convert("endless", row) == {"status": "crashed", "reason": "endless takes longer than 0.2 s"}
