"""Before a search elsewhere: is this host fit, and do all hosts agree? python -m jnas.preflight --help"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import socket
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jnas
from jnas.runs.configuration import to_toml
from jnas.runs.remote import storage
from jnas.search import requested
from translators.diagnostics import UserError

ROOT = Path(jnas.__file__).resolve().parent.parent
PACKAGES = ("jnas", "translators")
COMPARED = ("code", "configuration", "python", "jax", "flax")  # what must be the same on all hosts
RECORD = 2048  # bytes of one host's record when hosts compare over JAX

Record = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the search may start here; 2 and one line when not."""
    options = _parser().parse_args(arguments)
    try:
        print(f"versions: {check_versions(requirements(), metadata.version)}")

        configuration, run_directory = requested(options.search)
        print(f"storage: {check_storage(run_directory, options.skew)}")
        record = describe_host(to_toml(configuration))
        print(f"hosts: {check_agreement(record, options)}")
        print(f"chips: {check_chips(options.chips)}")
    except UserError as error:
        print(f"error: {socket.gethostname()}: {error}", file=sys.stderr)
        return 2
    return 0


def requirements() -> list[str]:
    """What jnas needs, as its installed metadata or its pyproject.toml says it, without extras and conditions."""
    try:
        needed = metadata.requires("jnas") or []
    except metadata.PackageNotFoundError:
        needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    return [line for line in needed if ";" not in line]


def check_versions(needed: Iterable[str], installed: Callable[[str], str]) -> str:
    """Holds installed versions against lines such as `jax>=0.10.2,!=0.11.1`. Raises UserError for the first unfit."""
    for line in needed:
        name, bounds = re.fullmatch(r"([A-Za-z0-9_.-]+)(?:\[.*\])?\s*(.*)", line.strip()).groups()  # type: ignore[union-attr]
        try:
            version = installed(name)
        except metadata.PackageNotFoundError:
            raise UserError(f"{name}: not installed, expected {line}; install jnas again") from None
        for operator, bound in re.findall(r"(>=|!=)\s*([0-9.]+)", bounds):
            ours, theirs = _release(version), _release(bound)
            if (ours < theirs) if operator == ">=" else (ours == theirs):
                raise UserError(f"{name} {version}: expected {line}; install jnas again")
    return f"Python {platform.python_version()}, jax {installed('jax')}, flax {installed('flax')}"


def check_storage(directory: str, largest_skew: float, now: Callable[[], float] = time.time) -> str:
    """Writes, reads and deletes a file where the run will lie, local or remote, and compares clocks by its date.

    Raises UserError when that fails or when the clocks are more than `largest_skew` seconds apart.
    """
    probe = storage(directory) / f".preflight-{socket.gethostname()}-{os.getpid()}"
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.write_text("jnas")
        if probe.read_text() != "jnas":
            raise OSError("what was written is not what is read")
        skew = float(probe.stat().mtime or now()) - now()
        probe.unlink()
    except Exception as error:  # each kind of remote storage raises its own
        reason = getattr(error, "strerror", None) or f"{type(error).__name__} {error}".splitlines()[0]
        raise UserError(
            f"{directory}: cannot be written ({reason}); give a --run-dir that this host may write"
        ) from None
    if abs(skew) > largest_skew:
        way = "behind" if skew > 0 else "ahead of"
        raise UserError(
            f"clock: {abs(skew):.0f} s {way} the storage of {directory}, expected at most {largest_skew:g} s; set it"
        )
    return f"{directory} can be written, clocks {abs(skew):.1f} s apart"


def check_chips(expected: int | None) -> str:
    """Counts the accelerators of this host. Raises UserError when there are not as many as expected."""
    import jax

    try:
        devices = jax.local_devices()
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"chips: JAX finds none ({reason}); is another process holding them?") from None
    found = [device for device in devices if device.platform != "cpu"]
    if expected is not None and len(found) != expected:
        raise UserError(
            f"chips: {len(found)} found, expected {expected}; is another process holding them, or is jax[tpu] missing?"
        )
    return f"{len(found)} of kind {found[0].device_kind}" if found else "none, the CPU will do"


def describe_host(configuration: str) -> dict[str, Any]:
    """What has to be the same on all hosts, and who says it."""
    return {
        "host": socket.gethostname(),
        "code": code_digest(),
        "configuration": _digest([configuration.encode()]),
        "python": platform.python_version(),
        "jax": metadata.version("jax"),
        "flax": metadata.version("flax"),
    }


def code_digest(root: Path = ROOT) -> str:
    """A digest of every source file of the packages, by name and content."""
    files = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    return _digest(part for path in files for part in (str(path.relative_to(root)).encode(), path.read_bytes()))


