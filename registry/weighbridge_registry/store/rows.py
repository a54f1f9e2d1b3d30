# SPDX-License-Identifier: Apache-2.0
"""Writing rows of many entries with few statements.

Building and running one statement costs more than the row that it writes. So rows which nothing
in the same batch reads are collected, and written with one statement for each table: at the end,
or before something else is asked of the database.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Executable, Insert, Table, bindparam, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel, col

from . import tables

__all__ = ["Rows", "plain", "upsert"]

Row = Mapping[str, Any]

_CHANGED: Final[dict[type[SQLModel], tuple[str, ...]]] = {
    tables.Fact: ("value",),
    tables.Digest: ("name",),
    tables.Tensor: ("name",),
    tables.Blob: ("stored",),
    tables.Likeness: ("finding", "words", "refuted"),
    tables.Band: (),
    tables.Description: ("number", "name", "ended"),
    tables.Advisory: ("number", "subject", "severity", "propagates", "withdrawn"),
    tables.Position: ("number", "stance", "basis"),
}
"""Tables whose rows may be written again, and the columns that this changes."""
_COLLECTED: Final = (
    *(tables.Entry, tables.Signer, tables.Release, tables.License, tables.Digest, tables.Edge),
    *(tables.DataUse, tables.Owner),
    *(tables.About, tables.Description, tables.Advisory, tables.Position),
)


class Rows:
    """Collects the rows of one transaction; what it executes sees all that was collected before."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: dict[type[SQLModel], list[Row]] = {table: [] for table in _COLLECTED}
        self._models: list[Row] = []
        self._words: dict[str, Sequence[str]] = {}

    def insert(self, table: type[SQLModel], rows: Sequence[Row]) -> None:
        """Collect rows of a table."""
        self._rows[table].extend(rows)

    def release_of(self, key: str, namespace: str, number: int) -> None:
        """Collect that entry `number` is the newest release of a model."""
        self._models.append({"key": key, "namespace": namespace, "latest": number, "releases": 1})

    def words_of(self, key: str, words: Sequence[str]) -> None:
        """Collect the words under which a model is found from now on."""
        self._words[key] = words

    def execute(self, statement: Executable) -> CursorResult[Any]:
        """Run a statement after everything that was collected."""
        return self.connection().execute(statement)

    def connection(self) -> Connection:
        """Give the connection, with everything written that was collected."""
        self.flush()
        return self._connection

    def flush(self) -> None:
        """Write what was collected."""
        for table, rows in self._rows.items():
            if table in _CHANGED:
                upsert(self._connection, table, rows)
            elif rows:
                self._connection.execute(_insertion(_name(table)), rows)
            self._rows[table] = []
        if self._models:
            self._connection.execute(_release_counted(self._connection.dialect.name), self._models)
            self._models = []
        if self._words:
            self._connection.execute(_FORGET, [{"of": key} for key in self._words])
            terms = [{"word": word, "model": key} for key, words in self._words.items() for word in words]
            if terms:
                self._connection.execute(_insertion("term"), terms)
            self._words = {}


_FORGET: Final = delete(SQLModel.metadata.tables["term"]).where(col(tables.Term.model) == bindparam("of"))


def plain(table: type[SQLModel]) -> Table:
    """Return the plain table: the statements of SQLModel's classes cost several times as much to build."""
    return SQLModel.metadata.tables[_name(table)]


def upsert(connection: Connection, table: type[SQLModel], rows: Sequence[Row]) -> None:
    """Insert rows, or write those columns that may change of the ones that are there."""
    if rows:
        connection.execute(_upsertion(_name(table), _CHANGED[table], connection.dialect.name), rows)


@functools.cache
def _insertion(name: str) -> Insert:
    return SQLModel.metadata.tables[name].insert()


@functools.cache
def _upsertion(name: str, columns: tuple[str, ...], dialect: str) -> Insert:
    table = SQLModel.metadata.tables[name]
    statement = (sqlite if dialect == "sqlite" else postgresql).insert(table)
    keys = [column.name for column in table.primary_key]
    if not columns:
        kept: Insert = statement.on_conflict_do_nothing(index_elements=keys)
        return kept
    changed = {column: getattr(statement.excluded, column) for column in columns}
    found: Insert = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    return found


@functools.cache
def _release_counted(dialect: str) -> Insert:
    model = plain(tables.Model)
    statement = (sqlite if dialect == "sqlite" else postgresql).insert(model)
    changed = {"latest": statement.excluded.latest, "releases": model.c.releases + 1}
    found: Insert = statement.on_conflict_do_update(index_elements=["key"], set_=changed)
    return found


def _name(table: type[SQLModel]) -> str:
    return str(table.__tablename__)
