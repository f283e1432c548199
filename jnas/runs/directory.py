"""Where things lie in a run directory, and how it is written: by one process at a time, whole files atomically."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from translators.diagnostics import UserError


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

        Raises UserError when it cannot be written to, or when another live process holds it.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            lock = open(self.root / "lock", "a+")  # noqa: SIM115  closed below, whatever happens
        except OSError as error:
            raise UserError(
                f"{self.root}: cannot write the run there ({error.strerror}); give another --run-dir"
            ) from None
        with lock:
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


def write_atomically(path: Path, text: str) -> None:
    """The file is either the old one or the new one, also after a power cut."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
