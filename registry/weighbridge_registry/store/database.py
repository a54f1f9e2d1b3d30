# SPDX-License-Identifier: Apache-2.0
"""The database: SQLite beside the files, or PostgreSQL.

SQLite runs in WAL mode with synchronous=FULL: a commit that returned survives a power cut.
Writers take the write lock at once (`BEGIN IMMEDIATE`), so that what they read is what they
change. PostgreSQL runs every transaction as repeatable read; writers of the log lock the
checkpoint's row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import SQLModel, col

from weighbridge.errors import ConfigurationError

from .tables import SCHEMA_VERSION, Meta

__all__ = ["Database", "open_database", "open_for_reading", "sqlite_engine"]

_CONNECTIONS = 48
"""More than the threads that answer requests, so that none waits for a connection."""


class Database:
    """Transactions on one engine. Reads see one snapshot; writes are serialised on SQLite."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(weighbridge_write=True)

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
        with self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open the database, make its tables if it is new, check its schema version.

    Raises `ConfigurationError` if it cannot be reached, or if it was written by a newer release.
    """
    database = Database(_engine(url))
    try:
        _prepare(database)
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


def sqlite_engine(url: URL | str) -> Engine:
    """Open a SQLite file whose commits survive a power cut, and whose writers wait for each other."""
    engine = create_engine(url, pool_size=_CONNECTIONS, max_overflow=0)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def open_for_reading(url: str) -> Database:
    """Open a database that another process may be writing; nothing is written through it.

    Raises `ConfigurationError` if it cannot be reached, is new, or has another schema version than
    this release: only its writer migrates it.
    """
    engine = _engine(url)
    event.listen(engine, "connect", _forbid_writing)
    database = Database(engine)
    try:
        with database.read() as connection:
            query = select(col(Meta.value)).where(col(Meta.key) == "schema")
            found = connection.execute(query).scalar()
    except SQLAlchemyError as error:
        database.close()
        raise ConfigurationError(
            f"the database {_shown(url)} cannot be read: {_cause(error)}",
            hint="start the registry once, or mirror a log into the folder first",
        ) from error
    if found != str(SCHEMA_VERSION):
        database.close()
        raise ConfigurationError(
            f"the database has schema version {found}; this release reads {SCHEMA_VERSION}",
            hint="start the registry, or run the mirror, with this release once",
        )
    return database


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


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return sqlite_engine(parsed)
        if parsed.get_backend_name() != "postgresql":
            raise ConfigurationError(
                f"{parsed.get_backend_name()} is no database that weighbridge knows",
                hint="use postgresql+psycopg://USER@HOST/DATABASE, or leave --database-url out for SQLite",
            )
        return create_engine(
            parsed,
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_pre_ping=True,
            isolation_level="REPEATABLE READ",
            connect_args={"connect_timeout": 10},
        )
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


def _configure_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    # The driver must not begin transactions by itself: `_begin_sqlite` does, in the right mode.
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA busy_timeout=10000")
        cursor.execute("PRAGMA trusted_schema=OFF")
    finally:
        cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("weighbridge_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _prepare(database: Database) -> None:
    with database.write() as connection:
        if not inspect(connection).has_table("meta"):
            SQLModel.metadata.create_all(connection)
            connection.execute(
                SQLModel.metadata.tables["meta"].insert().values(key="schema", value=str(SCHEMA_VERSION))
            )
            return
        found = connection.execute(select(col(Meta.value)).where(col(Meta.key) == "schema")).scalar()
    if found is None or not found.isdecimal():
        raise ConfigurationError(
            "the database has tables that are not weighbridge's",
            hint="give an empty database, or the one that this registry has always used",
        )
    if int(found) > SCHEMA_VERSION:
        raise ConfigurationError(
            f"the database has schema version {found}; this release knows {SCHEMA_VERSION}",
            hint="start it with the newer weighbridge that wrote it, or restore the backup from before",
            evidence={"found": int(found), "known": SCHEMA_VERSION},
        )


def _shown(url: str) -> str:
    """Return the address without its password."""
    return make_url(url).render_as_string(hide_password=True)


def _cause(error: SQLAlchemyError) -> str:
    origin = getattr(error, "orig", None)
    text = str(origin or error).strip().splitlines()
    return text[0] if text else type(error).__name__
