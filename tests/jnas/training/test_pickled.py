"""Arrays out of pickles as NumPy writes them, and nothing else out of any pickle. Pickles are written by hand here."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from jnas.training.pickled import read_pickled
from translators.diagnostics import UserError


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def array(values: np.ndarray, protocol: int) -> bytes:
    """As NumPy's __reduce__ has it: _reconstruct(ndarray, (0,), b"b"), then its state."""
    kind = values.dtype.str[1:]
    order = values.dtype.str[0]
    if protocol == 2:
        latin = values.tobytes().decode("latin1")
        content = b"c_codecs\nencode\n" + text(latin) + text("latin1") + b"\x86R"
        empty = b"c_codecs\nencode\n" + text("b") + text("latin1") + b"\x86R"
    else:
        content = b"B" + struct.pack("<I", values.nbytes) + values.tobytes()
        empty = b"C\x01b"
    shape = b"(" + b"".join(b"M" + struct.pack("<H", n) for n in values.shape) + b"t"
    dtype = b"cnumpy\ndtype\n" + text(kind) + b"K\x00K\x01\x87R" + b"(K\x03" + text(order) + b"NNNJ\xff\xff\xff\xff"
    dtype += b"J\xff\xff\xff\xffK\x00tb"
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + empty + b"\x87R"
    return made + b"(K\x01" + shape + dtype + b"\x89" + content + b"tb"


def pickled(values: np.ndarray, labels: list[int], protocol: int) -> bytes:
    numbers = b"](" + b"".join(b"M" + struct.pack("<H", label) for label in labels) + b"e"
    pairs = text("data") + array(values, protocol) + text("labels") + numbers
    return bytes([0x80, protocol]) + b"}(" + pairs + b"u."


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("kind", ["|u1", "<i4", ">f8"])
def test_a_dict_of_an_array_and_a_list(protocol: int, kind: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 200, (4, 6)).astype(kind)
    (tmp_path / "batch").write_bytes(pickled(values, [3, 900], protocol))
    read = read_pickled(tmp_path / "batch")
    assert np.array_equal(read["data"], values) and read["data"].dtype == values.dtype and read["labels"] == [3, 900]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.", "a call of os.system"),
        (b"\x80\x02cos\nsystem\n.", "a name that it would import"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "the opcode NEWOBJ"),
        (b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00O8\x85R.", "a name that it would import"),
        (b"\x80\x02}(", "not a whole pickle"),
        (b"nonsense", "not a whole pickle"),
        (b"", "not a whole pickle"),
    ],
)
def test_everything_else_is_refused_in_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_pickled(tmp_path / "bad")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(UserError, match="cannot be read"):
        read_pickled(tmp_path / "none")
