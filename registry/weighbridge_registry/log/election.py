# SPDX-License-Identifier: Apache-2.0
"""Who may sequence: a lock for liveness, a term for safety.

The lock makes it likely that one process leads: a file beside SQLite, an advisory lock on a
session of PostgreSQL. Locks can be lost without their holder noticing. So a new leader raises the
term in the database, and each transaction of a leader begins by checking that the term is still
its own (`Fenced`): who lost the lead finds out at its next write, before anything of it stands.
Below both, the log's compare-and-swap admits one batch for each size (`log.writing`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import Connection, Engine, create_engine, insert, select, text, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlmodel import col

from weighbridge_registry.store.database import Database
from weighbridge_registry.store.locks import FileLock
from weighbridge_registry.store.tables import Meta

from .writing import LostRaceError

__all__ = ["Election", "Fenced", "FileElection", "PostgresElection", "begin_term", "election_of"]

_TERM: Final = select(col(Meta.value)).where(col(Meta.key) == "term")
_TERM_SHARED: Final = _TERM.with_for_update(read=True)


class Election(Protocol):
    """A lock that at most one process has, as far as it can tell. Used by one thread."""

    def acquire(self) -> bool:
        """Try to get the lead; tell whether this process has it. Never waits."""
        ...

    def held(self) -> bool:
        """Tell whether this process still has it."""
        ...

    def release(self) -> None:
        """Give the lead up."""
        ...

    def taken(self, connection: Connection) -> bool:
        """Tell whether any process leads. May be asked by any thread."""
        ...


def election_of(database: Database, lock: Path, origin: str) -> Election:
    """Return the election that fits a database; `lock` is the file that SQLite's uses."""
    if database.is_sqlite:
        return FileElection(lock)
    return PostgresElection(database.engine, origin)


class FileElection:
    """A lock file: for processes of one machine, beside SQLite."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path)

    def acquire(self) -> bool:
        """Take the file if it is free."""
        return self._lock.acquire()

    def held(self) -> bool:
        """Tell whether this process has the file; the kernel takes it from nobody."""
        return self._lock.held

    def release(self) -> None:
        """Let go of the file."""
        self._lock.release()

    def taken(self, connection: Connection) -> bool:  # noqa: ARG002 - the file knows
        """Tell whether any process has the file."""
        return self._lock.taken()


class PostgresElection:
    """An advisory lock, held by a session that has no other purpose. It ends with the session."""

    def __init__(self, engine: Engine, origin: str) -> None:
        # A connection of its own, outside the pool: it is open for as long as this process leads.
        self._engine = create_engine(
            engine.url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={
                "connect_timeout": 10,
                "keepalives": 1,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
            },
        )
        digest = hashlib.sha256(f"weighbridge/sequencer\n{origin}".encode()).digest()
        self._key = int.from_bytes(digest[:8], "big", signed=True)
        self._session: Connection | None = None

    def acquire(self) -> bool:
        """Open a session and try its lock; a session without the lock is closed again."""
        if self.held():
            return True
        session = self._engine.connect()
        try:
            if session.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}).scalar():
                self._session = session
                return True
        except BaseException:
            session.close()
            raise
        session.close()
        return False

    def held(self) -> bool:
        """Ask over the session itself: if it answers, its lock holds."""
        if self._session is None:
            return False
        try:
            self._session.execute(text("SELECT 1"))
        except SQLAlchemyError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Close the session, and with it the lock."""
        session, self._session = self._session, None
        if session is not None:
            session.invalidate()
            session.close()

    def taken(self, connection: Connection) -> bool:
        """Ask the database who has the lock."""
        query = text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid::bigint = :high AND objid::bigint = :low"
        )
        key = self._key & 0xFFFFFFFF_FFFFFFFF
        found = connection.execute(query, {"high": key >> 32, "low": key & 0xFFFFFFFF}).scalar_one()
        return bool(found)


def begin_term(database: Database) -> int:
    """Raise the term: writes of whoever led before fail from now on. Returns the new term."""
    with database.write() as connection:
        found = connection.execute(_TERM.with_for_update()).scalar()
        term = int(found or 0) + 1
        if found is None:
            connection.execute(insert(Meta).values(key="term", value=str(term)))
        else:
            connection.execute(update(Meta).where(col(Meta.key) == "term").values(value=str(term)))
    return term


class Fenced(Database):
    """The database as the leader of one term writes it."""

    def __init__(self, database: Database, term: int) -> None:
        super().__init__(database.engine, database.light, database.turn)
        self.term = term

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a transaction of this term; raises `LostRaceError` if another began.

        The row of the term is locked for it, so that the term can't change before it ends.
        """
        with super().write() as connection:
            try:
                found = connection.execute(_TERM_SHARED).scalar()
            except DBAPIError as error:
                if self.is_sqlite or error.connection_invalidated:
                    raise
                raise _lost(self.term) from error  # could not serialize access: it has just changed
            if found != str(self.term):
                raise _lost(self.term)
            yield connection


def _lost(term: int) -> LostRaceError:
    return LostRaceError(
        f"another process leads this log: term {term} is over",
        hint="nothing needs to be done: the other process finishes what was begun",
    )
