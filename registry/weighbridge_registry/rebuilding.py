# SPDX-License-Identifier: Apache-2.0
"""Make facts and views anew from the log itself: `weighbridge log rebuild`.

Everything is written in one transaction: until it ends, readers and a registry that starts see the
old rows, and an interrupted rebuild leaves them. The two tables of truth (current checkpoint, staged
batch) are kept. If they are lost with the database, or are older than what was published, the
published checkpoint, whose tiles are all here, takes their place: forwards only, and only if the tree
that they knew is the beginning of it.

Nothing is signed here. A batch that a crash left between its steps is finished by the next start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import filelock
from sqlalchemy import Connection, delete, insert, select, update
from sqlmodel import SQLModel, col

from weighbridge import tlog
from weighbridge.errors import ConfigurationError, InputError, LogError, ProofError

from .attachments import remake
from .authentication import Authentication
from .copies import vkey_of
from .log.election import election_of
from .log.writing import set_applied
from .replaying import FolderSource, Replay, write_batch
from .settings import Limits
from .state import Authenticator, digest
from .store import tables
from .store.database import Database, open_database
from .store.files import DataFolder, LogFiles
from .store.state import SqlState, all_facts

__all__ = ["Rebuilt", "elected", "locked", "rebuild", "remake_all"]

Progress: TypeAlias = Callable[[int, int], None]
"""Called with entries done and their total."""

_REMADE: Final[tuple[type[SQLModel], ...]] = (tables.Fact, *tables.VIEWS, *tables.OF_ATTACHMENTS)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was made anew."""

    origin: str
    size: int
    root: str
    state_digest: str
    attachments: int
    restored: bool
    """The checkpoint in the database was lost or older, and is now the published one."""
    staged: int
    """Entries of a batch that a crash left half written: the next start finishes it."""
    problems: tuple[str, ...]
    """Attachments that are on disk, but not what their statements name."""

    def to_json(self) -> dict[str, Any]:
        """Return the document that `log rebuild --json` prints."""
        return {
            "v": 1,
            "origin": self.origin,
            "size": self.size,
            "root": f"sha256:{self.root}",
            "state_digest": f"sha256:{self.state_digest}",
            "attachments": self.attachments,
            "restored": self.restored,
            "staged": self.staged,
            "problems": list(self.problems),
        }


def rebuild(
    data: Path,
    *,
    database_url: str | None = None,
    storage: str | None = None,
    trust_configs: Sequence[bytes] = (),
    public_sigstore: bool = True,
    progress: Progress | None = None,
) -> Rebuilt:
    """Make facts, views and attachments' rows anew from the data folder, or from its storage.

    Raises `InputError` if there is no registry or one is running, here or elsewhere on the database,
    `ConfigurationError` if database
    and files are of two histories, `LogError` if tiles, entries or bundles are not what the checkpoint
    commits to; then nothing has changed.
    """
    authentication = Authentication(trust_configs, public_sigstore=public_sigstore)
    folder = DataFolder.open(data, storage, write=False)
    try:
        return _rebuild(folder, database_url, authentication, progress or (lambda _done, _total: None))
    finally:
        folder.close()


def _rebuild(
    folder: DataFolder, database_url: str | None, authenticate: Authenticator, tell: Progress
) -> Rebuilt:
    if folder.log.published() is None:
        raise InputError(f"there is no registry in {folder.path}", hint="give its data folder with --data")
    verifier = tlog.Verifier.from_vkey(vkey_of(folder))
    with locked(folder):
        database = open_database(database_url or f"sqlite:///{folder.path / 'registry.db'}")
        try:
            with elected(database, folder, verifier.name), database.write() as connection:
                return _Run(connection, folder, verifier).rebuild(authenticate, tell)
        finally:
            database.close()


def remake_all(
    connection: Connection, folder: DataFolder, verifier: tlog.Verifier, authenticate: Authenticator
) -> Rebuilt:
    """Make facts and views anew within the caller's transaction; raises as `rebuild` does."""
    return _Run(connection, folder, verifier).rebuild(authenticate, lambda _done, _total: None)


