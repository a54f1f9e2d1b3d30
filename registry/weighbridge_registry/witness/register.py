# SPDX-License-Identifier: Apache-2.0
"""What a witness has on record: for each log the largest tree that it has cosigned, and when.

One SQLite file. A commit that returned survives a power cut, and writers, also of another process,
take turns: whoever decides on what is on record holds the file until the new record stands.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import SQLAlchemyError

from weighbridge.errors import ConfigurationError, UnavailableError
from weighbridge.tlog import CosignedTree
from weighbridge_registry.store.database import Database, sqlite_engine

__all__ = ["Cosigned", "Register"]

_SCHEMA: Final = "1"
_TABLES: Final = MetaData()
_META: Final = Table("meta", _TABLES, Column("key", Text, primary_key=True), Column("value", Text))
_COSIGNED: Final = Table(
    "cosigned",
    _TABLES,
    Column("origin", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("note", LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The last cosigned checkpoint of a log: its tree, POSIX seconds, the note with the cosignature."""

    tree: CosignedTree = field(default_factory=CosignedTree)
    time: int = 0
    note: bytes = b""


class Record:
    """The register, held by one writer until the block that gave it ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, origin: str) -> Cosigned:
        """Return what was cosigned of a log; the empty tree if nothing was."""
        return _get(self._connection, origin) or Cosigned()

    def latest(self) -> int:
        """Return the time of the newest cosignature of any log, 0 before the first."""
        return self._connection.execute(select(func.max(_COSIGNED.c.time))).scalar() or 0

    def put(self, origin: str, cosigned: Cosigned) -> None:
        """Write what is being cosigned; it is durable when the block ends without an error."""
        row = {
            "size": cosigned.tree.size,
            "root": cosigned.tree.root.hex(),
            "time": cosigned.time,
            "note": cosigned.note,
        }
        statement = upsert(_COSIGNED).values(origin=origin, **row)
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=[_COSIGNED.c.origin], set_=row)
        )


class Register:
    """The file. Used by several threads and processes at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = Database(sqlite_engine(f"sqlite:///{path}"))

    @classmethod
    def open(cls, path: Path) -> Register:
        """Open the register, making it if it is missing. Raises `ConfigurationError`."""
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        register = cls(path)
        try:
            register._prepare()
        except SQLAlchemyError as error:
            register.close()
            raise ConfigurationError(
                f"{path} is no register of a witness: {error.__cause__ or error}",
                hint="begin a new witness, in another folder: an old copy could contradict what was cosigned",
            ) from error
        except BaseException:
            register.close()
            raise
        return register

    def bound_to(self) -> str | None:
        """Return the vkey of the witness whose register this is; None while it is new."""
        with self._database.read() as connection:
            return connection.execute(select(_META.c.value).where(_META.c.key == "vkey")).scalar()

    def bind(self, vkey: str) -> None:
        """Make this the register of a witness, once and for all. Raises `ConfigurationError`."""
        with self._database.write() as connection:
            found = connection.execute(select(_META.c.value).where(_META.c.key == "vkey")).scalar()
            if found is None:
                connection.execute(insert(_META).values(key="vkey", value=vkey))
            elif found != vkey:
                raise ConfigurationError(
                    f"{self._path} is the register of {found}, the key is that of {vkey}",
                    hint="put the key and the register together that belong together",
                )

    @contextmanager
    def hold(self) -> Iterator[Record]:
        """Give the register to one writer alone; what it puts is durable once the block has ended.

        Raises `UnavailableError` if it cannot be had or written in time; then nothing of it stands.
        """
        try:
            with self._database.write() as connection:
                yield Record(connection)
        except SQLAlchemyError as error:
            raise UnavailableError(
                "this witness cannot write its register", hint="try again later, or tell its operator"
            ) from error

    def read(self, origin: str) -> Cosigned | None:
        """Return what was cosigned of a log, None if nothing was. Raises `UnavailableError`."""
        try:
            with self._database.read() as connection:
                return _get(connection, origin)
        except SQLAlchemyError as error:
            raise UnavailableError(
                "this witness cannot read its register", hint="try again later, or tell its operator"
            ) from error

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def _prepare(self) -> None:
        with self._database.write() as connection:
            if not inspect(connection).has_table("meta"):
                _TABLES.create_all(connection)
                connection.execute(insert(_META).values(key="schema", value=_SCHEMA))
                return
            found = connection.execute(select(_META.c.value).where(_META.c.key == "schema")).scalar()
        if found != _SCHEMA:
            raise ConfigurationError(
                f"{self._path} has schema {found}; this release knows {_SCHEMA}",
                hint="start it with the release of weighbridge that wrote it",
            )


def _get(connection: Connection, origin: str) -> Cosigned | None:
    row = connection.execute(select(_COSIGNED).where(_COSIGNED.c.origin == origin)).one_or_none()
    if row is None:
        return None
    return Cosigned(CosignedTree(row.size, bytes.fromhex(row.root)), row.time, row.note)
