# SPDX-License-Identifier: Apache-2.0
"""The facts as the database has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError
from sqlmodel import col

from weighbridge_registry.state import Fact

from . import tables
from .database import Database

__all__ = ["LiveState", "SnapshotState", "SqlState", "all_facts", "facts_below"]

_GET: Final = {
    "sqlite": "SELECT value FROM fact WHERE key = ?",
    "postgresql": "SELECT value FROM fact WHERE key = %s",
}


class LiveState:
    """Facts for a replay that writes between its batches, in a `with` block; for one thread.

    They are of one snapshot until `renew`, which must follow each write: a snapshot for each fact would cost
    ten times what the fact does.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._open = ExitStack()
        self._facts: SqlState | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.renew()

    def get(self, key: str) -> Fact | None:
        """Return the value of a fact, or None."""
        if self._facts is None:
            self._facts = SqlState(self._open.enter_context(self._database.read()))
        return self._facts.get(key)

    def renew(self) -> None:
        """Let go of the snapshot: what is asked for next is as it is by then."""
        self._facts = None
        self._open.close()


class SqlState:
    """Facts as one transaction sees them.

    Asks with the driver's own cursor: a decision asks for a dozen facts, and a statement of
    SQLAlchemy's costs twenty times what the answer does. Errors are SQLAlchemy's all the same.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._query = _GET[connection.dialect.name]

    def get(self, key: str) -> Fact | None:
        """Return the value of a fact, or None."""
        try:
            cursor = self._connection.connection.cursor()
            cursor.execute(self._query, (key,))
            row = cursor.fetchone()
            cursor.close()
        except self._connection.dialect.loaded_dbapi.Error as error:
            raise OperationalError(self._query, (key,), error) from error
        return None if row is None else json.loads(row[0])


class SnapshotState(SqlState):
    """Facts of one snapshot, in which nothing is written: each is read once."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._read: dict[str, Fact | None] = {}

    def get(self, key: str) -> Fact | None:
        """Return the value of a fact, or None."""
        if key not in self._read:
            self._read[key] = super().get(key)
        return self._read[key]


def facts_below(connection: Connection, prefix: str) -> Iterator[tuple[str, Fact]]:
    """Yield the facts whose keys begin with `prefix` (ASCII), sorted by key bytes."""
    key = col(tables.Fact.key)
    query = select(key, col(tables.Fact.value)).where(key >= prefix, key < f"{prefix}\x7f").order_by(key)
    for name, value in connection.execute(query, execution_options={"yield_per": 1000}):
        yield name, json.loads(value)


def all_facts(connection: Connection) -> Iterator[tuple[str, Fact]]:
    """Yield all facts sorted by key bytes, a few at a time."""
    query = select(col(tables.Fact.key), col(tables.Fact.value)).order_by(col(tables.Fact.key))
    for key, value in connection.execute(query, execution_options={"yield_per": 1000}):
        yield key, json.loads(value)
