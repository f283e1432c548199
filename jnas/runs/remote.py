"""A run whose directory is a bucket or a network folder: the database lives on a local disk, snapshots of it travel.

SQLite cannot be trusted on such storage, and a bucket has no files to lock. A snapshot has an identity, kept on both
sides: a local copy that is one or more records ahead of its own snapshot goes on; where another machine has continued
meanwhile, its snapshot replaces the copy, which is kept beside.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from jnas.library.store import default_cache
from jnas.runs.directory import RunDirectory, write_atomically
from translators.diagnostics import UserError

INTERVAL = 30.0  # seconds between two snapshots of a run that goes on
STAYS = ("lock", "logs", "run.sqlite", "run.sqlite-wal", "run.sqlite-shm")  # local, or sent in another way
IDENTITY = "snapshot.json"


def is_remote(place: str) -> bool:
    """gs://, s3://, or file:// for a mounted folder."""
    return "://" in place


@contextmanager
def mirrored(place: str, interval: float = INTERVAL) -> Iterator[RunDirectory]:
    """A local directory with the run of `place`, which follows it until the block ends, however it ends.

    Raises UserError where the place cannot be read or, at the end, not be written.
    """
    remote = storage(place)
    name = place.rstrip("/").rpartition("/")[2]
    local = RunDirectory(default_cache() / "runs" / f"{name}-{hashlib.sha256(place.encode()).hexdigest()[:12]}")
    try:
        with local.held():
            _restore(remote, local)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"{place}: cannot be read ({_reason(error)}); give a --run-dir that this host may use"
        ) from None
    ended = threading.Event()

    def follow() -> None:
        sent = None
        while not ended.wait(interval):
            try:
                sent = _send(local, remote, sent)
            except Exception as error:  # each kind of storage raises its own; the next snapshot tries again
                print(f"{place}: no snapshot ({_reason(error)}); the run goes on in {local.root}", file=sys.stderr)

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield local
    finally:
        ended.set()
        follower.join()
        try:
            _send(local, remote, None)
        except Exception as error:
            raise UserError(
                f"{place}: the last snapshot was not written ({_reason(error)}); the run is whole in {local.root}: "
                "the same command on this machine continues it"
            ) from None


def _restore(remote: Any, local: RunDirectory) -> None:
    theirs, ours = _identity(remote / IDENTITY), _identity(local.root / IDENTITY)
    if theirs is None or (ours is not None and theirs["snapshot"] in ours.values()):
        return
    if local.database.exists():
        with closing(sqlite3.connect(local.database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        os.replace(local.database, local.database.with_name(f"run-before-{theirs['snapshot'][:8]}.sqlite"))
    _copy_tree(remote, local.root, skipped=(IDENTITY,))
    write_atomically(local.root / IDENTITY, (remote / IDENTITY).read_text())


def _send(local: RunDirectory, remote: Any, sent: int | None) -> int | None:
    """Send what changed since a database of `sent` changes; the number of its changes now."""
    if not local.database.exists():
        return sent
    snapshot = local.root / ".run.sqlite-snapshot"
    with closing(sqlite3.connect(local.database)) as connection:
        counts = (f"(SELECT count(*) FROM {table})" for table in ("candidates", "results", "finals", "transcript"))
        changes = connection.execute(f"SELECT {' + '.join(counts)}").fetchone()[0]
        if changes == sent:
            return sent
        with closing(sqlite3.connect(snapshot)) as copy:
            connection.backup(copy)
    before = _identity(local.root / IDENTITY) or {}
    identity = json.dumps({"snapshot": uuid.uuid4().hex, "before": before.get("snapshot")}) + "\n"
    remote.mkdir(parents=True, exist_ok=True)
    _copy_tree(local.root, remote, skipped=(*STAYS, IDENTITY, snapshot.name))
    _put(snapshot.read_bytes(), remote / "run.sqlite")
    snapshot.unlink()
    # Ours first, with the one before: killed between the two lines, the next start must not take the place's older
    # identity for the work of another machine.
    write_atomically(local.root / IDENTITY, identity)
    _put(identity.encode(), remote / IDENTITY)
    return changes


def _copy_tree(source: Any, target: Any, skipped: tuple[str, ...] = ()) -> None:
    for path in source.iterdir():
        if path.name in skipped or path.name.endswith(".part"):
            continue
        if path.is_dir():
            (target / path.name).mkdir(parents=True, exist_ok=True)
            _copy_tree(path, target / path.name)
        else:
            _put(path.read_bytes(), target / path.name)


def _put(content: bytes, path: Any) -> None:
    """The file is whole or the old one."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def _identity(path: Any) -> dict[str, str] | None:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def storage(place: str) -> Any:
    """A path object of etils for a local or remote place. Raises UserError."""
    from etils import epath

    try:
        return epath.Path(place.removeprefix("file://"))
    except (ImportError, ValueError) as error:
        raise UserError(f"{place}: cannot be reached ({_reason(error)}); give gs://, s3:// or file://") from None


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or f"{type(error).__name__}: {error}".splitlines()[0]
