# SPDX-License-Identifier: Apache-2.0
"""A copy of a log on this machine, consulted by somebody who verifies: `verify --mirror DIR`.

The folder is a mirror's, or a registry's own. Of it only what hashes up to the pinned log's checkpoint is
believed: tiles, entries, bundles and attachments. Its database is not opened at all, because whoever can
write to the folder can write there what they like. What the entries mean is found out by a replay, in a
database of the user's own:

    replays/<log key, trusted Sigstores, schema>/replay.db     facts and views, and how far they go

It is believed as the user's trust store is, in the same folder, and saves the next verification all entries
that the last one read: only what is new is replayed, after a proof that the tree begins with what was read
before.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

import filelock
from sqlalchemy import Connection, insert, select, update
from sqlmodel import col

from weighbridge import tlog
from weighbridge.bundles import Bundle, SigstoreMaterial
from weighbridge.config import config_folder
from weighbridge.errors import (
    ForkError,
    InputError,
    LogError,
    ProofError,
    SignerError,
    UnavailableError,
    UndecidedError,
    WeighbridgeError,
)
from weighbridge.identities import Identity
from weighbridge.records import RecordLine
from weighbridge.stores import make_private_folder
from weighbridge.verification.registries import Replayed
from weighbridge_schemas.api import DigestAnswer, DigestsAnswer, ReleaseDocument, StatementDocument
from weighbridge_schemas.bounds import EVERYTHING
from weighbridge_schemas.release import Release

from .attachments import Slot, decompress, record_file
from .authentication import Authentication
from .log.writing import get_applied, set_applied
from .queries import Queries
from .replaying import FolderSource, Position, Replay, write_batch
from .settings import Limits
from .state import read_candidate
from .store import descent, tables
from .store.database import Database, open_database
from .store.files import DataFolder, LogFiles
from .store.rows import plain
from .store.state import LiveState

__all__ = ["Replica"]

_LOCK_SECONDS: Final = 600.0
_PARENTS: Final = 32
"""Declared parents whose tensor tables are read."""
_BLOB: Final = plain(tables.Blob)
_RELEASE: Final = plain(tables.Release)
_ENTRY: Final = plain(tables.Entry)


class Replica:
    """One copy of one log; answers as a registry does (`weighbridge.verification.registries.Copy`).

    `data` is the folder. `replays` is where replays are kept, by default in the user's config folder.
    `trust_configs` are the private Sigstores whose signers the log admits. Use it in a `with` block, by one
    thread. Raises `InputError` if there is no log in the folder.
    """

    def __init__(
        self,
        data: Path,
        *,
        replays: Path | None = None,
        trust_configs: Sequence[bytes] = (),
        public_sigstore: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._folder = DataFolder(data)
        self._replays = replays if replays is not None else config_folder() / "replays"
        self._trust_configs = tuple(trust_configs)
        self._public_sigstore = public_sigstore
        self._tell = progress or (lambda _done, _total: None)
        self._open = ExitStack()
        self._database: Database | None = None
        self._queries: Queries | None = None
        self._place = Path()
        self._size = 0
        self._replayed: Replayed | None = None
        if self._published() is None:
            raise InputError(
                f"there is no log in {data}",
                hint="give a mirror's folder (weighbridge log mirror URL --data DIR), or a registry's own",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the replay; one that is not kept is gone."""
        self._open.close()

    @property
    def url(self) -> str:
        """The folder, as it was given."""
        return str(self._folder.path)

    def checkpoint(self) -> bytes:
        """Give the checkpoint that the folder shows, unverified; after a replay the one that was replayed."""
        return self._published() or b""

    def replay(self, checkpoint: tlog.SignedCheckpoint, *, keep: bool) -> Replayed:
        """Replay all entries of a verified checkpoint, or those that an earlier replay did not have.

        Without `keep` nothing is left on disk. Raises `LogError` if anything is not what the checkpoint
        commits to, or may not stand where it stands; `UndecidedError` if the copy lacks something, or is
        older than what was replayed before.
        """
        if self._replayed is not None and self._size == checkpoint.size:
            return self._replayed
        self._folder.log = _Shown(self._folder, checkpoint.data)
        self._place = self._make_place(checkpoint.verifier, keep=keep)
        self._database = open_database(f"sqlite:///{self._place / 'replay.db'}", upgrade=None)
        self._open.callback(self._database.close)
        with self._locked(), _told_apart(self.url):
            word_from = self._read_on(self._database, checkpoint)
        self._size = checkpoint.size
        frozen = _Frozen(self._database, self._size)
        self._queries = Queries(frozen, self._folder, checkpoint.verifier, shown=EVERYTHING)
        self._replayed = Replayed(checkpoint.size, word_from)
        return self._replayed

    def release(self, namespace: str, name: str, version: str | None = None) -> ReleaseDocument | None:
        """Describe a release; without `version` the newest."""
        with _told_apart(self.url):
            found = self._asked.release(namespace, name, version)
            if found is None or found.lineage is None or not self._add_tables(found):
                return found
            return self._asked.release(namespace, name, version)

    def provenance(self, namespace: str, name: str, version: str) -> tuple[RecordLine, ...]:
        """Give the record of a release."""
        with _told_apart(self.url):
            found = self._asked.provenance(namespace, name, version)
        if found is None:
            raise UndecidedError(f"{self.url} does not know {namespace}/{name}@{version}")
        return tuple(
            RecordLine(b64decode(one.bundle), b64decode(one.leaf), one.receipt.encode())
            for one in found.lines
        )

    def digest(self, digest: str) -> DigestAnswer:
        """Say what is known of a digest."""
        return self._asked.digest(digest)

    def digests(self, digests: Sequence[str]) -> DigestsAnswer:
        """Say what is known of many digests."""
        return self._asked.digests(digests)

    def statement(self, digest: str) -> StatementDocument | None:
        """Give a statement by its digest."""
        with _told_apart(self.url):
            return self._asked.statement(digest)

    def entries(self, index: int, width: int = tlog.TILE_WIDTH) -> bytes:
        """Give a bundle of entries, unverified."""
        with _told_apart(self.url):
            return self._folder.log.read_entries(index, width)

    def bundle(self, digest: str) -> bytes:
        """Give a bundle, checked against its digest."""
        with _told_apart(self.url):
            return self._folder.bundles.read(digest)

    def reader(self, checkpoint: tlog.SignedCheckpoint) -> tlog.TileReader:
        """Read the tree of a verified checkpoint."""
        return tlog.TileReader(self._folder.log.read_tile, checkpoint.size, checkpoint.root)

    def consistency(self, old: tlog.SignedCheckpoint, new: tlog.SignedCheckpoint) -> None:
        """Show with the copy's tiles that the tree of `new` begins with that of `old`.

        Raises `ForkError` if it does not, `UnavailableError` if the copy does not have the tree of `new`.
        """
        try:
            root = self.reader(new).root_at(old.size)
        except (OSError, ProofError) as error:
            raise UnavailableError(f"{self.url} does not hold the tree of size {new.size}") from error
        if root != old.root:
            raise ForkError(
                f"the log {new.origin} has a tree of size {new.size} that does not begin with that of size "
                f"{old.size}",
                hint="it shows different histories: keep both checkpoints and show them to others",
            )

    @property
    def _asked(self) -> Queries:
        if self._queries is None:
            raise UndecidedError(f"{self.url} was not replayed")
        return self._queries

    def _published(self) -> bytes | None:
        try:
            return self._folder.log.published()
        except OSError as error:
            raise InputError(f"{self._folder.path} cannot be read: {error.strerror}") from error

    def _make_place(self, verifier: tlog.Verifier, *, keep: bool) -> Path:
        """Make the folder of the replay: the log's own, or one that goes with this object."""
        trusted = [hashlib.sha256(config).hexdigest() for config in self._trust_configs]
        named = (verifier.vkey, tables.SCHEMA_VERSION, self._public_sigstore, *sorted(trusted))
        place = self._replays / hashlib.sha256("\n".join(map(str, named)).encode()).hexdigest()[:32]
        if keep:
            try:
                make_private_folder(place)
                keep = os.access(place, os.W_OK)
            except OSError:
                keep = False  # a read-only home: replayed each time, and as good
        if not keep:
            place = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="weighbridge-replay-")))
        return place

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = filelock.FileLock(self._place / "lock", timeout=_LOCK_SECONDS, thread_local=False)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise UndecidedError(
                f"another verification is replaying this log in {self._place}",
                hint="try again when it has ended",
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _read_on(self, database: Database, checkpoint: tlog.SignedCheckpoint) -> int | None:
        """Replay what is new; return the first entry for which only the operator's word stands, or None."""
        with database.read() as connection:
            start = Position(get_applied(connection), bytes.fromhex(_get(connection, "root") or _EMPTY))
            word_from = _get(connection, "word_from")
        if start.size > checkpoint.size:
            raise UndecidedError(
                f"it ends with entry {checkpoint.size - 1}, and this computer has already read "
                f"{start.size:,} entries of that log",
                hint="bring it up to date: weighbridge log mirror URL --data DIR",
                evidence={"size": checkpoint.size, "read": start.size},
            )
        authentication = _Authentication(self._trust_configs, public_sigstore=self._public_sigstore)
        source, state = FolderSource(self._folder), self._open.enter_context(LiveState(database))
        replay = Replay(source, checkpoint, authentication, state, start=start)
        replay.check_start()
        for batch in replay.batches():
            reached = replay.position(batch.entries[-1].index + 1)
            if word_from is None and replay.word_from is not None:
                word_from = str(replay.word_from)
            with database.write() as connection:
                write_batch(connection, batch)
                set_applied(connection, reached.size)
                _put(connection, "root", reached.root.hex())
                if word_from is not None:
                    _put(connection, "word_from", word_from)
            state.renew()
            self._tell(reached.size, checkpoint.size)
        return None if word_from is None else int(word_from)

    def _add_tables(self, found: ReleaseDocument) -> bool:
        """Read the tensor tables of a release and its parents that the copy has and nobody read here yet.

        Nothing is believed of a table but what hashes to the digest that its publisher signed. Returns
        whether there were any.
        """
        database, added = cast("Database", self._database), False
        with self._locked(), database.write() as connection:
            for number, table in self._tables_of(connection, found.statement.removeprefix("sha256:")).items():
                slot = self._slot(connection, number, table)
                try:
                    compressed = self._folder.blobs.read(table)
                except FileNotFoundError:
                    continue
                data = decompress(compressed, slot.limit)
                record_file(connection, self._folder, slot, data, len(compressed))
                added = True
        return added

    def _tables_of(self, connection: Connection, statement: str) -> dict[int, str]:
        """Return the tables, not read yet, of a release and of its declared parents, by their entries."""
        number = connection.execute(
            select(_RELEASE.c.number).where(_RELEASE.c.statement == statement)
        ).scalar()
        links = descent.links(connection, [number]).get(number, []) if number is not None else []
        parents = sorted({link.parent for link in links if link.parent is not None})[:_PARENTS]
        if number is None or not parents:
            return {}
        named = descent.tables_of(connection, [number, *parents])
        query = select(_BLOB.c.sha256).where(_BLOB.c.sha256.in_(list(named.values())))
        known = set(connection.execute(query).scalars())
        return {entry: table for entry, table in named.items() if table not in known}

    def _slot(self, connection: Connection, number: int, table: str) -> Slot:
        row = connection.execute(
            select(_ENTRY.c.bundle, _ENTRY.c.namespace).where(_ENTRY.c.number == number)
        ).one()
        document = read_candidate(self._folder.bundles.read(row.bundle)).document
        release = document if isinstance(document, Release) else None
        return Slot(table, "table", row.namespace, Limits().table_bytes, None, release)


class _Authentication(Authentication):
    """Authentication by the roots that are here, which may be fewer, or older, than the registry's were."""

    def __call__(
        self, bundle: Bundle, *, key: str | None, anchors: tuple[str, ...], received: int
    ) -> Identity:
        """Return who signed; `UndecidedError` for an account that no Sigstore trusted here vouches for."""
        try:
            return super().__call__(bundle, key=key, anchors=anchors, received=received)
        except SignerError as error:
            if not isinstance(bundle.material, SigstoreMaterial):
                raise
            raise UndecidedError(
                "an entry is signed by an account that no Sigstore trusted here vouches for: "
                f"{error.message}",
                hint="name the private Sigstore that this log admits: --trust-config JSON",
                evidence={"bundle": bundle.sha256},
            ) from error


class _Shown(LogFiles):
    """The log's files with the checkpoint that was verified, whatever the folder shows meanwhile."""

    def __init__(self, folder: DataFolder, note: bytes) -> None:
        super().__init__(folder.objects)
        self._note = note

    def published(self, *, newest: bool = True) -> bytes | None:  # noqa: ARG002 - the one that was verified
        return self._note


class _Frozen(Database):
    """A database that is read at one place of the log; another process may have gone on."""

    def __init__(self, database: Database, size: int) -> None:
        super().__init__(database.engine, database.light, database.turn)
        self._size = size

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give one snapshot; raises `UndecidedError` if it is of another place."""
        with super().read() as connection:
            if get_applied(connection) != self._size:
                raise UndecidedError(
                    "another verification read on in a newer copy of the log",
                    hint="try again, with that copy",
                )
            yield connection


@contextmanager
def _told_apart(where: str) -> Iterator[None]:
    """Say of an absent file what it is: a copy that is not whole. All else stays what it is."""
    try:
        yield
    except WeighbridgeError as error:
        if isinstance(error.__cause__, FileNotFoundError) and isinstance(error, LogError):
            raise _not_whole(where, error.__cause__) from error
        raise
    except OSError as error:
        raise _not_whole(where, error) from error


def _not_whole(where: str, error: OSError) -> UndecidedError:
    return UndecidedError(
        f"the copy is not whole: {error.strerror or error}: {Path(str(error.filename or '')).name}",
        hint="see what is wrong with it: weighbridge log fsck --data DIR; then mirror the log anew",
        evidence={"copy": where},
    )


_EMPTY: Final = tlog.EMPTY_ROOT.hex()


def _get(connection: Connection, key: str) -> str | None:
    return connection.execute(select(col(tables.Meta.value)).where(col(tables.Meta.key) == key)).scalar()


def _put(connection: Connection, key: str, value: str) -> None:
    changed = connection.execute(update(tables.Meta).where(col(tables.Meta.key) == key).values(value=value))
    if changed.rowcount == 0:
        connection.execute(insert(tables.Meta).values(key=key, value=value))
