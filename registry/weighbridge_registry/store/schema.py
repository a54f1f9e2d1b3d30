# SPDX-License-Identifier: Apache-2.0
"""The schema of a database: made when it is new, migrated when it is old, refused when it is newer.

`meta.schema` holds the number of the last revision (`migrations/versions/NNNN_….py`) that the
tables have. SQLite is copied beside itself and migrated by `weighbridge serve`; PostgreSQL, which
others may be using at that moment, only by `weighbridge db upgrade`.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, insert, inspect, select, text, update
from sqlmodel import SQLModel, col

from weighbridge.errors import ConfigurationError

from .tables import SCHEMA_VERSION, Meta

if TYPE_CHECKING:
    from .database import Database

__all__ = ["found", "prepare", "revise"]

_MIGRATIONS: Final = Path(__file__).parent.parent / "migrations"
_SCHEMA_LOCK: Final = 0x77656967_68736368
"""PostgreSQL advisory lock (`weighsch`) under which tables are made and migrated."""


def prepare(database: Database, *, upgrade: bool) -> int:
    """Make the tables of a new database, or check those of an old one; tell from which schema it came.

    With `upgrade` an older one is migrated, SQLite after a copy was made. Raises
    `ConfigurationError` for an older one otherwise, a newer one, or one that is not ours.
    """
    with database.write() as connection:
        _exclude_others(connection)
        found = _version(connection)
        if found is None:
            SQLModel.metadata.create_all(connection)
            connection.execute(insert(Meta).values(key="schema", value=str(SCHEMA_VERSION)))
            return SCHEMA_VERSION
    if found > SCHEMA_VERSION:
        raise _newer(found)
    if found == SCHEMA_VERSION:
        return found
    if not upgrade:
        raise _older(found)
    if database.is_sqlite:
        _back_up(database.engine, found)
    with database.write() as connection:
        _exclude_others(connection)
        again = _version(connection)  # another process may have been faster
        if again is not None and again < SCHEMA_VERSION:
            revise(connection, again)
    return found


def revise(connection: Connection, found: int, to: int = SCHEMA_VERSION) -> None:
    """Run the revisions after `found` up to `to` within the caller's transaction."""
    from alembic import command  # noqa: PLC0415 - 100 ms that only a migration needs
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    if found:
        command.stamp(config, f"{found:04d}", purge=True)
    command.upgrade(config, f"{to:04d}")
    changed = connection.execute(update(Meta).where(col(Meta.key) == "schema").values(value=str(to)))
    if changed.rowcount == 0:
        connection.execute(insert(Meta).values(key="schema", value=str(to)))


def found(database: Database) -> int | None:
    """Return the schema version of a database, None if it is new; changes nothing."""
    with database.read() as connection:
        return _version(connection)


def _version(connection: Connection) -> int | None:
    if not inspect(connection).has_table("meta"):
        return None
    found = connection.execute(select(col(Meta.value)).where(col(Meta.key) == "schema")).scalar()
    if found is None or not found.isdecimal() or int(found) < 1:
        raise ConfigurationError(
            "the database has tables that are not weighbridge's",
            hint="give an empty database, or the one that this registry has always used",
        )
    return int(found)


def _exclude_others(connection: Connection) -> None:
    """Let one process at a time make tables; SQLite's write lock does so by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})


def _back_up(engine: Engine, found: int) -> None:
    """Copy an SQLite database with its backup API beside itself, durably, before it is changed."""
    name = engine.url.database
    if not name or name == ":memory:":
        return
    target = Path(f"{name}.schema-{found}.backup")
    temporary = target.with_name(f"{target.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(name)) as source, closing(sqlite3.connect(temporary)) as copy:
            source.backup(copy)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except (OSError, sqlite3.Error) as error:
        temporary.unlink(missing_ok=True)
        raise ConfigurationError(
            f"the database cannot be copied to {target} before it is migrated: {error}",
            hint="make room for a copy of the database; nothing was changed",
        ) from error


def _newer(found: int) -> ConfigurationError:
    return ConfigurationError(
        f"the database has schema version {found}; this release knows {SCHEMA_VERSION}",
        hint="start it with the newer weighbridge that wrote it, or restore the backup from before",
        evidence={"found": found, "known": SCHEMA_VERSION},
    )


def _older(found: int) -> ConfigurationError:
    return ConfigurationError(
        f"the database has schema version {found}; this release needs {SCHEMA_VERSION}",
        hint="back it up, stop every registry on it, then run: weighbridge db upgrade "
        "(--data DIR, or --database-url U for PostgreSQL)",
        evidence={"found": found, "needed": SCHEMA_VERSION},
    )
