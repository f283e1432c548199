"""A training that was stopped goes on as if it had not been: bit for bit, from a file or from a series."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jnas.training.checkpoints import CheckpointSeries
from jnas.training.data import Dataset
from jnas.training.loop import Fit, fit
from jnas.training.recipes import Recipe
from jnas.training.snapshots import Snapshot, SnapshotFile, Snapshots
from translators.diagnostics import UserError
from translators.runtime import nn

RECIPE = Recipe(epochs=3, batch_size=16, learning_rate=0.1, crop_padding=1, average=0.9)
Make = Callable[..., nn.Module]


class Stopped(Exception):
    pass


class StoppingAt:
    """Saves where `inner` does, and ends the training right after save number `number`."""

    def __init__(self, inner: Snapshots, number: int):
        self.inner, self.left = inner, number

    def load(self, carry: object) -> Snapshot | None:
        return self.inner.load(carry)

    def save(self, snapshot: Snapshot) -> None:
        self.inner.save(snapshot)
        self.left -= 1
        if not self.left:
            raise Stopped


def numbers(fitted: Fit) -> list:
    return [(e.train_loss, e.train_accuracy, e.accuracy, e.loss) for e in fitted.curve]


def assert_same(one: Fit, other: Fit) -> None:
    assert numbers(one) == numbers(other)
    assert all(np.array_equal(array, other.state[name]) for name, array in one.state.items())


@pytest.fixture
def whole(dataset: Dataset, make_model: Make) -> Fit:
    return fit(make_model(dropout=0.2), dataset, RECIPE, seed=3)


@pytest.mark.parametrize(
    ("kind", "saves", "every"), [("file", 1, 0.5), ("file", 4, 1 / 3), ("file", 2, 1), ("series", 3, 0.5)]
)
def test_a_stopped_training_ends_like_one_that_was_not(
    kind: str, saves: int, every: float, whole: Fit, dataset: Dataset, make_model: Make, tmp_path: Path
) -> None:
    place = SnapshotFile(tmp_path / "rung.npz") if kind == "file" else CheckpointSeries(tmp_path / "series")
    with pytest.raises(Stopped):
        stopping = StoppingAt(place, saves)
        fit(make_model(dropout=0.2), dataset, RECIPE, seed=3, snapshots=stopping, save_every=every)
    steps = []
    model = make_model(dropout=0.2)
    resumed = fit(model, dataset, RECIPE, seed=3, snapshots=place, progress=lambda *call: steps.append(call[1]))
    assert steps == list(range(round(saves * every * 6) + 1, 19))
    assert_same(whole, resumed)


def test_fewer_epochs_first_and_the_others_later_are_the_same_training(
    whole: Fit, dataset: Dataset, make_model: Make, tmp_path: Path
) -> None:
    rung = SnapshotFile(tmp_path / "rung.npz")
    first = fit(make_model(dropout=0.2), dataset, RECIPE, seed=3, snapshots=rung, epochs=1)
    assert numbers(first) == numbers(whole)[:1] and first.accuracy == whole.curve[0].accuracy
    later = fit(make_model(dropout=0.2), dataset, RECIPE, seed=3, snapshots=rung)
    assert_same(whole, later)
    assert later.seconds_compile > first.seconds_compile and later.seconds_train > first.seconds_train  # sums
    again = fit(make_model(seed=8), dataset, RECIPE, seed=3, snapshots=rung)
    assert_same(whole, again)


def test_a_damaged_file_is_told_and_the_training_begins_anew(
    whole: Fit, dataset: Dataset, make_model: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rung = SnapshotFile(tmp_path / "rung.npz")
    fit(make_model(dropout=0.2), dataset, RECIPE, seed=3, snapshots=rung, epochs=1)
    content = bytearray(rung.path.read_bytes())
    content[len(content) // 2] ^= 1
    rung.path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert_same(whole, fit(make_model(dropout=0.2), dataset, RECIPE, seed=3, snapshots=rung))
    assert "damaged" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Orbax leaves reads of bad files behind
@pytest.mark.parametrize("damage", ["bit", "cut", "half written"])
def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(
    damage: str, whole: Fit, dataset: Dataset, make_model: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    series = CheckpointSeries(tmp_path / "series")
    with pytest.raises(Stopped):
        fit(make_model(dropout=0.2), dataset, RECIPE, seed=3, snapshots=StoppingAt(series, 5), save_every=0.5)
    names = sorted(path.name for path in series.folder.iterdir() if path.is_dir())
    assert names == ["000002.00000000", "000002.00000003"]
    newest = series.folder / names[-1]
    if damage == "half written":
        newest.with_name(f"{newest.name}.json").unlink()
    else:
        largest = max((path for path in newest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
        content = bytearray(largest.read_bytes())
        content[len(content) // 2] ^= 1
        largest.write_bytes(content if damage == "bit" else content[: len(content) // 2])
    steps: list[int] = []
    with caplog.at_level(logging.WARNING, "jnas.training.checkpoints"):
        resumed = fit(
            make_model(dropout=0.2),
            dataset,
            RECIPE,
            seed=3,
            snapshots=series,
            progress=lambda *call: steps.append(call[1]),
        )
    assert steps[0] == 13
    assert damage == "half written" or f"{newest.name}: passed over" in caplog.text
    assert_same(whole, resumed)
    series.remove()
    assert not series.folder.exists()


def test_the_state_of_another_network_is_refused(dataset: Dataset, make_model: Make, tmp_path: Path) -> None:
    rung = SnapshotFile(tmp_path / "rung.npz")
    fit(make_model(), dataset, RECIPE, seed=3, snapshots=rung, epochs=1)
    with pytest.raises(UserError, match=r"rung\.npz: holds the state of another network or recipe"):
        fit(make_model(), dataset, replace(RECIPE, average=0.0), seed=3, snapshots=rung)