def check_agreement(record: Record, options: argparse.Namespace) -> str:
    """Compares this host's record with all others'. Raises UserError naming who is missing or differs."""
    if options.hosts < 2:
        return "one"
    if options.shared:
        compare_through(options.shared, record, options.hosts, options.wait)
    else:
        compare_over_jax(record, options.hosts, options.skew)
    return f"{options.hosts} agree on {', '.join(COMPARED)}"


def compare_through(folder: str, record: Record, hosts: int, wait: float, pause: float = 1.0) -> None:
    """Each host leaves its record in a folder that all see; what an earlier start left is given time to be replaced."""
    from etils import epath

    place = epath.Path(folder) / "preflight"
    place.mkdir(parents=True, exist_ok=True)
    mine = place / f"{record['host']}.json"
    draft = place / f".{record['host']}"
    draft.write_text(json.dumps(record))
    draft.replace(mine)  # a record is there whole or not at all
    until = time.monotonic() + wait
    while True:
        newest = float(mine.stat().mtime or 0)
        present = [path for path in sorted(place.glob("*.json")) if abs(float(path.stat().mtime or 0) - newest) <= wait]
        records = [json.loads(path.read_text()) for path in present]
        problem = differences(records, hosts)
        if problem is None:
            return
        if time.monotonic() > until:
            raise UserError(f"{problem} after {wait:g} s; see the log of that host, then resume")
        time.sleep(pause)


def compare_over_jax(record: Record, hosts: int, largest_skew: float) -> None:
    """The same over `jax.distributed`, where the environment names a coordinator."""
    import numpy as np
    from jax.experimental import multihost_utils

    from jnas.training.sharding import join_processes

    if not os.environ.get("JAX_COORDINATOR_ADDRESS"):
        raise UserError(f"--hosts {hosts}: expected --shared DIR or JAX_COORDINATOR_ADDRESS, to compare hosts through")
    try:
        join_processes()
        multihost_utils.sync_global_devices("preflight")
        text = json.dumps({**record, "clock": time.time()}).encode().ljust(RECORD)
        gathered = multihost_utils.process_allgather(np.frombuffer(text, np.uint8))
    except (RuntimeError, ValueError) as error:
        raise UserError(f"hosts: not all of {hosts} came together ({str(error).splitlines()[0]}); resume") from None
    records = [json.loads(bytes(row)) for row in np.asarray(gathered).reshape(-1, RECORD)]
    problem = differences(records, hosts)
    if problem is not None:
        raise UserError(f"{problem}; stop, then submit again")
    clocks = [each["clock"] for each in records]
    if max(clocks) - min(clocks) > largest_skew:
        late = records[clocks.index(min(clocks))]["host"]
        raise UserError(f"clock: hosts are {max(clocks) - min(clocks):.0f} s apart, {late} is last; set its clock")


def differences(records: Sequence[Record], hosts: int) -> str | None:
    """In what the hosts do not agree, or that some are missing; None when all is well."""
    names = [record["host"] for record in records]
    if len(records) < hosts:
        return f"hosts: {len(records)} of {hosts} are there ({', '.join(names)})"
    if len(records) > hosts:
        return f"hosts: {len(records)} are there ({', '.join(names)}), expected {hosts}"
    for field in COMPARED:
        values: dict[str, list[str]] = {}
        for record in records:
            values.setdefault(str(record[field]), []).append(record["host"])
        if len(values) > 1:
            told = "; ".join(f"{value[:12]} on {', '.join(who)}" for value, who in values.items())
            return f"{field} differs between hosts: {told}"
    return None


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jnas.preflight",
        description=(__doc__ or "").splitlines()[0],
        epilog="example: python -m jnas.preflight --chips 4 -- --config quickstart --run-dir runs/quickstart",
    )
    parser.add_argument("--hosts", type=int, default=1, metavar="N", help="hosts that must agree; default 1")
    parser.add_argument("--chips", type=int, metavar="N", help="accelerators that this host must have")
    parser.add_argument("--shared", metavar="DIR", help="a folder or bucket that all hosts see; else JAX is used")
    parser.add_argument("--wait", type=float, default=300.0, metavar="S", help="for the other hosts; default 300")
    parser.add_argument("--skew", type=float, default=30.0, metavar="S", help="most that clocks may differ; default 30")
    parser.add_argument("search", nargs="*", metavar="-- SEARCH ARGUMENT", help="as given to python -m jnas.search")
    return parser


if __name__ == "__main__":
    sys.exit(main())
