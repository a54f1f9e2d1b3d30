# SPDX-License-Identifier: Apache-2.0
"""Warnings of others about a release, and which of them its owners answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BindParameter, Row, bindparam, select

from weighbridge_registry.store import tables
from weighbridge_registry.store.rows import plain
from weighbridge_schemas.api import AnsweredWarnings
from weighbridge_schemas.base import fold_name

from .reader import Reader

__all__ = ["answered", "owners_of"]

_WARNINGS: Final = 64
_OWNERS: Final = 200

_ENTRY: Final = plain(tables.Entry)
_ADVISORY: Final = plain(tables.Advisory)
_ABOUT: Final = plain(tables.About)
_POSITION: Final = plain(tables.Position)
_OWNER: Final = plain(tables.Owner)


_MANY: Final[BindParameter[Any]] = bindparam("many", expanding=True)
_OWNERS_IDS: Final[BindParameter[Any]] = bindparam("owners", expanding=True)
_STANDING: Final = (
    select(_ENTRY.c.statement, _ENTRY.c.number)
    .select_from(_ADVISORY)
    .join(_ENTRY, _ENTRY.c.number == _ADVISORY.c.number)
    .where(_ADVISORY.c.withdrawn.is_(False), _ENTRY.c.signer.not_in(_OWNERS_IDS))
    .order_by(_ADVISORY.c.number)
    .limit(_WARNINGS)
)
_DIRECT: Final = _STANDING.where(_ADVISORY.c.subject.in_(_MANY))
_FURTHER: Final = _STANDING.join(_ABOUT, _ABOUT.c.number == _ADVISORY.c.number).where(
    _ABOUT.c.sha256.in_(_MANY), _ABOUT.c.role == "affects"
)
_ANSWERS: Final = (
    select(_POSITION.c.subject)
    .join(_ENTRY, _ENTRY.c.number == _POSITION.c.number)
    .where(
        _POSITION.c.subject.in_(_MANY), _POSITION.c.stance != "withdrawn", _ENTRY.c.signer.in_(_OWNERS_IDS)
    )
    .distinct()
)


def answered(reader: Reader, row: Row[Any], digests: Sequence[str]) -> AnsweredWarnings:
    """Count the standing advisories of others that name a release by one of its digests (bare hex)."""
    owners = sorted(owners_of(reader, row))
    found: dict[int, str] = {}
    for query in (_DIRECT, _FURTHER):
        for one in reader.connection.execute(query, {"many": list(digests), "owners": owners}):
            found[one.number] = one.statement
    statements = sorted({found[number] for number in sorted(found)[:_WARNINGS]})
    if not statements:
        return AnsweredWarnings(total=0, answered=0)
    positions = reader.connection.execute(_ANSWERS, {"many": statements, "owners": owners})
    return AnsweredWarnings(total=len(statements), answered=len(set(positions.scalars())))


def owners_of(reader: Reader, row: Row[Any]) -> set[str]:
    """Return who signed a release and who owns its namespace now, by their ids."""
    query = select(_OWNER.c.signer).where(_OWNER.c.namespace == fold_name(row.namespace)).limit(_OWNERS)
    return {row.signer, *reader.connection.execute(query).scalars()}
