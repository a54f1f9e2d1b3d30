# SPDX-License-Identifier: Apache-2.0
"""What a monitor keeps between runs: how far it has read, the facts there, and alerts that wait.

One SQLite database, `monitor.db`. Entries are judged, their facts written and their alerts queued in
one transaction, so a run that is killed neither loses an alert nor queues one twice. An alert is
closed once every output has taken it: delivery is at least once, under one id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, delete, insert, select, update
from sqlalchemy.dialects import sqlite
from sqlmodel import col

from weighbridge import tlog
from weighbridge_registry.replaying import Position
from weighbridge_registry.state import Fact
from weighbridge_registry.store.database import Database, open_database
from weighbridge_registry.store.tables import Meta

from .rules import Alert

__all__ = [
    "Memos",
    "close_alert",
    "deliver",
    "delivered",
    "get",
    "newest",
    "open_alerts",
    "open_state",
    "position",
    "put",
    "queue",
]

_KEPT: Final = 10_000
"""Closed alerts that are kept."""

_TABLES: Final = MetaData()
_MEMO: Final = Table("memo", _TABLES, Column("key", Text, primary_key=True), Column("value", Text))
_ALERT: Final = Table(
    "alert",
    _TABLES,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("document", Text, nullable=False),
    Column("open", Integer, nullable=False, index=True),
)
_DELIVERY: Final = Table(
    "delivery", _TABLES, Column("id", Text, primary_key=True), Column("output", Text, primary_key=True)
)


class Memos:
    """The memos of the rules, as a state that they read."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, key: str) -> Fact | None:
        """Return a memo, or None."""
        value = self._connection.execute(select(_MEMO.c.value).where(_MEMO.c.key == key)).scalar()
        return None if value is None else json.loads(value)

    def write(self, memos: Mapping[str, Fact]) -> None:
        """Write memos, replacing those with the same keys."""
        rows = [{"key": key, "value": json.dumps(value)} for key, value in memos.items()]
        if rows:
            statement = sqlite.insert(_MEMO)
            changed = {"value": statement.excluded.value}
            self._connection.execute(
                statement.on_conflict_do_update(index_elements=["key"], set_=changed), rows
            )


def open_state(folder: Path) -> Database:
    """Open the database of a monitor's folder, or make it. Raises `ConfigurationError`."""
    database = open_database(f"sqlite:///{folder / 'monitor.db'}", upgrade=None)
    with database.write() as connection:
        _TABLES.create_all(connection)
    return database


def get(connection: Connection, key: str) -> str | None:
    """Return a small named value."""
    return connection.execute(select(col(Meta.value)).where(col(Meta.key) == key)).scalar()


def put(connection: Connection, key: str, value: str) -> None:
    """Write a small named value."""
    if connection.execute(update(Meta).where(col(Meta.key) == key).values(value=value)).rowcount == 0:
        connection.execute(insert(Meta).values(key=key, value=value))


def position(connection: Connection) -> Position:
    """Return how far the log was read."""
    size = int(get(connection, "read") or 0)
    return Position(size, bytes.fromhex(get(connection, "root") or tlog.EMPTY_ROOT.hex()))


def queue(connection: Connection, alerts: Iterable[Alert]) -> None:
    """Queue alerts for delivery; one that was queued before is not queued again."""
    for alert in alerts:
        document = json.dumps(alert.to_json(), ensure_ascii=False, sort_keys=True)
        row = {"id": alert.id, "document": document, "open": 1}
        connection.execute(sqlite.insert(_ALERT).values(row).on_conflict_do_nothing())


def open_alerts(connection: Connection) -> list[dict[str, Any]]:
    """Return the alerts that some output has not taken yet, oldest first."""
    query = select(_ALERT.c.document).where(_ALERT.c.open == 1).order_by(_ALERT.c.number)
    return [json.loads(text) for text in connection.execute(query).scalars()]


def newest(connection: Connection, count: int) -> list[dict[str, Any]]:
    """Return the newest alerts, newest first."""
    query = select(_ALERT.c.document).order_by(_ALERT.c.number.desc()).limit(count)
    return [json.loads(text) for text in connection.execute(query).scalars()]


def delivered(connection: Connection, alert: str) -> set[str]:
    """Return the outputs that have taken an alert which is open."""
    return set(connection.execute(select(_DELIVERY.c.output).where(_DELIVERY.c.id == alert)).scalars())


def deliver(connection: Connection, alert: str, output: str) -> None:
    """Note that an output has taken an alert."""
    connection.execute(sqlite.insert(_DELIVERY).values(id=alert, output=output).on_conflict_do_nothing())


def close_alert(connection: Connection, alert: str) -> None:
    """Close an alert that every output has taken; forget the oldest of very many."""
    connection.execute(update(_ALERT).where(_ALERT.c.id == alert).values(open=0))
    connection.execute(delete(_DELIVERY).where(_DELIVERY.c.id == alert))
    last = connection.execute(select(_ALERT.c.number).where(_ALERT.c.id == alert)).scalar_one()
    connection.execute(delete(_ALERT).where(_ALERT.c.open == 0, _ALERT.c.number < last - _KEPT))
