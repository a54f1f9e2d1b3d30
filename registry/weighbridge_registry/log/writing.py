# SPDX-License-Identifier: Apache-2.0
"""The order of writes, which makes a log that survives its own crashes (after Sunlight).

    1 stage    the batch's leaves are durable, in a row that only one batch can have at that size
    2 swap     the signed checkpoint replaces the one before, if that is still the current one
    3 tiles    tiles and bundles of entries are durable on disk
    4 publish  the witnesses are asked to cosign, and the checkpoint file names the new tree
    5 apply    facts, views and outcomes are written and the staged row goes, in one transaction
    6 answer

Nothing is signed before its batch is staged, and a staged batch is always finished, never
replaced: so there is never a second tree to sign for one size. The bundles themselves are
durable before 1. A crash after 1 is healed by doing what is left (`heal`); each step may be done
twice. Two processes cannot both pass 1 for one size, nor both pass 2.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import col

from weighbridge import tlog
from weighbridge.errors import ConfigurationError, ForkError, LogError
from weighbridge_registry.store.database import Database
from weighbridge_registry.store.files import LogFiles
from weighbridge_registry.store.tables import Checkpoint, Meta, Staged

from .cosigners import Cosigners, Prove
from .edges import Edge, Growth

__all__ = ["STEPS", "ApplyBatch", "Log", "LostRaceError"]

STEPS: Final = ("staged", "swapped", "tiles", "published", "applied")
"""After each of these the hook of a `Log` is called: tests crash the process there."""

# Statements are made once: to make one costs SQLAlchemy as much as to run it.
_CURRENT: Final = select(col(Checkpoint.size), col(Checkpoint.root)).where(col(Checkpoint.id) == 1)
_CURRENT_LOCKED: Final = _CURRENT.with_for_update()
_STAGE: Final = insert(Staged)
_UNSTAGE: Final = delete(Staged).where(col(Staged.start) == bindparam("batch"))
_SWAP: Final = (
    update(Checkpoint)
    .where(col(Checkpoint.id) == 1, col(Checkpoint.size) == bindparam("before"))
    .values(size=bindparam("after"), root=bindparam("tree"), note=bindparam("signed"))
)
_APPLIED: Final = select(col(Meta.value)).where(col(Meta.key) == "applied")
_SET_APPLIED: Final = update(Meta).where(col(Meta.key) == "applied").values(value=bindparam("entries"))

ApplyBatch: TypeAlias = Callable[[Connection, int, Sequence[bytes]], None]
"""Writes facts and views of a batch, given its start and leaves, within a transaction."""


class LostRaceError(LogError):
    """Another process writes this log. This one must stop writing; nothing it did is lost."""


class Log:
    """One log's tree, on disk and in the two small tables. One thread may append at a time."""

    def __init__(
        self,
        database: Database,
        files: LogFiles,
        signer: tlog.Signer,
        hook: Callable[[str], None] | None = None,
        cosigners: Cosigners | None = None,
    ) -> None:
        self._database = database
        self._files = files
        self._signer = signer
        self._hook = hook or (lambda _step: None)
        self._cosigners = cosigners
        self._edge: Edge | None = None

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._signer.name

    def size(self) -> int:
        """Entries in the current checkpoint, as the database has it."""
        return self.head()[0]

    def head(self) -> tuple[int, bytes]:
        """Size and root hash of the current checkpoint, as the database has it."""
        with self._database.read() as connection:
            size, root = _current(connection)
        return size, bytes.fromhex(root)

    def append(self, start: int, leaves: Sequence[bytes], apply: ApplyBatch) -> None:
        """Add a batch at `start`, which must be the current size; returns when it is published.

        Raises `LostRaceError` if another process was faster. After any other error the batch may
        or may not have been added: call `heal` before the next one.
        """
        try:
            with self._database.write() as connection:
                size, root = _current(connection, lock=True)
                if size != start:
                    raise _lost(start)
                connection.execute(_STAGE, {"start": start, "leaves": tlog.entry_bundle(leaves)})
        except IntegrityError as error:
            raise _lost(start) from error
        self._hook("staged")
        self._finish(start, root, list(leaves), apply)

    def heal(self, apply: ApplyBatch) -> None:
        """Finish what a crash left undone, and check that disk and database are of one log.

        Raises `ConfigurationError` if they are not: a part was restored from another backup.
        """
        self._edge = None
        self._files.forget()
        with self._database.read() as connection:
            size, root = _current(connection)
            staged = connection.execute(select(col(Staged.start), col(Staged.leaves))).all()
        if len(staged) > 1:
            raise _disagree("the database has two staged batches")
        self._check_published(size)
        for start, data in staged:
            leaves = _entries(data)
            if start == size:
                self._finish(start, root, leaves, apply)
            elif start + len(leaves) == size:
                growth = self._edge_of(start, None).grow(leaves)
                if growth.after.root.hex() != root:
                    raise _disagree(f"the tiles stored are not those of the tree of {size} entries")
                self._write(growth, leaves, self._note(), apply)
            else:
                raise _disagree(f"a batch is staged at {start}, but the log has {size} entries")
        self._check_tree()

    def _finish(self, start: int, root: str, leaves: list[bytes], apply: ApplyBatch) -> None:
        """Sign and swap, then write. What is signed grows from the tree with the current root."""
        growth = self._edge_of(start, root).grow(leaves)
        size, new_root = growth.after.size, growth.after.root
        note = tlog.sign_checkpoint(tlog.Checkpoint(self.origin, size, new_root), self._signer)
        try:
            with self._database.write() as connection:
                swapped = connection.execute(
                    _SWAP, {"before": start, "after": size, "tree": new_root.hex(), "signed": note}
                )
                if swapped.rowcount != 1:
                    raise _lost(start)
        except OperationalError as error:
            if self._database.is_sqlite:
                raise
            raise _lost(start) from error  # PostgreSQL: could not serialize access
        self._hook("swapped")
        self._write(growth, leaves, note, apply)

    def _write(self, growth: Growth, leaves: list[bytes], note: bytes, apply: ApplyBatch) -> None:
        """Tiles, checkpoint file, views: what the current checkpoint, `note`, promises."""
        start = growth.before.size
        self._files.append(start, leaves, growth.tiles, growth.before.entries)
        self._hook("tiles")
        self._publish(note)
        self._hook("published")
        with self._database.write() as connection:
            apply(connection, start, leaves)
            connection.execute(_UNSTAGE, {"batch": start})
            set_applied(connection, growth.after.size)
        self._edge = growth.after
        self._hook("applied")

    def _note(self) -> bytes:
        """Return the current checkpoint as it was signed."""
        with self._database.read() as connection:
            note: bytes = connection.execute(select(col(Checkpoint.note))).scalar_one()
        return note

    def _edge_of(self, size: int, root: str | None) -> Edge:
        """Return the edge of the tree of `size` entries: as this process left it, or read and proved."""
        if self._edge is not None and (self._edge.size, self._edge.root.hex()) == (size, root):
            return self._edge
        wanted = bytes.fromhex(root) if root is not None else None
        try:
            return Edge.read(size, wanted, self._files.read_tile, self._files.read_entries)
        except FileNotFoundError as error:
            raise _disagree(f"the tile {error.filename} is missing") from error
        except LogError as error:
            raise _disagree(error.message) from error

    def refresh(self) -> None:
        """Ask every witness to cosign the published checkpoint again, and publish what came of it.

        Only the process that sequences may do so. A tree that was published in the meantime stays.
        """
        before = self._files.published()
        if before is None or self._cosigners is None:
            return
        fresh = self._cosigners.cosign(before, self._prover(before), everybody=True)
        if fresh != before and self._files.published() == before:
            try:
                self._files.publish(fresh)
            except ForkError:
                raise
            except LogError:
                return  # a larger tree was published meanwhile, and stays

    def _publish(self, note: bytes) -> None:
        """Show a checkpoint to the world, after its tiles are durable, with the cosignatures to be had.

        Cosignatures that are on the published checkpoint of the same tree stay.
        """
        text, _ = tlog.split_note(note)
        shown = self._files.published()
        if shown is not None and tlog.split_note(shown)[0] == text:
            note = shown
        if self._cosigners is not None:
            note = self._cosigners.cosign(note, self._prover(note))
        self._files.publish(note)

    def _prover(self, note: bytes) -> Prove:
        """Give consistency proofs to a checkpoint's tree, to several threads, every tile verified."""
        checkpoint = tlog.parse_checkpoint(note, [self._signer.verifier])
        reader = tlog.TileReader(self._files.read_tile, checkpoint.size, checkpoint.root)
        lock = threading.Lock()

        def prove(old_size: int) -> Sequence[bytes]:
            with lock:
                return reader.consistency_proof(old_size)

        return prove

    def _check_published(self, size: int) -> None:
        """Refuse to go on below a checkpoint that was already published."""
        data = self._files.published()
        if data is None:
            return
        shown = tlog.parse_checkpoint(data, [self._signer.verifier])
        if shown.size > size:
            raise _disagree(
                f"this log has already published {shown.size} entries, but the database has {size}"
            )

    def _check_tree(self) -> None:
        with self._database.read() as connection:
            size, root = _current(connection)
            applied = get_applied(connection)
        if applied != size:
            raise _disagree(f"the views hold {applied} of {size} entries")
        if size == 0:
            return
        self._edge = self._edge_of(size, root)
        if self._files.reaches_beyond(size):
            raise _disagree(f"the storage holds entries after the {size} of the database")
        self._check_shown(size, root)

    def _check_shown(self, size: int, root: str) -> None:
        """Check the published checkpoint; one that is missing or older is published again."""
        data = self._files.published()
        shown = tlog.parse_checkpoint(data, [self._signer.verifier]) if data is not None else None
        if shown is None or shown.size < size:
            self._publish(self._note())
        elif shown.root.hex() != root:
            raise _disagree("the published checkpoint is not the one in the database")


