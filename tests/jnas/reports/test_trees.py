"""Trees by name, by file and by run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jnas.reports.trees import read_tree
from jnas.trees.node import to_json
from jnas.trees.starts import START_TREES
from translators.diagnostics import UserError


def test_a_start_tree_and_a_file(tmp_path: Path) -> None:
    tree = START_TREES["resnet20"]()
    assert read_tree("resnet20", [])[:2] == ("resnet20", tree)
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(to_json(tree)))
    name, read, library = read_tree(str(file), [])
    assert (name, read) == ("mine", tree) and "jnas.BasicResidual" in library


@pytest.mark.parametrize(
    "text, content, message",
    [
        ("resnet02", None, r"tree resnet02: cannot be read .*did you mean resnet"),
        ("tree.json", "{", r"tree.json: not JSON"),
        ("tree.json", '{"block": "jnas.Mlp"}', r"the root is block 'jnas.Mlp'"),
        ("folder", None, r"folder/run.sqlite: no run database"),
    ],
)
def test_what_is_no_tree_is_named(
    text: str, content: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    if content is not None:
        Path(text).write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        read_tree(text, [])
    assert "\n" not in str(caught.value)
