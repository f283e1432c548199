"""The converter against a release that speaks as the official one does."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from jnas.benchmarks.cells import read_table

PATH = Path(__file__).resolve().parents[3] / "tools" / "nasbench201_table.py"
OPS = ("nor_conv_3x3", "none")


class Release:
    """All cells of three nodes; accuracies tell what was asked."""

    cells = tuple(itertools.product(OPS, repeat=3))

    def __len__(self) -> int:
        return len(self.cells)

    def arch(self, index: int) -> str:
        a, b, c = self.cells[index]
        return f"|{a}~0|+|{b}~0|{c}~1|"

    def query_meta_info_by_index(self, index: int, hp: str) -> SimpleNamespace:
        return SimpleNamespace(get_dataset_seeds=lambda dataset: [888, 777] if index else [999])

    def get_more_info(self, index: int, dataset: str, hp: str, is_random: int | bool) -> dict[str, float]:
        return {"test-accuracy": index + len(dataset) / 100 + (0 if hp == "200" else 20) + is_random / 1e4}


@pytest.fixture
def converter():
    spec = importlib.util.spec_from_file_location("nasbench201_table", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_one_that_the_benchmark_reads(converter, tmp_path: Path) -> None:
    columns = converter.columns(Release())
    assert [[columns["ops"][i] for i in row] for row in columns["op_edges"]] == [list(cell) for cell in Release.cells]
    assert columns["cifar10_test_200"][3] == pytest.approx(3.07)
    assert columns["cifar10_test_200_trial"][3] == pytest.approx(3.07 + 0.0777)
    assert columns["imagenet16_120_test_12"][2] == pytest.approx(22.14)
    np.savez(tmp_path / "t.npz", **columns)
    space = read_table(tmp_path / "t.npz")
    assert set(space.search) == {f"{name}, {how}" for name in converter.DATASETS for how in ("one trial", "12 epochs")}


def test_a_missing_folder_is_one_line(converter, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nats_bench", SimpleNamespace(create=None))
    assert converter.main([str(tmp_path / "absent"), str(tmp_path / "t.npz")]) == 2
    assert "no such folder" in capsys.readouterr().err