def get_applied(connection: Connection) -> int:
    """Return how many entries the facts and views hold."""
    value = connection.execute(_APPLIED).scalar()
    return int(value or 0)


def set_applied(connection: Connection, size: int) -> None:
    """Write how many entries the facts and views hold."""
    changed = connection.execute(_SET_APPLIED, {"entries": str(size)})
    if changed.rowcount == 0:
        connection.execute(insert(Meta).values(key="applied", value=str(size)))


def _current(connection: Connection, *, lock: bool = False) -> tuple[int, str]:
    row = connection.execute(_CURRENT_LOCKED if lock else _CURRENT).one()
    return row[0], row[1]


def _entries(data: bytes) -> list[bytes]:
    """Read a staged bundle of entries, whose number is not stored beside it."""
    count, place = 0, 0
    while place < len(data):
        place += 2 + int.from_bytes(data[place : place + 2], "big")
        count += 1
    return tlog.parse_entry_bundle(data, count)


def _lost(start: int) -> LostRaceError:
    return LostRaceError(
        f"another process has added entry {start} to this log",
        hint="run one registry on a data folder and database; this one has stopped writing",
    )


def _disagree(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"database and storage do not belong together: {what}",
        hint="give the --data, --database-url and --storage of one registry, or restore all from one backup "
        "that is not older than the last published checkpoint",
    )
