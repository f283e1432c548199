"""Sources are found and read without being imported, and what cannot be read is said in one line."""

import io
import json
import os
import stat
import sys
import tarfile
import zipfile

import pytest

from translators import UserError, archives, open_source
from translators.sources import split_class


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
    with pytest.raises(UserError, match=r"expected \.py"):
        open_source(str(tmp_path / "notes.txt"))


def wheel(path, files, links=()):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        for name, target in links:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, target)
    return open_source(str(path))


def sdist(path, files, links=()):
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return open_source(str(path))


METADATA = "Metadata-Version: 2.1\nName: net\nVersion: 1.2\nLicense: Apache 2.0\n\nWords.\n"


def test_a_wheel_is_read_as_it_lies(tmp_path):
    files = {"net/__init__.py": "", "net/a.py": "x = 1\n", "net-1.2.dist-info/METADATA": METADATA}
    source = wheel(tmp_path / "net-1.2-py3-none-any.whl", files)
    assert (source.name, source.version, source.licence) == ("net", "1.2", "Apache 2.0")
    assert [file.module for file in source.files] == ["net", "net.a"]
    assert [path.name for path in tmp_path.iterdir()] == ["net-1.2-py3-none-any.whl"]


def test_a_source_archive_loses_the_folder_around_it(tmp_path):
    files = {"net-1.2/PKG-INFO": METADATA, "net-1.2/net/__init__.py": "", "net-1.2/setup.py": "", "net-1.2/LICENSE": ""}
    source = sdist(tmp_path / "net-1.2.tar.gz", files)
    assert (source.name, source.version, [file.module for file in source.files]) == ("net", "1.2", ["net", "setup"])


@pytest.mark.parametrize("write", [wheel, sdist])
def test_members_that_leave_the_archive_are_skipped(tmp_path, write):
    names = ["../up.py", "/root.py", "a/../../b.py", "c\\d.py", "C:/e.py", "bell\x07.py", "a" * 500 + ".py"]
    suffix = {wheel: ".whl", sdist: ".tgz"}[write]
    source = write(
        tmp_path / f"bad{suffix}",
        dict.fromkeys(names, "x = 1\n") | {"p/good.py": ""},
        links=[("p/link.py", "/etc/passwd")],
    )
    assert [file.path for file in source.files] == ["p/good.py"]
    assert len(source.skipped) == len(names) + 1 and ("p/link.py", "a link") in source.skipped


def test_bombs_are_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_FILE", 1000)
    assert wheel(tmp_path / "a.zip", {"big.py": "#" * 5000, "x.py": ""}).skipped == (("big.py", "larger than 0 MB"),)
    monkeypatch.setattr(archives, "LARGEST_TOTAL", 10_000)
    with pytest.raises(UserError, match="unpacks to more than"):
        sdist(tmp_path / "a.tgz", {"data.bin": "0" * 100_000, "x.py": ""})
    with pytest.raises(UserError, match="give a sub-folder"):
        wheel(tmp_path / "b.zip", {f"{n}.py": "#" * 900 for n in range(20)})
    monkeypatch.undo()
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    for name, write in {"c.whl": wheel, "c.tgz": sdist}.items():
        with pytest.raises(UserError, match="members"):
            write(tmp_path / name, {f"{n}.py": "" for n in range(5)})


@pytest.mark.parametrize("name", ["a.whl", "a.zip", "a.tar.gz", "a.tgz", "a.tar", "a.tar.xz", "a.tar.bz2"])
def test_a_broken_archive_is_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 no archive at all" * 50)
    with pytest.raises(UserError, match="cannot be read") as error:
        open_source(str(tmp_path / name))
    assert "\n" not in str(error.value)


def notebook(path, *cells):
    listed = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    listed.insert(1, {"cell_type": "markdown", "source": ["class Nothing:"]})
    path.write_text(json.dumps({"cells": listed, "nbformat": 4}))
    return open_source(str(path))


