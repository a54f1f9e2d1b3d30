# SPDX-License-Identifier: Apache-2.0
"""Move a registry into another database, from SQLite to PostgreSQL or back: `weighbridge db move`.

What can't be made from the log is copied: the current signed checkpoint (a crash may have left one that
nobody has seen but a witness), the staged batch, the queue. Facts and views are made anew from the log, and
must be those that the old database has.

    1 keep everybody out    the folder's lock, the lead in both databases
    2 fill the new one      in one transaction, which is not committed yet
    3 fence the old one     it says where the registry has gone, and nothing leads it any more
    4 commit the new one
    5 mark the place        keys and new database belong together

So at no moment two databases can be written, and whatever dies in between: the same command finishes it.
Only the log's objects stay where they are (`log export` moves those). Nothing is signed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, delete, func, insert, select
from sqlmodel import SQLModel, col

from weighbridge import tlog
from weighbridge.errors import ConfigurationError, InputError

from .authentication import Authentication
from .copies import read_copied, vkey_of
from .log.election import begin_term
from .log.places import Place
from .log.writing import get_applied
from .rebuilding import Rebuilt, elected, locked, remake_all
from .state import Authenticator, digest
from .store import tables
from .store.database import Database, check_not_moved, open_database, read_meta
from .store.files import DataFolder
from .store.state import all_facts

__all__ = ["SQLITE", "Moved", "move"]

_TABLES: Final = SQLModel.metadata.tables
SQLITE: Final = "sqlite"
"""How to name the database of the data folder."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What has moved."""

    rebuilt: Rebuilt
    """What was made anew; `staged` entries wait for the next start."""
    waiting: int
    """Submissions of the queue, decided ones among them, that came along."""

    def to_json(self) -> dict[str, Any]:
        """Return the members that `db move --json` adds to the report of fsck."""
        return {
            "size": self.rebuilt.size,
            "staged": self.rebuilt.staged,
            "submissions": self.waiting,
            "attachments": self.rebuilt.attachments,
        }


def move(
    data: Path,
    to: str,
    *,
    database_url: str | None = None,
    storage: str | None = None,
    trust_configs: Sequence[bytes] = (),
    public_sigstore: bool = True,
) -> Moved | None:
    """Move a stopped registry from a database (else SQLite in `data`) `to` another; None if it was there.

    Raises `InputError` if a registry runs or there is none, `ConfigurationError` if the old database may be a
    copy, is older than what was published, or has moved elsewhere, and if the new one is not empty;
    `LogError` if the log is not whole. Then the registry is where it was.
    """
    source = database_url or _sqlite(data)
    target = _sqlite(data) if to == SQLITE else to
    authentication = Authentication(trust_configs, public_sigstore=public_sigstore)
    folder = DataFolder.open(data, storage, write=False)
    try:
        _check_addresses(folder, source, target)
        verifier = tlog.Verifier.from_vkey(vkey_of(folder))
        with _kept(folder, source, target, verifier.name) as (old, new):
            done = _Move(folder, verifier, old, new).run(authentication)
            if done is not None or not _marked(new):
                Place(folder, new).mark()
        return done
    finally:
        folder.close()


@contextmanager
def _kept(folder: DataFolder, source: str, target: str, origin: str) -> Iterator[tuple[Database, Database]]:
    """Open both databases with nobody else at them."""
    with ExitStack() as stack:
        stack.enter_context(locked(folder))
        old = open_database(source)
        stack.callback(old.close)
        new = open_database(target)
        stack.callback(new.close)
        stack.enter_context(elected(old, folder, origin))
        stack.enter_context(elected(new, folder, origin))
        yield old, new


