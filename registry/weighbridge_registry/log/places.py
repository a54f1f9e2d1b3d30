# SPDX-License-Identifier: Apache-2.0
"""Notice that the data were copied, moved or restored, and do not sign until it is safe.

A backup that is put back cannot tell by itself that the log went on after it was made: a registry that
signed on from there would show a second history to everybody who holds a receipt of the first. So a
registry marks the place that it lives in, on both sides: beside its keys (`keys/place.json`) and in
its database. The mark changes at every start and every orderly stop, and it names the key file (inode
and change time) and the database (inode, or PostgreSQL's own identifiers), which no copy shares.

If the two sides do not fit, nothing is signed until the operator shows a checkpoint of this log that
somebody else kept (`serve --saw-checkpoint`), and the log here holds all of its entries. What this
cannot see: a whole disk or machine set back to an earlier image, with its clock and inodes. Witnesses,
asked at each start, do.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from weighbridge import tlog
from weighbridge.atomic import write_atomically
from weighbridge.errors import ConfigurationError, ForkError, LogError, NoteError, ProofError
from weighbridge_registry.store.database import Database
from weighbridge_registry.store.files import DataFolder
from weighbridge_registry.store.locks import FileLock
from weighbridge_registry.store.tables import Checkpoint, Meta

__all__ = ["Place", "check_place", "read_seen"]

_PREFIX: Final = "place/"
_LOCK_SECONDS: Final = 30.0
_LOCK_POLL_SECONDS: Final = 0.05
_MAX_SEEN: Final = 64 * 1024
_POSTGRESQL: Final = (
    "SELECT s.system_identifier::text, c.timeline_id, d.oid::bigint FROM pg_control_system() s, "
    "pg_control_checkpoint() c, pg_database d WHERE d.datname = current_database()"
)


class Place:
    """The mark of where a registry lives. Processes that share a data folder look and mark one at a time."""

    def __init__(self, folder: DataFolder, database: Database) -> None:
        self._file = folder.keys / "place.json"
        self._key = folder.keys / "log.key"
        self._database = database
        self._lock = FileLock(folder.keys / "place.lock")

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep others away from the mark; raises `ConfigurationError` if one keeps us away for long."""
        if self._lock.held:
            yield
            return
        deadline = time.monotonic() + _LOCK_SECONDS
        while not self._lock.acquire():
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"another process holds {self._lock.path}", hint="look what it does, then start again"
                )
            time.sleep(_LOCK_POLL_SECONDS)
        try:
            yield
        finally:
            self._lock.release()

    def problem(self) -> str | None:
        """Say why this may be a copy or a restored backup; None if both sides fit, or none was made yet."""
        mine = self._read()
        with self._database.read() as connection:
            marks = _marks(connection)
            here = self._here(connection)
        if mine is None:
            return "the database was used from another data folder" if marks else None
        marked = marks.get(str(mine.get("id")))
        if marked is None:
            return "the database is older than the data folder, or another"
        if marked.get("nonce") not in (mine.get("now"), mine.get("before")):
            return "database and data folder were last used at different times"
        if marked.get("key") != here["key"]:
            return "the keys were copied, moved or put back"
        if marked.get("database") != here["database"]:
            return "the database was copied, moved or put back"
        return None

    def mark(self) -> None:
        """Write a new mark on both sides. A crash in between leaves two that fit."""
        with self.exclusive():
            self._mark()

    def _mark(self) -> None:
        mine = self._read() or {}
        name, before, now = (
            str(mine.get("id") or secrets.token_hex(8)),
            mine.get("now"),
            secrets.token_hex(16),
        )
        self._write({"id": name, "now": now, "before": before})
        with self._database.write() as connection:
            value = {"nonce": now, **self._here(connection)}
            connection.execute(delete(Meta).where(col(Meta.key) == f"{_PREFIX}{name}"))
            connection.execute(insert(Meta).values(key=f"{_PREFIX}{name}", value=json.dumps(value)))
        self._write({"id": name, "now": now, "before": None})

    def _here(self, connection: Connection) -> dict[str, Any]:
        stat = self._key.stat()
        return {"key": [stat.st_ino, stat.st_ctime_ns], "database": _identity(connection)}

    def _read(self) -> dict[str, Any] | None:
        try:
            value = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def _write(self, value: dict[str, Any]) -> None:
        write_atomically(self._file, json.dumps(value).encode() + b"\n", mode=0o600)


