"""Training steps compiled ahead of time for TPU v5e, on a machine without one: libtpu from the package index does it.

The roofline time is the longer of arithmetic and memory traffic at the chip's peaks: 197 TFLOP/s in bfloat16 and
819 GB/s (Google Cloud, "TPU v5e", system architecture). It is a lower bound that a real step does not reach.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from jnas.benchmarks.rows import Row
from jnas.library.store import Library
from jnas.reports.trees import read_tree
from jnas.trees.node import Node
from translators.diagnostics import UserError

TREES = ("resnet8", "resnet20", "resnet32", "mobilenet")
CHIPS = {1: "1x1x1", 4: "2x2x1"}  # hosts of v5e
FLOPS, BYTES = 197e12, 819e9  # a second and chip
SAID = {"TPU_SKIP_MDS_QUERY": "1", "TPU_ACCELERATOR_TYPE": "v5litepod-4", "TPU_WORKER_HOSTNAMES": "localhost"}
SHAPE, CLASSES, IMAGES, BATCH = (3, 32, 32), 10, 50_000, 256  # CIFAR-10 by the recipe of NAS-Bench-201


def measure(tree: Sequence[str] = TREES) -> list[Row]:
    """Flops, bytes, memory and roofline time of a step on 1 and 4 chips. Raises UserError without libtpu."""
    if find_spec("libtpu") is None:
        raise UserError("benchmark tpu-compile: there is no libtpu here; pip install libtpu, it needs no TPU")
    rows = []
    for given in tree:
        name, found, library = read_tree(given, [], lambda: (SHAPE, CLASSES))
        for chips in CHIPS:
            rows += _rows(f"{name}, {chips} chip{'s' * (chips > 1)}", found, library, chips)
    return rows


def _rows(name: str, tree: Node, library: Library, chips: int) -> list[Row]:
    started = time.perf_counter()
    compiled = lowered(tree, library, chips).compile()
    seconds = time.perf_counter() - started
    cost = compiled.cost_analysis() or {}
    memory = compiled.memory_analysis()
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    flops, traffic = cost.get("flops", float("nan")), cost.get("bytes accessed", float("nan"))
    bound = "memory" if traffic / BYTES > flops / FLOPS else "arithmetic"
    return [
        Row(f"{name}: compiled in", seconds, "s", note=f"batch {BATCH}, bfloat16"),
        Row(f"{name}: flops", flops / 1e9, "GFLOP", low=0, note="a chip and step"),
        Row(f"{name}: bytes", traffic / 2**20, "MiB", low=0, note="a chip and step"),
        Row(f"{name}: memory", (held + memory.temp_size_in_bytes) / 2**20, "MiB", high=16 * 2**10, note="of 16 GiB"),
        Row(f"{name}: roofline", 1e3 * max(flops / FLOPS, traffic / BYTES), "ms", note=f"bound by {bound}"),
    ]


def lowered(tree: Node, library: Library, chips: int) -> Any:
    """The training step of `tree` for so many chips of one host, ready to be compiled."""
    from jax.sharding import AxisType, Mesh

    from jnas.models.build import build
    from jnas.training.batches import epoch_batches
    from jnas.training.data import Dataset, Split
    from jnas.training.programs import Programs
    from jnas.training.recipes import RECIPES
    from translators.runtime.functional.convolution import platform

    devices = topology(CHIPS[chips]).devices
    mesh = Mesh(np.array(devices), ("data",), axis_types=(AxisType.Auto,))
    split = Split(np.zeros((BATCH, *SHAPE[1:], SHAPE[0]), np.uint8), np.zeros(BATCH, np.int32))
    names = tuple(map(str, range(CLASSES)))
    dataset = Dataset("blank", split, split, names, (128.0,) * 3, (64.0,) * 3, lambda: split)
    recipe = RECIPES["nasbench201"]
    token = platform.set("tpu")
    try:
        programs = Programs([build(tree, library, SHAPE, CLASSES)], dataset, recipe, mesh)
        batch = epoch_batches(split, recipe, recipe.learning_rates(1), seed=0, epoch=0)
        return programs.lower_step(IMAGES, batch)
    finally:
        platform.reset(token)


def topology(chips: str) -> Any:
    """The devices of a v5e host that is not there. Raises UserError where libtpu cannot describe it."""
    from jax.experimental import topologies

    # libtpu would ask the metadata server of Google Cloud, and wait for it, what it is told here.
    for name, value in SAID.items():
        os.environ.setdefault(name, value)
    bounds = tuple(map(int, chips.split("x")))
    name = f"v5e:{bounds[0]}x{bounds[1]}"
    try:
        return topologies.get_topology_desc(platform="tpu", topology_name=name, chips_per_host_bounds=bounds)
    except Exception as error:  # the C interface of libtpu raises what it likes
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"benchmark tpu-compile: libtpu cannot describe {name}: {reason:.200}") from error