def test_cells_of_a_notebook_are_joined_without_shell_lines(tmp_path):
    cells = [
        "%matplotlib inline\n!pip install x\nimport torch\nfiles = !ls\n",
        "%%bash\nrm -rf x\n",
        "%%time\nif True:\n    %load_ext x\ntorch.nn?\n",
        "y = (5\n% 2)\n",
        "def broken(:\n",
        "z = 3",
    ]
    source = notebook(tmp_path / "my net.ipynb", *cells)
    (file,) = source.files
    assert file.module == "my_net" and file.emitted_path == "my_net.py"
    names = {}
    exec(compile(file.text.replace("import torch", ""), "cells", "exec"), names)
    assert (names["files"], names["y"], names["z"]) == (None, 1, 3) and "rm" not in file.text
    assert [path for path, _ in source.skipped] == ["my net.ipynb[cell 5]"]
    line = file.text[: file.text.index("z = 3")].count("\n") + 1
    assert file.position(line) == ("my net.ipynb[cell 6]", 1)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": 3}', "[" * 5000])
def test_a_broken_notebook_is_one_line(tmp_path, text):
    (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(UserError, match="not a notebook"):
        open_source(str(tmp_path / "a.ipynb"))


def test_a_single_file_brings_what_its_imports_mean(tree):
    files = {
        "repo/setup.py": "",
        "repo/net/__init__.py": "",
        "repo/net/parts/__init__.py": "from .act import *\n",
        "repo/net/parts/act.py": "y = 1\n",
        "repo/net/parts/unused.py": "",
        "repo/net/deep/__init__.py": "",
        "repo/net/deep/block.py": "from .near import n\nfrom ..parts import y\nimport lib.tool\nimport os\n",
        "repo/net/deep/near.py": "",
        "repo/lib/tool.py": "",
        "repo/net/deep/other.py": "",
    }
    source = tree(files, "repo/net/deep/block.py")
    assert [file.module for file in source.files] == ["net.deep.block"] and source.name == "net"
    around = {file.module for file in source.context}
    assert around == {"net", "net.deep", "net.deep.near", "net.parts", "net.parts.act", "lib.tool"}


def test_a_script_finds_its_neighbours(tree):
    files = {"models/net.py": "from layers import A\nfrom models.more import B\n", "models/layers.py": ""}
    source = tree({**files, "models/more.py": "", "unrelated.py": ""}, "models/net.py")
    assert [file.module for file in source.files] == ["models.net"]
    assert {file.module for file in source.context} == {"models.layers", "models.more"}


def test_a_folder_inside_a_package_knows_the_rest_of_it(tree):
    files = {
        "net/__init__.py": "",
        "net/base.py": "",
        "net/heads/__init__.py": "",
        "net/heads/a.py": "from ..base import B",
    }
    source = tree(files, "net/heads")
    assert [file.module for file in source.files] == ["net.heads", "net.heads.a"]
    assert [file.module for file in source.context] == ["net", "net.base"]


def test_names_that_no_import_can_spell_are_spelled(tree):
    source = tree({"my-net/2d.py": "x = 1\n", "my-net/class.py": "", "my-net/a-b.py": "", "my-net/a_b.py": ""})
    assert [file.module for file in source.files] == ["my_net._2d", "my_net.a_b", "my_net._class"]
    assert source.skipped == (("my-net/a_b.py", "hidden by my-net/a-b.py"),)


def test_a_package_hides_a_module_of_its_name(tree):
    source = tree({"net.py": "", "net/__init__.py": ""})
    assert [file.path for file in source.files] == ["net/__init__.py"]


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"\xef\xbb\xbfx = 1\n", True),
        (b"# -*- coding: latin-1 -*-\nx = '\xe9'\n", True),
        (b"# -*- coding: gbk -*-\nx = '\xc4\xe3'\n", True),
        (b"# -*- coding: rot13 -*-\nk = 1\n", False),
        (b"# -*- coding: unicode_escape -*-\nx = 1\n", False),
        (b"# -*- coding: zlib -*-\nx = 1\n", False),
        (b"# -*- coding: no-such -*-\nx = 1\n", False),
    ],
)
def test_encodings(tmp_path, data, read):
    (tmp_path / "a.py").write_bytes(data)
    (tmp_path / "good.py").write_bytes(b"")
    source = open_source(str(tmp_path))
    assert len(source.files) == 1 + read and len(source.skipped) == 1 - read


def test_odd_files_of_a_folder_are_not_read(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "outside.py").write_text("secret = 1\n")
    (tmp_path / "net" / "link.py").symlink_to(tmp_path / "outside.py")
    (tmp_path / "net" / "loop.py").symlink_to("loop.py")
    os.mkfifo(tmp_path / "net" / "pipe.py")
    (tmp_path / "net" / "good.py").write_text("")
    source = open_source(str(tmp_path / "net"))
    assert [file.path for file in source.files] == ["good.py"] and len(source.skipped) == 3


def test_the_commit_of_a_checkout_is_its_version(tmp_path):
    (tmp_path / ".git" / "refs" / "heads").mkdir(parents=True)
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / ".git" / "refs" / "heads" / "main").write_text("0123456789abcdef0123456789abcdef01234567\n")
    (tmp_path / "a.py").write_text("")
    assert open_source(str(tmp_path)).version == "commit 0123456789ab"


def test_a_class_after_a_colon(tmp_path):
    (tmp_path / "odd:name").mkdir()
    assert split_class("timm:Mlp") == ("timm", "Mlp") and split_class("timm") == ("timm", None)
    assert split_class(str(tmp_path / "odd:name")) == (str(tmp_path / "odd:name"), None)