class _Move:
    """One move, with both databases to itself."""

    def __init__(self, folder: DataFolder, verifier: tlog.Verifier, old: Database, new: Database) -> None:
        self._folder = folder
        self._verifier = verifier
        self._old = old
        self._new = new

    def run(self, authenticate: Authenticator) -> Moved | None:
        """Do it; None if it was done before."""
        with self._old.read() as old, self._new.read() as new:
            gone = read_meta(old, "moved")
            there = read_meta(new, "vkey")
            if gone is not None and there == self._verifier.vkey and gone == _name(self._new):
                return None
            self._check_old(old, gone)
            if there is not None or new.execute(select(func.count()).select_from(tables.Entry)).scalar():
                raise ConfigurationError(
                    f"the new database holds a log already: that of {there or 'somebody'}",
                    hint="give an empty database: a move never writes over anything",
                )
        begin_term(self._old)  # a writer that lost its lock unnoticed fails at its next write
        with self._new.write() as new:
            with self._old.read() as old:
                waiting = self._copy(old, new)
                rebuilt = remake_all(new, self._folder, self._verifier, authenticate)
                self._compare(old, rebuilt)
            with self._old.write() as old:
                old.execute(delete(tables.Meta).where(col(tables.Meta.key) == "moved"))
                old.execute(insert(tables.Meta).values(key="moved", value=_name(self._new)))
        return Moved(rebuilt, waiting)

    def _check_old(self, old: Connection, gone: str | None) -> None:
        """Check that the old database is the registry's newest, at its place, and has not gone elsewhere."""
        if gone is not None and gone != _name(self._new):
            check_not_moved(old)
        if read_meta(old, "vkey") != self._verifier.vkey:
            raise InputError(
                f"the old database does not hold the log of {self._folder.path}",
                hint="give with --database-url the one that this registry uses now; leave it out for SQLite",
            )
        published = tlog.parse_checkpoint(self._folder.log.published() or b"", [self._verifier])
        size = old.execute(select(col(tables.Checkpoint.size))).scalar()
        problem = Place(self._folder, self._old).problem()
        if size is None or size < published.size or problem is not None:
            why = problem or "more was published"
            raise ConfigurationError(
                f"the old database may be a copy or a restored backup: {why}",
                hint="start the registry where it is and see what it says, then stop and move it",
            )

    def _copy(self, old: Connection, new: Connection) -> int:
        """Copy what can't be made from the log; return how many submissions came along."""
        for table in (_TABLES["checkpoint"], _TABLES["staged"]):
            rows = [dict(row) for row in old.execute(select(table)).mappings()]
            if rows:
                new.execute(insert(table), rows)
        new.execute(insert(tables.Meta).values(key="vkey", value=self._verifier.vkey))
        queue = _TABLES["submission"]
        columns = [column for column in queue.c if column.name != "number"]  # numbered anew, in their order
        rows = [dict(row) for row in old.execute(select(*columns).order_by(queue.c.number)).mappings()]
        if rows:
            new.execute(insert(queue), rows)
        return len(rows)

    def _compare(self, old: Connection, rebuilt: Rebuilt) -> None:
        """Check that the log says what the old database said."""
        found = digest(all_facts(old))
        if get_applied(old) == rebuilt.size and found != rebuilt.state_digest:
            raise ConfigurationError(
                "the log and the old database disagree about what was decided",
                hint="see what is wrong with weighbridge log fsck; nothing was moved",
                evidence={"database": found, "log": rebuilt.state_digest},
            )


def _check_addresses(folder: DataFolder, source: str, target: str) -> None:
    if read_copied(folder) is not None:
        raise InputError(
            f"{folder.path} is a copy of another's log", hint="a mirror's database is always in its folder"
        )
    if folder.log.published() is None:
        raise InputError(f"there is no registry in {folder.path}", hint="give its data folder with --data")
    if source == _sqlite(folder.path) and not (folder.path / "registry.db").is_file():
        raise InputError(
            f"{folder.path} holds no registry.db",
            hint="say with --database-url where the registry's database is",
        )
    if source == target:
        raise InputError("the registry is there already", hint="give another database with --to")


def _sqlite(data: Path) -> str:
    return f"sqlite:///{data / 'registry.db'}"


def _name(database: Database) -> str:
    """Name a database for people, without a password and without what is only the way to it."""
    url = database.engine.url
    named = URL.create(url.drivername, url.username, host=url.host, port=url.port, database=url.database)
    return named.render_as_string()


def _marked(database: Database) -> bool:
    """Tell whether a registry was ever started on a database, or its move has come to the end."""
    with database.read() as connection:
        query = select(func.count()).select_from(tables.Meta).where(col(tables.Meta.key).like("place/%"))
        return bool(connection.execute(query).scalar())
