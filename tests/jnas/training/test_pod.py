"""A launch of four processes, each as on a host of its own: one is killed, one freezes, and the launch goes on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from jnas.training import weights
from jnas.trees.node import Node, network, to_json

PROCESSES, HEARTBEAT = 4, 10
SILENT = f"gave no sign of life for {HEARTBEAT} s"
HOST = socket.gethostname()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tree = network(Node("jnas.ConvNormAct", {"out_channels": 8, "stride": 2}), [Node("jnas.MaxPool")])
    (tmp_path / "tree.json").write_text(json.dumps(to_json(tree)))
    return tmp_path


def arguments(folder: Path, out: str, *more: str) -> list[str]:
    return [
        *("--tree", str(folder / "tree.json"), "--out", str(folder / out), "--recipe", "quick", "--save-every", "1"),
        *("--validation", "0.9", "--score-on", "validation", *more),
    ]


@contextmanager
def launch(options: Sequence[str], processes: int, cache: Path) -> Iterator[list[subprocess.Popen]]:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    common = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_COORDINATOR_ADDRESS": address, "JNAS_CACHE": str(cache)}
    common |= {"JAX_NUM_PROCESSES": str(processes), "JNAS_HEARTBEAT": str(HEARTBEAT)}
    hosts = [
        subprocess.Popen(
            [sys.executable, "-m", "jnas.train", *options],
            env={**common, "JAX_PROCESS_ID": str(process)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for process in range(processes)
    ]
    try:
        yield hosts
    finally:
        for host in hosts:
            signal_host(host, signal.SIGKILL)
            host.wait()


def signal_host(host: subprocess.Popen, number: int) -> None:
    """The watcher and what it watches."""
    with suppress(ProcessLookupError):
        os.killpg(host.pid, number)


def checkpoints(out: Path) -> set[str]:
    return {path.name for path in out.glob("checkpoints/*/*.json")}


def wait_for_another(out: Path, hosts: Sequence[subprocess.Popen]) -> None:
    before, until = checkpoints(out), time.monotonic() + 200
    while not checkpoints(out) - before:
        ended = [host.communicate()[1][-2000:] for host in hosts if host.poll() is not None]
        assert not ended and time.monotonic() < until, f"no checkpoint was written: {ended}"
        time.sleep(0.05)


def assert_they_name(hosts: Sequence[subprocess.Popen], lost: int, what: str) -> None:
    """All hosts but the lost one."""
    for process, host in enumerate(hosts):
        if process != lost:
            said = host.communicate(timeout=12 * HEARTBEAT)[1]
            assert host.returncode == 75, said[-2000:]
            assert f"host {HOST} (process {lost} of {len(hosts)}) {what}" in said.splitlines()[-1], said[-2000:]


def assert_same_weights(folder: Path, one: str, other: str) -> None:
    first, second = (weights.load(folder / out / "weights" / "seed-777") for out in (one, other))
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)


def train(options: Sequence[str], processes: int, cache: Path) -> None:
    with launch(options, processes, cache) as hosts:
        for host in hosts:
            said = host.communicate(timeout=300)[1]
            assert host.returncode == 0, said[-2000:]


def test_three_processes_name_the_coordinator_that_is_killed(folder: Path) -> None:
    with launch(arguments(folder, "out", "--epochs", "99"), PROCESSES, folder) as hosts:
        wait_for_another(folder / "out", hosts)
        signal_host(hosts[0], signal.SIGKILL)
        assert_they_name(hosts, 0, SILENT)
    assert not (folder / "out" / "weights").exists()


@pytest.mark.slow
def test_a_launch_that_was_killed_and_frozen_ends_with_the_weights_of_one_left_alone(folder: Path) -> None:
    options = arguments(folder, "disturbed", "--epochs", "6")
    for process, number in ((1, signal.SIGKILL), (2, signal.SIGSTOP)):
        with launch(options, PROCESSES, folder) as hosts:
            wait_for_another(folder / "disturbed", hosts)
            signal_host(hosts[process], number)
            assert_they_name(hosts, process, SILENT)
        assert not (folder / "disturbed" / "weights").exists()
    train(options, PROCESSES, folder)
    assert not list((folder / "disturbed").glob("hosts-*"))
    train(arguments(folder, "alone", "--epochs", "6"), PROCESSES, folder)
    assert_same_weights(folder, "disturbed", "alone")