@contextmanager
def locked(folder: DataFolder) -> Iterator[None]:
    """Hold the lock of a data folder; raises `InputError` while a registry or a mirror has it."""
    lock = filelock.FileLock(folder.lock, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise InputError(
            f"another weighbridge process is working on {folder.path}", hint="stop it first, then try again"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def elected(database: Database, folder: DataFolder, origin: str) -> Iterator[None]:
    """Take the lead of a log without writing to it; raises `InputError` while a process has it.

    Beside PostgreSQL the registries are on other machines, where the lock of a folder says nothing; the
    lead is the one thing that all of them share. Who stands for election meanwhile waits.
    """
    election = election_of(database, folder.path / "sequencer.lock", origin)
    if not election.acquire():
        raise InputError(
            "a registry leads this log on its database",
            hint="stop every registry on that database first, on all machines, then try again",
        )
    try:
        yield
    finally:
        election.release()


class _Run:
    """One rebuild, within its transaction."""

    def __init__(self, connection: Connection, folder: DataFolder, verifier: tlog.Verifier) -> None:
        self._connection = connection
        self._folder = folder
        self._verifier = verifier
        self._published = tlog.parse_checkpoint(folder.log.published() or b"", [verifier])

    def rebuild(self, authenticate: Authenticator, tell: Progress) -> Rebuilt:
        """Do it."""
        current, restored = self._truth()
        staged = self._staged(current.size, lost=restored)
        end = min([current.size, *(start for start, _ in staged)])
        for table in _REMADE:
            self._connection.execute(delete(table))
        state = SqlState(self._connection)
        source = FolderSource(self._folder)
        replay = Replay(source, self._readable(current, end), authenticate, state, end=end)
        if current.size == end and _root_at(replay.reader, end) != current.root:
            raise _two_histories("the published checkpoint is not of the log in the database")
        for batch in replay.batches():
            write_batch(self._connection, batch)
            tell(batch.entries[-1].index + 1, end)
        set_applied(self._connection, end)
        attachments, problems = remake(self._connection, self._folder, Limits())
        return Rebuilt(
            current.origin,
            end,
            replay.position(end).root.hex(),
            digest(all_facts(self._connection)),
            attachments,
            restored,
            sum(count for _, count in staged),
            problems,
        )

    def _truth(self) -> tuple[tlog.SignedCheckpoint, bool]:
        """Return the current checkpoint, and whether it had to be taken from the published file."""
        query = select(col(tables.Checkpoint.note), col(tables.Checkpoint.size))
        row = self._connection.execute(query.with_for_update()).one_or_none()
        self._check_log()
        if row is not None and row.size >= self._published.size:
            return tlog.parse_checkpoint(row.note, [self._verifier]), False
        if row is not None and row.size > 0:
            self._check_extends(tlog.parse_checkpoint(row.note, [self._verifier]))
        values = {
            "size": self._published.size,
            "root": self._published.root.hex(),
            "note": self._published.data,
        }
        if row is None:
            self._connection.execute(insert(tables.Checkpoint).values(id=1, **values))
        else:
            self._connection.execute(update(tables.Checkpoint).values(**values))
        return self._published, True

    def _check_log(self) -> None:
        """Tie a new database to the log key; refuse another log's."""
        meta = col(tables.Meta.key) == "vkey"
        found = self._connection.execute(select(col(tables.Meta.value)).where(meta)).scalar()
        if found is None:
            self._connection.execute(insert(tables.Meta).values(key="vkey", value=self._verifier.vkey))
        elif found != self._verifier.vkey:
            raise _two_histories(f"the database holds the log of {found}")

    def _check_extends(self, older: tlog.SignedCheckpoint) -> None:
        files = self._folder.log
        reader = tlog.TileReader(files.read_tile, self._published.size, self._published.root)
        if _root_at(reader, older.size) != older.root:
            raise _two_histories(f"the published log does not begin with the {older.size} entries in it")

    def _staged(self, size: int, *, lost: bool) -> list[tuple[int, int]]:
        """Return (start, entries) of what a start will finish; drop what is published already.

        Where the database was lost, entries on disk after the published ones were in a signed batch,
        which is staged again: the same leaves give the same tree, and so the same signed bytes.
        """
        rows = self._connection.execute(select(col(tables.Staged.start), col(tables.Staged.leaves))).all()
        kept: list[tuple[int, int]] = []
        for start, data in rows:
            count = _count(data)
            if lost and start + count <= size:
                self._connection.execute(delete(tables.Staged).where(col(tables.Staged.start) == start))
            else:
                kept.append((start, count))
        if lost and not kept and (leaves := _after(self._folder.log, size)):
            self._connection.execute(
                insert(tables.Staged).values(start=size, leaves=tlog.entry_bundle(leaves))
            )
            kept.append((size, len(leaves)))
        return kept

    def _readable(self, current: tlog.SignedCheckpoint, end: int) -> tlog.SignedCheckpoint:
        """Return the checkpoint whose tiles are on disk: the newest batch's may not be there yet."""
        for one in (current, self._published):
            try:
                found = tlog.edge_root(one.size, self._folder.log.read_tile)
            except (OSError, ProofError):
                continue
            if found == one.root and one.size >= end:
                return one
        return current  # its reader will name what is wrong


def _root_at(reader: tlog.TileReader, size: int) -> bytes:
    """Return the root of the first `size` entries; a missing tile is a fault of the log."""
    try:
        return reader.root_at(size)
    except OSError as error:
        raise LogError(
            f"a tile of the log cannot be read: {error}",
            hint="restore the files from a backup or a mirror; see: weighbridge log fsck",
        ) from error


def _count(data: bytes) -> int:
    """Count the leaves of a staged batch."""
    count = place = 0
    while place < len(data):
        place += 2 + int.from_bytes(data[place : place + 2], "big")
        count += 1
    return count


def _after(files: LogFiles, size: int) -> list[bytes]:
    """Return the leaves on disk after the first `size`: of one batch, so in at most two bundles."""
    leaves: list[bytes] = []
    for place in (size // tlog.TILE_WIDTH, size // tlog.TILE_WIDTH + 1):
        known = max(0, size - place * tlog.TILE_WIDTH)
        for width in range(tlog.TILE_WIDTH, known, -1):
            try:
                data = files.read_entries(place, width)
            except FileNotFoundError:
                continue
            leaves += tlog.parse_entry_bundle(data, width)[known:]
            break
        if size + len(leaves) < (place + 1) * tlog.TILE_WIDTH:
            break
    return leaves


def _two_histories(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"database and data folder do not belong together: {what}",
        hint="restore both from the same backup, or move the database away to make it anew from the files",
    )
