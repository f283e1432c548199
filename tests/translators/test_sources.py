"""Sources are found and read without being imported, and what cannot be read is said in one line."""

import sys

import pytest

from translators import UserError, open_source


def test_an_installed_package_is_read_with_its_version_and_not_imported():
    source = open_source("libcst")
    assert (source.version and source.licence == "MIT License") or "MIT" in source.licence
    assert {"libcst", "libcst._nodes.base"} <= {file.module for file in source.files}


def test_finding_a_package_runs_none_of_it(tmp_path, monkeypatch):
    package = tmp_path / "trap"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert [file.module for file in open_source("trap").files] == ["trap"]
    assert "trap" not in sys.modules


def test_a_folder_that_is_a_package_keeps_its_name(tree):
    source = tree({"net/__init__.py": "", "net/layers.py": "x = 1\n"}, "net")
    assert [file.module for file in source.files] == ["net", "net.layers"]


def test_a_folder_of_files_is_an_import_root(tree):
    source = tree({"models/resnet.py": "x = 1\n", "train.py": "y = 1\n"})
    assert [file.module for file in source.files] == ["models.resnet", "train"]


def test_the_licence_is_known_by_its_words(tree, tmp_path):
    tree({"a.py": "x = 1\n"})
    (tmp_path / "source" / "LICENSE").write_text("Permission is hereby granted, free of charge, to any person ...")
    assert open_source(str(tmp_path / "source")).licence == "MIT"


def test_broken_files_cost_only_themselves(tree, tmp_path):
    tree({"good.py": "x = 1\n"})
    (tmp_path / "source" / "nul.py").write_bytes(b"x = 1\0\n")
    (tmp_path / "source" / "latin.py").write_bytes(b"x = '\xff\xfe'\n")
    source = open_source(str(tmp_path / "source"))
    assert [file.path for file in source.files] == ["good.py"]
    assert {path for path, _ in source.skipped} == {"nul.py", "latin.py"}


@pytest.mark.parametrize("spec", ["/no/such/folder", "no_such_package_here", "a/b:c", "sys"])
def test_what_is_no_source_is_one_line(spec):
    with pytest.raises(UserError) as error:
        open_source(spec)
    assert spec in str(error.value) and "\n" not in str(error.value)


def test_a_folder_without_python_is_one_line(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match="no Python files"):
        open_source(str(tmp_path))


def test_a_file_that_is_not_python_is_one_line(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match=r"ends in \.py"):
        open_source(str(tmp_path / "notes.txt"))
