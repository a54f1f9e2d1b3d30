# SPDX-License-Identifier: Apache-2.0
"""The queue of submissions as a table: whoever takes them writes rows, the sequencer outcomes.

A row is a claim on nobody: it names bundles that are durable already, and the log knows a
statement that it has. So a row may be decided twice, by two sequencers one after the other, or
never, and nothing is lost or doubled. Rows are decided in the order of their numbers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select, text, update
from sqlmodel import SQLModel, col

from .tables import Submission

__all__ = [
    "Waiting",
    "add",
    "count",
    "drop_expired",
    "entry_of",
    "logged_as",
    "now",
    "oldest",
    "outcomes",
    "settle",
    "waiting",
]

_TABLE: Final = SQLModel.metadata.tables["submission"]
_UNDECIDED: Final = _TABLE.c.outcome.is_(None)

# Statements are made once: to make one costs SQLAlchemy as much as to run it.
_ADD: Final = insert(_TABLE)
_COUNT: Final = select(func.count()).select_from(_TABLE).where(_UNDECIDED)
_WAITING: Final = (
    select(
        _TABLE.c.number,
        _TABLE.c.token,
        _TABLE.c.bundles,
        _TABLE.c.submitted,
        _TABLE.c.expires,
        _TABLE.c.kept,
    )
    .where(_UNDECIDED, _TABLE.c.expires > bindparam("at"))
    .order_by(_TABLE.c.number)
    .limit(bindparam("most"))
)
_SETTLE: Final = (
    update(_TABLE)
    .where(_TABLE.c.number == bindparam("row"), _UNDECIDED)
    .values(outcome=bindparam("decided"), expires=bindparam("until"))
)
_OUTCOMES: Final = select(_TABLE.c.token, _TABLE.c.outcome).where(
    _TABLE.c.token.in_(bindparam("tokens", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One submission that nobody has decided yet."""

    token: str
    bundles: tuple[str, ...]
    """For each statement the SHA-256 of its bundle, bare hex, or what `logged_as` gives."""
    submitted: int
    expires: int
    """Unix seconds; then nobody waits for it any more."""
    kept: bool
    """Whether the outcome is asked for later, by token."""
    number: int = 0


def logged_as(index: int) -> str:
    """Return how a row names a statement that is an entry already: entries are never taken back."""
    return f"={index}"


def entry_of(name: str) -> int | None:
    """Return the entry that a row names, or None for a bundle's SHA-256."""
    return int(name[1:]) if name.startswith("=") else None


def now(connection: Connection) -> int:
    """Return the time by which submissions expire: of PostgreSQL's clock, which all machines share."""
    if connection.dialect.name != "postgresql":
        return int(time.time())
    return int(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())


def add(connection: Connection, rows: Sequence[Waiting]) -> None:
    """Put submissions at the end."""
    connection.execute(
        _ADD,
        [
            {
                "token": row.token,
                "bundles": " ".join(row.bundles),
                "submitted": row.submitted,
                "expires": row.expires,
                "kept": row.kept,
                "outcome": None,
            }
            for row in rows
        ],
    )


def count(connection: Connection) -> int:
    """Return how many wait."""
    found: int = connection.execute(_COUNT).scalar_one()
    return found


def oldest(connection: Connection) -> int | None:
    """Return when the one that has waited longest was submitted."""
    found: int | None = connection.execute(select(func.min(_TABLE.c.submitted)).where(_UNDECIDED)).scalar()
    return found


def waiting(connection: Connection, at: int, limit: int) -> list[Waiting]:
    """Return the first `limit` that wait and that somebody still waits for, in order."""
    return [
        Waiting(
            token=row.token,
            bundles=tuple(row.bundles.split(" ")),
            submitted=row.submitted,
            expires=row.expires,
            kept=row.kept,
            number=row.number,
        )
        for row in connection.execute(_WAITING, {"at": at, "most": limit})
    ]


def settle(connection: Connection, outcomes: Mapping[int, tuple[str, int]]) -> None:
    """Write outcomes, by number: JSON, and for how many seconds it is kept. A row's first outcome stays."""
    if not outcomes:
        return
    at = now(connection)
    connection.execute(
        _SETTLE,
        [
            {"row": number, "decided": outcome, "until": at + seconds}
            for number, (outcome, seconds) in outcomes.items()
        ],
    )


def outcomes(connection: Connection, tokens: Sequence[str]) -> dict[str, str | None]:
    """Return outcomes by token; None while it waits. One that is gone is not in the answer."""
    found = connection.execute(_OUTCOMES, {"tokens": list(tokens)})
    return {token: outcome for token, outcome in found}  # noqa: C416 - rows, not pairs


def drop_expired(connection: Connection, at: int) -> int:
    """Remove what nobody asks for any more; tell how many."""
    return connection.execute(delete(_TABLE).where(col(Submission.expires) <= at)).rowcount
