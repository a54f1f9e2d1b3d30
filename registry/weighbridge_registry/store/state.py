# SPDX-License-Identifier: Apache-2.0
"""The facts as the database has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

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
    """Facts as they are whenever they are asked for: for replays that write between their batches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> Fact | None:
        """Return the value of a fact, or None."""
        with self._database.read() as connection:
            return SqlState(connection).get(key)


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
