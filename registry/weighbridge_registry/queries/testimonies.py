# SPDX-License-Identifier: Apache-2.0
"""What anyone says of a digest, of a data set; advisories. Always with who says it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

from sqlalchemy import Row, func, literal, or_, select, union
from sqlmodel import col

from weighbridge_registry.store import tables
from weighbridge_schemas.advisory import Advisory
from weighbridge_schemas.api import (
    AdvisoryDocument,
    AdvisoryList,
    AdvisorySummary,
    DatasetDescription,
    DatasetDocument,
    EntryRef,
    StatementAbout,
)
from weighbridge_schemas.dataset import Dataset

from .reader import Reader
from .refusals import check_served

__all__ = [
    "ABOUT",
    "TESTIMONIES",
    "about",
    "advisories",
    "advisory",
    "dataset",
    "find_statement",
    "reference",
    "spoken_of",
]

TESTIMONIES: Final = ("dataset", "advisory", "position", "disclosure", "deployment", "attestation")
"""Kinds in which anyone speaks of something."""
ABOUT: Final = (*TESTIMONIES, "status", "card", "lineage")
"""Kinds that speak of something else at all."""

_MOST: Final = 100
_DESCRIPTIONS: Final = 20
_FILES: Final = 1000
_HISTORY: Final = 50
_CANDIDATES: Final = 1000

_ENTRY: Final = tables.Entry.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_NEWEST: Final = (
    col(tables.Description.number),
    col(tables.Advisory.number),
    col(tables.Position.number),
    col(tables.Release.status_entry),
    col(tables.Release.card),
    col(tables.Release.lineage),
)
"""Where the newest statement of each chain stands."""


def about(
    reader: Reader, digests: Sequence[str], kinds: Sequence[str] = ABOUT, limit: int = _MOST
) -> tuple[tuple[StatementAbout, ...], int]:
    """List statements of these kinds that speak of any of the digests (bare hex), newest first, and count."""
    direct = select(_ENTRY.c.number, literal("subject").label("role")).where(
        _ENTRY.c.subject.in_(digests), _ENTRY.c.kind.in_(kinds)
    )
    named = (
        select(col(tables.About.number), col(tables.About.role))
        .join(_ENTRY, _ENTRY.c.number == col(tables.About.number))
        .where(col(tables.About.sha256).in_(digests), _ENTRY.c.kind.in_(kinds))
    )
    both = union(direct, named).subquery()
    total = reader.connection.execute(select(func.count(both.c.number.distinct()))).scalar_one()
    if not total:
        return (), 0
    page = (
        select(both.c.number, func.max(both.c.role).label("role"))
        .group_by(both.c.number)
        .order_by(both.c.number.desc())
        .limit(limit)
        .subquery()
    )
    rows: Sequence[Any] = reader.connection.execute(
        select(page.c.role, _ENTRY)
        .join(_ENTRY, _ENTRY.c.number == page.c.number)
        .order_by(_ENTRY.c.number.desc())
    ).all()
    newest = _newest(reader, [row.number for row in rows])
    return tuple(_about(reader, row, newest) for row in rows), int(total)


def spoken_of(reader: Reader, digests: Sequence[str]) -> set[str]:
    """Return those of many digests (bare hex) that some statement speaks of."""
    direct = select(_ENTRY.c.subject).where(_ENTRY.c.subject.in_(digests), _ENTRY.c.kind.in_(ABOUT))
    named = select(col(tables.About.sha256)).where(col(tables.About.sha256).in_(digests))
    found: set[str] = set()
    for query in (direct.distinct(), named.distinct()):
        found.update(reader.connection.execute(query).scalars())
    return found


def dataset(reader: Reader, sha256: str) -> DatasetDocument | None:
    """Describe a data set by what is said of it; None if nobody describes it."""
    own = (col(tables.Description.kind) == "dataset") & (col(tables.Description.subject) == sha256)
    counted = select(func.count(), func.count().filter(col(tables.Description.ended))).where(own)
    total, withdrawn = reader.connection.execute(counted).one()
    if not total:
        return None
    rows = reader.connection.execute(
        select(_ENTRY)
        .join(tables.Description, col(tables.Description.number) == _ENTRY.c.number)
        .where(own)
        .order_by(_ENTRY.c.number)
        .limit(_DESCRIPTIONS)
    ).all()
    others = [kind for kind in ABOUT if kind != "dataset"]
    return DatasetDocument(
        digest=f"sha256:{sha256}",
        descriptions=tuple(_description(reader, row) for row in rows),
        descriptions_total=int(total),
        withdrawn=int(withdrawn),
        statements=about(reader, [sha256, *(row.statement for row in rows)], others)[0],
        url=reader.url(f"/datasets/{sha256}"),
        as_of=reader.as_of(),
    )


def advisories(reader: Reader, digest: str | None, cursor: int | None, limit: int) -> AdvisoryList:
    """List advisories as they now stand, newest first; with `digest` (bare hex) those that affect it."""
    query = select(_ENTRY).join(tables.Advisory, col(tables.Advisory.number) == _ENTRY.c.number)
    if digest is not None:
        affected = select(col(tables.About.number)).where(
            col(tables.About.sha256) == digest, col(tables.About.role) == "affects"
        )
        query = query.where(or_(col(tables.Advisory.subject) == digest, _ENTRY.c.number.in_(affected)))
    if cursor is not None:
        query = query.where(_ENTRY.c.number < cursor)
    rows = reader.connection.execute(query.order_by(_ENTRY.c.number.desc()).limit(limit + 1)).all()
    return AdvisoryList(
        about=f"sha256:{digest}" if digest is not None else None,
        advisories=tuple(_summary(reader, row) for row in rows[:limit]),
        next=str(rows[limit - 1].number) if len(rows) > limit else None,
        as_of=reader.as_of(),
    )


def advisory(reader: Reader, statement: str) -> AdvisoryDocument | None:
    """Describe one statement of an advisory, by its digest (bare hex), and those before and after it."""
    row = find_statement(reader, statement)
    if row is None or row.kind != "advisory":
        return None
    check_served(reader, "bundle", row.bundle)
    document = _advisory(reader, row)
    history = _history(reader, row, document)
    return AdvisoryDocument(
        index=row.number,
        statement=f"sha256:{row.statement}",
        subject=f"sha256:{row.subject}",
        subject_name=row.subject_name,
        subject_url=reader.url(f"/digests/{row.subject}"),
        signer=reader.signer(row.signer),
        received=row.received,
        advisory=document,
        replaced_by=f"sha256:{history[0].statement}" if history[0].number != row.number else None,
        history=tuple(reference(reader, entry) for entry in history),
        url=reader.url(f"/advisories/{row.statement}"),
        as_of=reader.as_of(),
    )


def find_statement(reader: Reader, sha256: str) -> Row[Any] | None:
    """Return the entry in which a statement was first logged, or None."""
    query = select(_ENTRY).where(_ENTRY.c.statement == sha256).order_by(_ENTRY.c.number).limit(1)
    return reader.connection.execute(query).one_or_none()


def reference(reader: Reader, entry: Row[Any]) -> EntryRef:
    """Say where a statement is recorded."""
    return EntryRef(
        index=entry.number,
        kind=entry.kind,
        statement=f"sha256:{entry.statement}",
        bundle=f"sha256:{entry.bundle}",
        received=entry.received,
        url=reader.entry_url(entry.number),
    )


def _newest(reader: Reader, numbers: Sequence[int]) -> set[int]:
    """Return those entries that are the newest of their chain."""
    found: set[int] = set()
    for column in _NEWEST:
        rows = reader.connection.execute(select(column).where(column.in_(numbers))).scalars()
        found.update(number for number in rows if number is not None)
    return found


def _about(reader: Reader, row: Any, newest: set[int]) -> StatementAbout:
    page = f"/advisories/{row.statement}" if row.kind == "advisory" else None
    if row.kind == "disclosure" and row.subject:
        page = f"/disclosures/{row.subject}"
    return StatementAbout(
        index=row.number,
        kind=row.kind,
        statement=f"sha256:{row.statement}",
        role=row.role,
        namespace=row.namespace,
        signer=reader.signer(row.signer),
        received=row.received,
        replaced=row.kind != "attestation" and row.number not in newest,
        summary=row.summary,
        url=reader.url(page) if page else reader.entry_url(row.number),
    )


def _description(reader: Reader, row: Row[Any]) -> DatasetDescription:
    document = cast("Dataset", reader.statements.get(row.bundle).document)
    total = len(document.files)
    return DatasetDescription(
        index=row.number,
        statement=f"sha256:{row.statement}",
        signer=reader.signer(row.signer),
        received=row.received,
        dataset=document if total <= _FILES else document.model_copy(update={"files": ()}),
        files_total=total,
        url=reader.entry_url(row.number),
    )


def _advisory(reader: Reader, row: Row[Any]) -> Advisory:
    return cast("Advisory", reader.statements.get(row.bundle).document)


def _summary(reader: Reader, row: Row[Any]) -> AdvisorySummary:
    document = _advisory(reader, row)
    return AdvisorySummary(
        index=row.number,
        statement=f"sha256:{row.statement}",
        id=document.id,
        severity=document.severity,
        summary=document.summary,
        subject=f"sha256:{row.subject}",
        subject_name=row.subject_name,
        withdrawn=document.withdrawn is not None,
        signer=reader.signer(row.signer),
        received=row.received,
        url=reader.url(f"/advisories/{row.statement}"),
    )


def _history(reader: Reader, row: Row[Any], document: Advisory) -> list[Row[Any]]:
    """Return the statements of an advisory, newest first: from the newest that leads back to this one."""
    rows: Sequence[Any] = reader.connection.execute(
        select(col(tables.Advisory.chain), _ENTRY)
        .join(_ENTRY, _ENTRY.c.number == col(tables.Advisory.number))
        .where(col(tables.Advisory.subject) == row.subject, col(tables.Advisory.number) > row.number)
        .order_by(col(tables.Advisory.number))
        .limit(_CANDIDATES)
    ).all()
    for newest in rows:
        if newest.chain.endswith(f"/{document.id}"):
            chain = list(_back(reader, newest))
            if any(entry.number == row.number for entry in chain):
                return chain
    return list(_back(reader, row))


def _back(reader: Reader, row: Any) -> Iterable[Row[Any]]:
    """Yield a statement of an advisory and those that it replaced, as far as they are served."""
    one: Any = row
    for _ in range(_HISTORY):
        if one is None or reader.withheld("bundle", one.bundle) is not None:
            return
        yield one
        previous = _advisory(reader, one).previous
        one = find_statement(reader, previous.sha256) if previous is not None else None