def check_place(
    place: Place, folder: DataFolder, database: Database, verifier: tlog.Verifier, seen: Sequence[bytes]
) -> None:
    """Refuse to go on in a copy of which nobody knows whether it is the newest; then mark the place.

    `seen` are checkpoints or receipts of this log that others kept. Raises `ConfigurationError` (exit 2):
    show one, or, if one is larger than the log here, never sign with this log again. Raises `ForkError`
    if one is of another history. Called before anything is signed.
    """
    with database.read() as connection:
        row = connection.execute(select(col(Checkpoint.size), col(Checkpoint.root))).one()
    data = folder.log.published()
    published = tlog.parse_checkpoint(data, [verifier]) if data is not None else None
    for shown in (read_seen(data, verifier) for data in seen):
        if published is not None and shown.size <= published.size <= row.size:
            # Of the published tree all tiles are here; of a larger one a crash may have left some unwritten.
            _compare(folder, published.size, published.root, shown)
        else:
            _compare(folder, row.size, bytes.fromhex(row.root), shown)
    if published is not None and published.size > row.size:
        return  # `Log.heal` refuses that by its own name, before it signs anything
    with place.exclusive():
        _settle(place, row.size, shown=bool(seen))


def _settle(place: Place, size: int, *, shown: bool) -> None:
    problem = place.problem() if size else None
    if problem is not None and not shown:
        raise ConfigurationError(
            f"this may be a copy or a restored backup: {problem}. Nothing is signed before it is known that "
            f"nobody has seen more of this log than is here (size {size})",
            hint="show the largest checkpoint that somebody else kept, of a mirror, a witness or a receipt: "
            "--saw-checkpoint FILE|URL. See docs/operate.md, Restore",
            evidence={"size": size},
        )
    place.mark()


def read_seen(data: bytes, verifier: tlog.Verifier) -> tlog.SignedCheckpoint:
    """Read a checkpoint of this log, or the one in a receipt; raises `ConfigurationError`."""
    if len(data) > _MAX_SEEN:
        raise ConfigurationError("--saw-checkpoint is longer than any checkpoint")
    try:
        note = tlog.parse_receipt(data).checkpoint if data.startswith(b"c2sp.org/tlog-proof@") else data
        return tlog.parse_checkpoint(note, [verifier])
    except (NoteError, ProofError) as error:
        raise ConfigurationError(
            f"--saw-checkpoint is no checkpoint of the log {verifier.name}: {error.message}",
            hint="give the answer of /checkpoint of a mirror, or a receipt that a publisher has",
        ) from error


def _compare(folder: DataFolder, size: int, root: bytes, shown: tlog.SignedCheckpoint) -> None:
    if shown.size > size:
        raise ConfigurationError(
            f"people have seen {shown.size} entries of this log, and here are only {size}: signing on from "
            "here would be a second history",
            hint="find a newer backup, or copy the rest from a mirror. If there is none, this log has ended: "
            "begin its successor with --successor-of and this checkpoint, in another data folder",
            evidence={"seen": shown.data.decode(errors="replace"), "size": size},
        )
    try:
        found = tlog.TileReader(folder.log.read_tile, size, root).root_at(shown.size)
    except (OSError, LogError) as error:
        raise ConfigurationError(
            f"the tiles here are not complete, so they cannot be compared with what was seen: {error}",
            hint="restore the files from a backup or a mirror; see: weighbridge log fsck",
        ) from error
    if found != shown.root:
        raise ForkError(
            f"the first {shown.size} entries here are not those that the checkpoint shown is of",
            hint="two histories of this log exist: keep both, sign nothing, and tell whoever relies on it",
            evidence={"seen": shown.data.decode(errors="replace"), "root_here": found.hex()},
        )


def _marks(connection: Connection) -> dict[str, dict[str, Any]]:
    query = select(col(Meta.key), col(Meta.value)).where(col(Meta.key).like(f"{_PREFIX}%"))
    return {key.removeprefix(_PREFIX): json.loads(value) for key, value in connection.execute(query)}


def _identity(connection: Connection) -> list[Any]:
    """Name the database itself: no copy or dump of it has the same."""
    if connection.dialect.name == "sqlite":
        name = connection.engine.url.database
        return [Path(name).stat().st_ino] if name else []
    try:
        with connection.begin_nested():
            return list(connection.execute(text(_POSTGRESQL)).one())
    except SQLAlchemyError:  # a server that hides its identifiers: the nonce has to do
        return []
