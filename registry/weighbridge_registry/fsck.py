# SPDX-License-Identifier: Apache-2.0
"""Prove that a log is whole: `weighbridge log fsck`.

    1 checkpoint    signed by the log's key
    2 tiles         each hashes to its entry in its parent, up to the root
    3 entries       each leaf is the one in the tree; its bundle is there and has the leaf's digest
    4 replay        each statement may stand where it stands, by the facts before it
    5 database      facts and views are those of the replay; checkpoint and sizes agree
    6 attachments   each stored file has its digest; tensors listed are those of its table

Steps 1 to 4 are for a data folder and for any registry's address; 5 and 6 for a data folder. The
state digest of step 4 can be compared with anybody else's replay of the same log.
"""

from __future__ import annotations

import gzip
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, create_engine, select
from sqlmodel import SQLModel, col

from weighbridge import tlog, weighing
from weighbridge.errors import BundleError, ConfigurationError, InputError, NoteError, WithheldError

from . import likenesses
from .authentication import Authentication
from .copies import no_log, vkey_of
from .log.writing import get_applied
from .replaying import AddressSource, FolderSource, Replay, Source, write_batch
from .state import Authenticator, digest
from .store import tables
from .store.database import Database, open_database
from .store.files import DataFolder
from .store.state import SqlState, all_facts
from .store.views import shown_name

__all__ = ["Check", "Report", "fsck", "scratch"]

_MAX_PROBLEMS: Final = 20
_SNAPSHOTS: Final = 50
_SNAPSHOT_SECONDS: Final = 0.1
_LONGEST: Final = 300

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the step's name, what is done of it, and its total."""


