import json
import subprocess
import sys
from dataclasses import replace

import pytest

from jnas.library.block import Block, Contract, Parameter
from jnas.library.declarations import OWN_BLOCKS
from jnas.library.store import LIBRARY_FILE, block_from_json, block_to_json, default_cache, open_library
from translators.diagnostics import UserError

MINED = Block(
    "pkg.m.Gate",
    "attention",
    (Parameter("dim", "input width", required=True), Parameter("window", "size", (7, 7), domain=((4, 4), (7, 7)))),
    Contract(input_width=("dim",), sizes=(("window", "window"),), expansion=0.5, supplied={"shape": (1, 2)}),
    "Gates.",
    {"package": "pkg", "lines": (3, 9)},
)


def write(folder, *blocks):
    folder.mkdir()
    (folder / LIBRARY_FILE).write_text(json.dumps({"blocks": [block_to_json(block) for block in blocks]}))
    return folder


def test_a_record_survives_json():
    restored = block_from_json(json.loads(json.dumps(block_to_json(MINED))), None)
    assert restored == MINED
    assert hash(restored.parameters) == hash(MINED.parameters)


def test_a_library_holds_our_blocks_and_those_of_its_folders(tmp_path):
    unplaced = replace(MINED, name="pkg.m.Odd", contract=None)
    library = open_library([write(tmp_path / "a", MINED, unplaced)])
    layers = {name for name in library if name.startswith("nn.")}  # of the runtime, as parts of mined models
    assert set(library) - layers == {*OWN_BLOCKS, "pkg.m.Gate", "pkg.m.Odd"}
    assert not any(library[name].placeable for name in layers)
    assert library["pkg.m.Gate"].mined and not library["jnas.MaxPool"].mined
    assert library["pkg.m.Gate"].folder == str(tmp_path / "a" / "modules")
    assert {block.name for block in library.placeable()} == {*OWN_BLOCKS, "pkg.m.Gate"}


def test_the_fingerprint_is_of_content_not_of_place(tmp_path):
    one, same = open_library([write(tmp_path / "a", MINED)]), open_library([write(tmp_path / "b", MINED)])
    other = open_library([write(tmp_path / "c", replace(MINED, family="mixer"))])
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert open_library().fingerprint not in (one.fingerprint, other.fingerprint)


@pytest.mark.parametrize("text", [None, "", "{}", '{"blocks": [{"name": "x"}]}', "[]"])
def test_a_folder_without_a_whole_library_is_bad_input(tmp_path, text):
    if text is not None:
        (tmp_path / LIBRARY_FILE).write_text(text)
    with pytest.raises(UserError, match=r"not a block library.*jnas\.mine"):
        open_library([tmp_path])


def test_the_cache_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path))
    assert default_cache() == tmp_path


def test_opening_and_binding_need_no_jax():
    code = (
        "import sys; from jnas.library.store import open_library; from jnas.library.binding import output_shape\n"
        "output_shape(open_library()['jnas.ConvNormAct'], {}, (8, 4, 4)); assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
