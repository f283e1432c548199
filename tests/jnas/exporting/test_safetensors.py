from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jnas.exporting import safetensors

ARRAYS = {
    "conv.weight": np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2],
    "norm.num_batches_tracked": np.array(7, np.int64),
    "mask": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float64),
}


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    safetensors.write(ARRAYS, tmp_path / "file")
    found = safetensors.read(str(tmp_path / "file"))
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype and found[name].flags.writeable


def test_the_reference_implementation_reads_the_same(tmp_path: Path) -> None:
    theirs = pytest.importorskip("safetensors.numpy")
    safetensors.write(ARRAYS, tmp_path / "file")
    found = theirs.load_file(tmp_path / "file")
    assert found.keys() == ARRAYS.keys()
    assert all(np.array_equal(found[name], array) for name, array in ARRAYS.items())