@dataclass(frozen=True, slots=True)
class Check:
    """One step: what was looked at, and what is wrong with it."""

    name: str
    looked_at: int
    problems: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    """What could not be judged, because its operator withholds it with all that it did."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was proved, or what is wrong.

    `withheld` bundles are held back by logged decisions; from the entry `word_from` on the state rests
    on the operator's word for what they did.
    """

    origin: str
    size: int
    root: str
    state_digest: str
    checks: tuple[Check, ...]
    withheld: int = 0
    word_from: int | None = None
    predecessor: dict[str, Any] | None = None
    """The log that this one continues, as its genesis commits to it."""

    @property
    def ok(self) -> bool:
        """Whether all was judged, and nothing is wrong."""
        return not any(check.problems or check.undecided for check in self.checks)

    @property
    def undecided(self) -> bool:
        """Whether nothing is wrong, but not all could be judged: never a pass."""
        return not self.ok and not any(check.problems for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Return the document that `log fsck --json` prints."""
        return {
            "v": 1,
            "ok": self.ok,
            "origin": self.origin,
            "size": self.size,
            "root": f"sha256:{self.root}",
            "state_digest": f"sha256:{self.state_digest}",
            "withheld": self.withheld,
            "word_from": self.word_from,
            "predecessor": self.predecessor,
            "checks": [
                {
                    "name": one.name,
                    "looked_at": one.looked_at,
                    "problems": list(one.problems),
                    "undecided": list(one.undecided),
                }
                for one in self.checks
            ],
        }


@dataclass
class _Problems:
    """Problems of one step; the first are kept, the rest counted."""

    name: str
    looked_at: int = 0
    found: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    dropped: int = 0

    def add(self, text: str) -> None:
        if len(self.found) < _MAX_PROBLEMS:
            self.found.append(text)
        else:
            self.dropped += 1

    def check(self) -> Check:
        more = (f"and {self.dropped} more",) if self.dropped else ()
        return Check(self.name, self.looked_at, (*self.found, *more), tuple(self.undecided))


def fsck(
    source: Path | str,
    *,
    vkey: str | None = None,
    database_url: str | None = None,
    storage: str | None = None,
    trust_configs: Sequence[bytes] = (),
    public_sigstore: bool = True,
    progress: Progress | None = None,
) -> Report:
    """Check the log of a data folder, or of a registry's address.

    `vkey` is the log's verifier key; it is needed for an address, where nothing else could be
    believed, and read from the data folder otherwise. `database_url` and `storage` are those of the
    registry, if it has not both in the data folder. A registry may go on running meanwhile.
    Raises `InputError` if there is no registry, `NoteError` if the checkpoint is not the log's,
    `UnavailableError` if an address does not answer; what else is wrong is in the report.
    """
    authentication = Authentication(trust_configs, public_sigstore=public_sigstore)
    tell = progress or (lambda _step, _done, _total: None)
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        if vkey is None:
            raise InputError(
                "whose log should this be? An address does not prove it",
                hint="trust the log's key first: weighbridge log trust add URL",
            )
        with AddressSource(source) as address, scratch() as fresh:
            run = _Run(vkey, fresh, tell)
            run.replay(address, address.client.checkpoint(), authentication)
            return run.report()
    folder = DataFolder.open(Path(source), storage, write=False)
    if folder.log.published() is None:
        raise no_log(folder, f"there is no registry in {folder.path}", "give its data folder with --data")
    database = open_database(database_url or f"sqlite:///{folder.path / 'registry.db'}")
    try:
        with _snapshot(database) as (connection, note), scratch() as fresh:
            run = _Run(vkey or vkey_of(folder), fresh, tell)
            run.replay(FolderSource(folder), note, authentication)
            run.published(folder.log.published() or b"")
            run.compare(connection)
            run.attachments(connection, folder)
            return run.report()
    finally:
        database.close()
        folder.close()


class _Run:
    """One check of one log; `fresh` is an empty database for what the replay gives."""

    def __init__(self, vkey: str, fresh: Connection, tell: Progress) -> None:
        self._verifier = tlog.Verifier.from_vkey(vkey)
        self._fresh = fresh
        self._tell = tell
        self._checks: list[Check] = []
        self._complete = True
        self._withheld = 0
        self._word_from: int | None = None
        self._state_digest = ""

    def replay(self, source: Source, note: bytes, authenticate: Authenticator) -> None:
        """Run steps 1 to 4."""
        self.checkpoint = tlog.parse_checkpoint(note, [self._verifier])
        problems = {step: _Problems(step) for step in ("tiles", "entries", "replay")}

        def fault(step: str, where: str, error: Exception) -> None:
            if isinstance(error, WithheldError):
                problems[step].undecided.append(f"{where}: {error}")
            else:
                problems[step].add(f"{where}: {error}")

        replay = Replay(source, self.checkpoint, authenticate, SqlState(self._fresh), fault=fault)
        problems["tiles"].looked_at = replay.check_tiles()
        for batch in replay.batches():
            write_batch(self._fresh, batch)
            self._tell("entries", batch.entries[-1].index + 1, self.checkpoint.size)
        problems["entries"].looked_at, problems["replay"].looked_at = replay.looked_at, replay.applied
        self._checks += [Check("checkpoint", 1), *(one.check() for one in problems.values())]
        self._complete = replay.complete
        self._withheld, self._word_from = replay.withheld, replay.word_from
        self._state_digest = digest(all_facts(self._fresh))

    def published(self, note: bytes) -> None:
        """Check that the checkpoint shown to the world is of the same log; it may have grown since."""
        problems = _Problems("published", looked_at=1)
        try:
            shown = tlog.parse_checkpoint(note, [self._verifier])
            if shown.size < self.checkpoint.size or (
                shown.size == self.checkpoint.size and shown.root != self.checkpoint.root
            ):
                problems.add(
                    f"the checkpoint file is of {shown.size} entries with the root {shown.root.hex()}"
                )
        except NoteError as error:
            problems.add(f"the checkpoint file: {error}")
        self._checks.append(problems.check())

    def report(self) -> Report:
        """Return all that was found."""
        return Report(
            self.checkpoint.origin,
            self.checkpoint.size,
            self.checkpoint.root.hex(),
            self._state_digest,
            tuple(self._checks),
            self._withheld,
            self._word_from,
            (SqlState(self._fresh).get("log/genesis") or {}).get("predecessor"),
        )

    def compare(self, connection: Connection) -> None:
        """Step 5: the database holds what the replay gave."""
        problems = _Problems("database", looked_at=1)
        row = connection.execute(select(col(tables.Checkpoint.size), col(tables.Checkpoint.root))).one()
        if (row.size, row.root) != (self.checkpoint.size, self.checkpoint.root.hex()):
            problems.add(f"its checkpoint is of {row.size} entries with the root {row.root}")
        if not self._complete:
            text = "facts and views cannot be compared: the replay did not reach the end"
            (problems.undecided.append if self._only_undecided() else problems.add)(text)
            self._checks.append(problems.check())
            return
        if digest(all_facts(connection)) != self._state_digest:
            problems.add(_first_fact(self._fresh, connection))
        self._compare_views(connection, problems)
        self._checks.append(problems.check())

    def _only_undecided(self) -> bool:
        return any(one.undecided for one in self._checks) and not any(one.problems for one in self._checks)

    def _compare_views(self, connection: Connection, problems: _Problems) -> None:
        """Compare every row with the views of the replay; of each table the first difference is told."""
        for view in tables.VIEWS:
            wanted, found = _rows(self._fresh, view), _rows(connection, view)
            for one, other in zip_longest(wanted, found):
                problems.looked_at += 1
                if one != other:
                    problems.add(f"table {view.__tablename__}: {_shown(other)} should be {_shown(one)}")
                    break

    def attachments(self, connection: Connection, folder: DataFolder) -> None:
        """Step 6: stored files have their digests."""
        problems = _Problems("attachments")
        query = select(col(tables.Blob.sha256), col(tables.Blob.role), col(tables.Blob.size))
        for row in connection.execute(query.order_by(col(tables.Blob.sha256))).all():
            problems.looked_at += 1
            try:
                data = gzip.decompress(folder.blobs.read(row.sha256))
            except (OSError, EOFError) as error:
                problems.add(f"{row.sha256}: cannot be read: {error}")
                continue
            if hashlib.sha256(data).hexdigest() != row.sha256 or len(data) != row.size:
                problems.add(f"{row.sha256}: the file stored has another digest")
            elif row.role == "table" and not _tensors_agree(connection, row.sha256, data):
                problems.add(f"{row.sha256}: the tensors listed are not those of the table")
        for fault in likenesses.faults(connection, folder):
            problems.add(fault)
        self._checks.append(problems.check())


@contextmanager
def _snapshot(database: Database) -> Iterator[tuple[Connection, bytes]]:
    """Give a database snapshot whose views are complete, and its checkpoint; a registry may go on."""
    for _ in range(_SNAPSHOTS):
        with database.read() as connection:
            query = select(col(tables.Checkpoint.note), col(tables.Checkpoint.size))
            row = connection.execute(query).one()
            if get_applied(connection) == row.size:
                yield connection, row.note
                return
        time.sleep(_SNAPSHOT_SECONDS)
    raise ConfigurationError(
        "the views do not hold all entries of the log",
        hint="start the registry once: it heals what a crash left",
    )


@contextmanager
def scratch() -> Iterator[Connection]:
    """Give an empty database on disk, for a log of any size; it goes when the block ends."""
    with tempfile.TemporaryDirectory(prefix="weighbridge-fsck-") as folder:
        engine = create_engine(f"sqlite:///{folder}/replay.db")
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql("PRAGMA synchronous=OFF")
                SQLModel.metadata.create_all(connection)
                yield connection
        finally:
            engine.dispose()


def _rows(connection: Connection, view: type[SQLModel]) -> Iterator[tuple[Any, ...]]:
    """Yield a view's rows in the order of their keys."""
    table = SQLModel.metadata.tables[str(view.__tablename__)]
    query = select(table).order_by(*table.primary_key)
    for row in connection.execute(query, execution_options={"yield_per": 1000}):
        yield tuple(row)


def _first_fact(fresh: Connection, connection: Connection) -> str:
    """Say which fact is the first that differs."""
    for one, other in zip_longest(all_facts(fresh), all_facts(connection)):
        if one != other:
            return f"its fact {_shown(other)} should be {_shown(one)}"
    return "its facts differ from those of the replay"


def _tensors_agree(connection: Connection, table: str, data: bytes) -> bool:
    """Tell whether the look-up table of tensors is that of the stored tensor table."""
    query = (
        select(col(tables.Tensor.sha256), col(tables.Tensor.name))
        .where(col(tables.Tensor.table) == table)
        .order_by(col(tables.Tensor.position))
    )
    listed = (
        (row.sha256, row.name) for row in connection.execute(query, execution_options={"yield_per": 1000})
    )
    try:
        tensors = weighing.read_tensor_table(data)
    except BundleError:
        return False
    stored = ((one.sha256, shown_name(one.name)) for one in tensors)
    return all(one == other for one, other in zip_longest(listed, stored)) and likenesses.pieces_agree(
        connection, table, tensors
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
