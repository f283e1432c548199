"""The text of a block's class."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from jnas.library.source import class_source
from jnas.library.store import open_library

OWN = open_library()["jnas.MaxPool"]


def test_it_is_the_class_as_it_stands_in_its_file(tmp_path: Path) -> None:
    block = replace(OWN, name="package.module.Block", folder=str(tmp_path))
    assert class_source(OWN).startswith("class MaxPool(") and class_source(block) == ""
    file = tmp_path / "package" / "module.py"
    file.parent.mkdir()
    for number, body in enumerate(("a = 1", "b = 2")):  # a file that changes is read again
        file.write_text(f"import x\n\n@x\nclass Block:\n    {body}\n\nclass Other:\n    pass\n")
        os.utime(file, ns=(number, number))
        assert class_source(block) == f"class Block:\n    {body}"
    assert class_source(replace(block, name="package.module.Third")) == ""
