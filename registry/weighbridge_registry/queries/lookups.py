# SPDX-License-Identifier: Apache-2.0
"""What is known of a digest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, Select, bindparam, literal, null, select
from sqlmodel import col

from weighbridge_registry.store import tables
from weighbridge_schemas.api import DigestAnswer, DigestMatch, DigestsAnswer, MatchKind

from .reader import Reader
from .testimonies import about, spoken_of

__all__ = ["digest", "digests"]

_MATCHES: Final = 100
"""Matches shown for one digest; a licence text is in thousands of models."""
_MATCHES_OF_MANY: Final = 10
"""Matches shown for each digest of a question about many."""
_AT_ONCE: Final = 500
"""Digests in one query."""

_ENTRY: Final = tables.Entry.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_RELEASE: Final = tables.Release.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_RELEASES: Final = _ENTRY.outerjoin(_RELEASE, col(tables.Release.number) == _ENTRY.c.release)
_SHOWN: Final = (
    *_ENTRY.c,
    col(tables.Release.namespace).label("of_namespace"),
    col(tables.Release.name).label("of_name"),
    col(tables.Release.version).label("of_version"),
    col(tables.Release.model_digest).label("of_model"),
)

# One question to each place where a digest can occur: role and path of the occurrence, its entry, and the
# release that the entry is of. Built once; a digest is asked for thousands of times.
_IN_RELEASES: Final = (
    select(col(tables.Digest.role).label("role"), col(tables.Digest.name).label("path"), *_SHOWN)
    .select_from(_RELEASES.join(tables.Digest, col(tables.Digest.number) == _ENTRY.c.number))
    .where(col(tables.Digest.sha256) == bindparam("sha256"))
    .order_by(col(tables.Digest.number), col(tables.Digest.role), col(tables.Digest.position))
    .limit(bindparam("most"))
)
_IN_TABLES: Final = (
    select(literal("tensor").label("role"), col(tables.Tensor.name).label("path"), *_SHOWN)
    .select_from(
        _RELEASES.join(tables.Digest, col(tables.Digest.number) == _ENTRY.c.number).join(
            tables.Tensor,
            (col(tables.Digest.sha256) == col(tables.Tensor.table)) & (col(tables.Digest.role) == "table"),
        )
    )
    .where(col(tables.Tensor.sha256) == bindparam("sha256"))
    .order_by(_ENTRY.c.number, col(tables.Tensor.position))
    .limit(bindparam("most"))
)


def _of_entries(role: MatchKind) -> Select[Any]:
    """Return the question for the entries whose statement or bundle has a digest."""
    return (
        select(literal(role).label("role"), null().label("path"), *_SHOWN)
        .select_from(_RELEASES)
        .where(_ENTRY.c[role] == bindparam("sha256"))
        .order_by(_ENTRY.c.number)
        .limit(bindparam("most"))
    )


_PLACES: Final[tuple[tuple[Any, Select[Any]], ...]] = (
    (col(tables.Digest.sha256), _IN_RELEASES),
    (col(tables.Tensor.sha256), _IN_TABLES),
    (_ENTRY.c.statement, _of_entries("statement")),
    (_ENTRY.c.bundle, _of_entries("bundle")),
)
"""The column that says whether a digest occurs in a place, and the question for its occurrences there."""


def digest(reader: Reader, sha256: str) -> DigestAnswer:
    """Say what has a digest, oldest first."""
    return _answer(reader, sha256, [question for _, question in _PLACES], _MATCHES)


def digests(reader: Reader, asked: Sequence[str]) -> DigestsAnswer:
    """Say what is known of many digests, those that are known only."""
    different = list(dict.fromkeys(asked))
    questions: dict[str, list[Select[Any]]] = {}
    for column, question in _PLACES:
        for start in range(0, len(different), _AT_ONCE):
            query = select(column).where(column.in_(different[start : start + _AT_ONCE])).distinct()
            for sha256 in reader.connection.execute(query).scalars():
                questions.setdefault(sha256, []).append(question)
    for start in range(0, len(different), _AT_ONCE):
        for sha256 in spoken_of(reader, different[start : start + _AT_ONCE]):
            questions.setdefault(sha256, [])
    answers = tuple(
        _answer(reader, one, questions[one], _MATCHES_OF_MANY) for one in different if one in questions
    )
    return DigestsAnswer(answers=answers, unknown=len(different) - len(answers), as_of=reader.as_of())


def _answer(reader: Reader, sha256: str, questions: Sequence[Select[Any]], limit: int) -> DigestAnswer:
    rows: list[Row[Any]] = []
    for question in questions:
        if len(rows) <= limit:
            asked = {"sha256": sha256, "most": limit + 1 - len(rows)}
            rows += reader.connection.execute(question, asked).all()
    rows.sort(key=lambda row: row.number)
    statements, total = about(reader, [sha256], limit=limit)
    return DigestAnswer(
        digest=f"sha256:{sha256}",
        matches=tuple(_match(reader, row) for row in rows[:limit]),
        truncated=len(rows) > limit,
        statements=statements,
        statements_total=total,
        as_of=reader.as_of(),
    )


def _match(reader: Reader, row: Row[Any]) -> DigestMatch:
    return DigestMatch(
        kind=row.role,
        namespace=row.of_namespace,
        name=row.of_name,
        version=row.of_version,
        model_digest=f"sha256:{row.of_model}" if row.of_model else None,
        path=row.path,
        statement=f"sha256:{row.statement}",
        statement_kind=row.kind,
        signer=reader.signer(row.signer),
        index=row.number,
        received=row.received,
        url=reader.url(row.release_page) if row.release_page else reader.entry_url(row.number),
    )
