# SPDX-License-Identifier: Apache-2.0
"""The facts as the database has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, bindparam, select
from sqlmodel import col

from weighbridge_registry.state import Fact

from . import tables
from .database import Database

__all__ = ["LiveState", "SqlState", "all_facts", "facts_below"]

_GET: Final = select(col(tables.Fact.value)).where(col(tables.Fact.key) == bindparam("key"))


class LiveState:
    """Facts as they are whenever they are asked for: for replays that write between their batches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> Fact | None:
        """Return the value of a fact, or None."""
        with self._database.read() as connection:
            return SqlState(connection).get(key)


class SqlState:
    """Facts read from one snapshot."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, key: str) -> Fact | None:
        """Return the value of a fact, or None."""
        value = self._connection.execute(_GET, {"key": key}).scalar()
        return None if value is None else json.loads(value)


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
