from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from jnas.training import weights
from translators.diagnostics import UserError

STATE = {
    "stages.0.conv.weight": np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32),
    "stages.0.norm.num_batches_tracked": np.array(7, np.int32),
}


def test_what_was_saved_is_loaded_and_a_second_save_replaces_it(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "weights"
    weights.save({"old": np.zeros(3)}, folder)
    weights.save(STATE, folder)
    loaded = weights.load(folder)
    assert loaded.keys() == STATE.keys()
    for name, array in STATE.items():
        assert loaded[name].dtype == array.dtype and np.array_equal(loaded[name], array)
    assert [path.name for path in folder.parent.iterdir()] == ["weights"]


def test_no_array_is_written_with_pickle(tmp_path: Path) -> None:
    weights.save(STATE, tmp_path / "weights")
    assert not any(b"\x80\x04\x95" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Orbax leaves reads of bad files behind
def test_missing_and_damaged_weights_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder of weights"):
        weights.load(tmp_path / "none")
    weights.save(STATE, tmp_path / "weights")
    for path in tmp_path.rglob("d/*"):
        path.write_bytes(path.read_bytes()[:5])
    with pytest.raises(UserError, match="cannot be read as weights") as caught:
        weights.load(tmp_path / "weights")
    assert "\n" not in str(caught.value)
    del caught
    gc.collect()
