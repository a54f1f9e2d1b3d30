# SPDX-License-Identifier: Apache-2.0
"""The database: SQLite beside the files, or PostgreSQL.

SQLite runs in WAL mode with synchronous=FULL: a commit that returned survives a power cut.
Writers take the write lock at once (`BEGIN IMMEDIATE`), so that what they read is what they
change. The queue of submissions is written without waiting for the disk (`write_lightly`): what
it holds is not acknowledged yet. PostgreSQL runs every transaction as repeatable read; writers of the
log lock the checkpoint's row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import col

from weighbridge.errors import ConfigurationError

from . import schema
from .locks import TURN_SECONDS, BusyError, Turn
from .tables import SCHEMA_VERSION, Meta

__all__ = ["Database", "check_not_moved", "open_database", "open_for_reading", "read_meta", "sqlite_engine"]

_CONNECTIONS: Final = 48
"""More than the threads that answer requests, so that none waits for a connection."""
_LIGHT_CONNECTIONS: Final = 4
"""For the queue: one thread asks, one decides, the rest is for who comes back later."""
_POOL_SECONDS: Final = 10


class Database:
    """Transactions on one engine. Reads see one snapshot; writes are serialised on SQLite."""

    def __init__(
        self,
        engine: Engine,
        light: Engine | None = None,
        turn: AbstractContextManager[object] | None = None,
    ) -> None:
        self.engine = engine
        self.light = light or engine
        self.turn = turn or (Turn() if self.is_sqlite else nullcontext())
        """Held while somebody writes to SQLite."""
        self.found: int | None = None
        """Schema version that it had when it was opened."""
        self._writer = engine.execution_options(weighbridge_write=True)
        self._light_writer = self.light.execution_options(weighbridge_write=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded default."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give one consistent snapshot."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a transaction that is durable once this returns, or undone if it raises."""
        with self.turn, self._writer.begin() as connection:
            yield connection

    @contextmanager
    def write_lightly(self) -> Iterator[Connection]:
        """Give a transaction that outlives this process, but perhaps not a power cut: for the queue."""
        with self.turn, self._light_writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection; one that a thread still uses, when it gives it back."""
        for engine in {self.engine, self.light}:
            event.listen(engine.pool, "checkin", _end)
            engine.dispose()
        if isinstance(self.turn, Turn):
            self.turn.close()


def open_database(url: str, *, upgrade: bool | None = False) -> Database:
    """Open the database, make its tables if it is new, check its schema version.

    `upgrade` tells whether an older one is migrated (`store.schema`); None means: SQLite only.
    Raises `ConfigurationError` if it cannot be reached or has another schema version.
    """
    database = Database(_engine(url), _engine(url, light=True), _turn(url))
    try:
        database.found = schema.prepare(database, upgrade=database.is_sqlite if upgrade is None else upgrade)
    except BusyError:
        database.close()
        raise
    except SQLAlchemyError as error:
        database.close()
        raise ConfigurationError(
            f"the database {_shown(url)} cannot be used: {_cause(error)}",
            hint="check that it runs, that --database-url is right, and that its user may create tables",
        ) from error
    except BaseException:
        database.close()
        raise
    return database


def open_for_reading(url: str) -> Database:
    """Open a database that another process may be writing; nothing is written through it.

    Raises `ConfigurationError` if it cannot be reached, is new, or has another schema version than
    this release: only its writer migrates it.
    """
    engines = _engine(url), _engine(url, light=True)
    for engine in engines:
        event.listen(engine, "connect", _forbid_writing)
    database = Database(*engines)
    try:
        found = schema.found(database)
    except SQLAlchemyError as error:
        database.close()
        raise ConfigurationError(
            f"the database {_shown(url)} cannot be read: {_cause(error)}",
            hint="start the registry once, or mirror a log into the folder first",
        ) from error
    if found != SCHEMA_VERSION:
        database.close()
        raise ConfigurationError(
            f"the database has schema version {found}; this release reads {SCHEMA_VERSION}",
            hint="start the registry, or run the mirror, with this release once",
        )
    return database


def _end(connection: Any, _entry: ConnectionPoolEntry) -> None:
    if connection is not None:
        connection.close()


def read_meta(connection: Connection, key: str) -> str | None:
    """Return a small named value."""
    value: str | None = connection.execute(select(col(Meta.value)).where(col(Meta.key) == key)).scalar()
    return value


def check_not_moved(connection: Connection) -> None:
    """Raise `ConfigurationError` if the registry of this database has gone to another (`moving`)."""
    where = read_meta(connection, "moved")
    if where is None:
        return
    here = where.startswith("sqlite")
    raise ConfigurationError(
        f"this registry has moved to the database {where}: nothing is signed or shown from here any more",
        hint="leave --database-url out" if here else f"give --database-url {where}, with its password",
        evidence={"moved": where},
    )


def _forbid_writing(connection: Any, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    try:
        if isinstance(connection, sqlite3.Connection):
            cursor.execute("PRAGMA query_only=ON")
        else:
            cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
            connection.commit()
    finally:
        cursor.close()


def _engine(url: str, *, light: bool = False) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return sqlite_engine(parsed, light=light)
        if parsed.get_backend_name() != "postgresql":
            raise ConfigurationError(
                f"{parsed.get_backend_name()} is no database that weighbridge knows",
                hint="use postgresql+psycopg://USER@HOST/DATABASE, or leave --database-url out for SQLite",
            )
        return _postgresql(parsed, light=light)
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigurationError(
            "--database-url is not a database address",
            hint="use postgresql+psycopg://USER@HOST/DATABASE",
        ) from error
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed, which {_shown(url)} needs",
            hint="install it: pip install 'weighbridge[registry,postgres]'",
        ) from error


def sqlite_engine(url: URL | str, *, light: bool = False) -> Engine:
    """Open a SQLite file whose writers wait for each other.

    Its commits survive a power cut, unless they are made `light`ly.
    """
    engine = create_engine(url, pool_size=_LIGHT_CONNECTIONS if light else _CONNECTIONS, max_overflow=0)

    def configure(connection: Any, _entry: ConnectionPoolEntry) -> None:
        # The driver must not begin transactions by itself: `_begin_sqlite` does, in the right mode.
        connection.isolation_level = None
        cursor = connection.cursor()
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute(f"PRAGMA synchronous={'NORMAL' if light else 'FULL'}")
            cursor.execute(f"PRAGMA busy_timeout={TURN_SECONDS * 1000:.0f}")
            cursor.execute("PRAGMA trusted_schema=OFF")
        finally:
            cursor.close()

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _turn(url: str) -> Turn | None:
    """Return the turn that all processes take which write a SQLite file."""
    parsed = make_url(url)
    return Turn(Path(f"{parsed.database}.turn")) if parsed.get_backend_name() == "sqlite" else None


def _postgresql(url: URL, *, light: bool) -> Engine:
    settings = "-c synchronous_commit=off" if light else ""
    return create_engine(
        url,
        pool_size=_LIGHT_CONNECTIONS if light else _CONNECTIONS,
        max_overflow=0,
        pool_timeout=_POOL_SECONDS,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED" if light else "REPEATABLE READ",
        connect_args={
            "connect_timeout": 10,
            "options": f"{settings} -c idle_in_transaction_session_timeout=60000",
        },
    )


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("weighbridge_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _shown(url: str) -> str:
    """Return the address without its password."""
    return make_url(url).render_as_string(hide_password=True)


def _cause(error: SQLAlchemyError) -> str:
    origin = getattr(error, "orig", None)
    text = str(origin or error).strip().splitlines()
    return text[0] if text else type(error).__name__
