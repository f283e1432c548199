"""Where things lie in a run directory, and how it is written: by one process at a time, whole files atomically."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jnas.library.files import write_atomically as write_atomically
from translators.diagnostics import UserError

MOUNTS = Path("/proc/mounts")
NETWORK_FILE_SYSTEMS = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "afs",
        "ceph",
        "lustre",
        "glusterfs",
        "fuse.sshfs",
        "fuse.gcsfuse",
        "fuse.s3fs",
        "fuse.rclone",
        "fuse.glusterfs",
    ]
)


@dataclass(frozen=True)
class RunDirectory:
    """The layout. `database` is the truth; everything else can be made from it again."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "run.sqlite"

    @property
    def configuration(self) -> Path:
        return self.root / "configuration.toml"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.jsonl"

    @property
    def written(self) -> Path:
        """Blocks that a language model wrote, as it wrote them."""
        return self.root / "written"

    @property
    def knowledge(self) -> Path:
        """The ideas that the run draws from, as they were when it began."""
        return self.root / "knowledge.jsonl"

    @property
    def best_tree(self) -> Path:
        return self.root / "best.json"

    @property
    def best_model(self) -> Path:
        return self.root / "best_model.py"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def weights(self, number: int, seed: int) -> Path:
        """Of one longer training of one candidate."""
        return self.root / "weights" / f"candidate-{number}-seed-{seed}"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the directory and hold it for this process until the block ends; the lock dies with the process.

        Raises UserError when it cannot be written to, lies on a network file system, or another process holds it.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            lock = open(self.root / "lock", "a+")  # noqa: SIM115  closed below, whatever happens
        except OSError as error:
            raise UserError(
                f"{self.root}: cannot write the run there ({error.strerror}); give another --run-dir"
            ) from None
        with lock:
            if (kind := file_system(self.root.resolve())) in NETWORK_FILE_SYSTEMS:
                raise UserError(
                    f"{self.root}: lies on {kind}, where SQLite cannot be trusted; "
                    f"give a local --run-dir, or file://{self.root.resolve()} for a local copy and snapshots"
                )
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                raise UserError(
                    f"{self.root}: process {holder} is working on this run; wait for it or give another --run-dir"
                ) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield


def file_system(path: Path) -> str | None:
    """The type of the file system that holds an absolute path; None where the system does not tell."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    mounts = [(Path(fields[1].replace("\\040", " ")), fields[2]) for fields in map(str.split, lines)]
    # Of two mounts at one place the later one is seen.
    holding = [
        (len(place.parts), index, kind) for index, (place, kind) in enumerate(mounts) if path.is_relative_to(place)
    ]
    return max(holding)[2] if holding else None
