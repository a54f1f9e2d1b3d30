# SPDX-License-Identifier: Apache-2.0
"""Warnings of others about a release, and which of them its owners answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, select, union

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


def answered(reader: Reader, row: Row[Any], digests: Sequence[str]) -> AnsweredWarnings:
    """Count the standing advisories of others that name a release by one of its digests (bare hex)."""
    owners = owners_of(reader, row)
    direct = (
        select(_ADVISORY.c.number)
        .where(_ADVISORY.c.subject.in_(digests), _ADVISORY.c.withdrawn.is_(False))
        .order_by(_ADVISORY.c.number)
        .limit(_WARNINGS)
    )
    further = (
        select(_ADVISORY.c.number)
        .select_from(_ABOUT)
        .join(_ADVISORY, _ADVISORY.c.number == _ABOUT.c.number)
        .where(_ABOUT.c.sha256.in_(digests), _ABOUT.c.role == "affects", _ADVISORY.c.withdrawn.is_(False))
        .order_by(_ADVISORY.c.number)
        .limit(_WARNINGS)
    )
    numbers = union(select(direct.subquery()), select(further.subquery())).subquery()
    warnings = reader.connection.execute(
        select(_ENTRY.c.statement)
        .join(numbers, numbers.c.number == _ENTRY.c.number)
        .where(_ENTRY.c.signer.not_in(sorted(owners)))
        .order_by(_ENTRY.c.number)
        .limit(_WARNINGS)
    )
    statements = set(warnings.scalars())
    if not statements:
        return AnsweredWarnings(total=0, answered=0)
    positions = reader.connection.execute(
        select(_POSITION.c.subject)
        .join(_ENTRY, _ENTRY.c.number == _POSITION.c.number)
        .where(
            _POSITION.c.subject.in_(sorted(statements)),
            _POSITION.c.stance != "withdrawn",
            _ENTRY.c.signer.in_(sorted(owners)),
        )
        .distinct()
    )
    return AnsweredWarnings(total=len(statements), answered=len(set(positions.scalars())))


def owners_of(reader: Reader, row: Row[Any]) -> set[str]:
    """Return who signed a release and who owns its namespace now, by their ids."""
    query = select(_OWNER.c.signer).where(_OWNER.c.namespace == fold_name(row.namespace)).limit(_OWNERS)
    return {row.signer, *reader.connection.execute(query).scalars()}
