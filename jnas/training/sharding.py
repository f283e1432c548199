"""Data-parallel training: one program over a mesh of devices, the batch split among them, everything else on each."""

from __future__ import annotations

import os

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jnas.training.liveness import heartbeat
from translators.diagnostics import UserError


def data_mesh(batch_size: int, devices: int | None = None) -> Mesh:
    """A mesh with the axis "data" over the first `devices` devices of all processes; all of them by default.

    Raises UserError if there are fewer, or if a batch does not divide among them.
    """
    available = jax.devices()
    count = len(available) if devices is None else devices
    if not 0 < count <= len(available):
        raise UserError(f"devices = {devices}: expected 1 to {len(available)}, the devices of this machine")
    if batch_size % count:
        raise UserError(
            f"batch_size = {batch_size}: not a multiple of {count} devices; choose a multiple, or fewer devices"
        )
    return jax.make_mesh((count,), ("data",), axis_types=(AxisType.Auto,), devices=available[:count])


def replicated(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec())


def split_over(mesh: Mesh) -> NamedSharding:
    """The first axis, that of examples, split over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def join_processes() -> None:
    """Joins the processes of a launch over several hosts into one, where its environment asks for that.

    A launcher sets JAX_COORDINATOR_ADDRESS (host:port, or "auto" on machines that JAX recognises, such as TPU pods),
    JAX_NUM_PROCESSES and JAX_PROCESS_ID. Without the first nothing happens. JAX itself notices a lost process after
    twice the `liveness.heartbeat()`, so that the watchers, which can name it, come first.
    """
    limit = 2 * heartbeat()
    address = os.environ.get("JAX_COORDINATOR_ADDRESS")
    if address == "auto":
        del os.environ["JAX_COORDINATOR_ADDRESS"]
        jax.distributed.initialize(heartbeat_timeout_seconds=limit)
    elif address:
        count, process = int(os.environ["JAX_NUM_PROCESSES"]), int(os.environ["JAX_PROCESS_ID"])
        jax.distributed.initialize(address, count, process, heartbeat_timeout_seconds=limit)


def is_first_process() -> bool:
    """Whether this process writes what the launch as a whole has to say."""
    return jax.process_index() == 0
