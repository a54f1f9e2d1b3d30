# SPDX-License-Identifier: Apache-2.0
"""What is known of a digest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, select
from sqlmodel import col

from weighbridge_registry.store import tables
from weighbridge_schemas.api import DigestAnswer, DigestMatch, DigestsAnswer, MatchKind

from .reader import Reader

__all__ = ["digest", "digests"]

_MATCHES: Final = 100
"""Matches shown for one digest; a licence text is in thousands of models."""
_MATCHES_OF_MANY: Final = 10
"""Matches shown for each digest of a question about many."""

_ENTRY: Final = tables.Entry.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_RELEASE: Final = tables.Release.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it


def digest(reader: Reader, sha256: str, limit: int = _MATCHES) -> DigestAnswer:
    """Say what has a digest, oldest first."""
    found = _occurrences(reader, sha256, limit + 1)
    if len(found) <= limit:
        found += _tensors(reader, sha256, limit + 1 - len(found))
    if len(found) <= limit:
        found += _statements(reader, sha256, limit + 1 - len(found))
    found.sort(key=lambda match: match.index)
    return DigestAnswer(
        digest=f"sha256:{sha256}",
        matches=tuple(found[:limit]),
        truncated=len(found) > limit,
        as_of=reader.as_of(),
    )


def digests(reader: Reader, asked: Sequence[str]) -> DigestsAnswer:
    """Say what is known of many digests, those that are known only."""
    different = list(dict.fromkeys(asked))
    known = set().union(*(_known(reader, different[i : i + 500]) for i in range(0, len(different), 500)))
    answers = tuple(digest(reader, one, _MATCHES_OF_MANY) for one in different if one in known)
    return DigestsAnswer(answers=answers, unknown=len(different) - len(answers), as_of=reader.as_of())


def _known(reader: Reader, asked: Sequence[str]) -> set[str]:
    known: set[str] = set()
    for column in (
        col(tables.Digest.sha256),
        col(tables.Tensor.sha256),
        col(tables.Entry.statement),
        col(tables.Entry.bundle),
    ):
        known.update(reader.connection.execute(select(column).where(column.in_(asked)).distinct()).scalars())
    return known


def _occurrences(reader: Reader, sha256: str, limit: int) -> list[DigestMatch]:
    rows = reader.connection.execute(
        select(col(tables.Digest.role), col(tables.Digest.name).label("path"), _ENTRY)
        .join(tables.Entry, col(tables.Entry.number) == col(tables.Digest.number))
        .where(col(tables.Digest.sha256) == sha256)
        .order_by(col(tables.Digest.number), col(tables.Digest.role), col(tables.Digest.position))
        .limit(limit)
    ).all()
    return [_match(reader, row, row.role, row.path) for row in rows]


def _tensors(reader: Reader, sha256: str, limit: int) -> list[DigestMatch]:
    """Tensors of stored tables, in every release that names such a table."""
    rows = reader.connection.execute(
        select(col(tables.Tensor.name).label("path"), _ENTRY)
        .join(
            tables.Digest,
            (col(tables.Digest.sha256) == col(tables.Tensor.table)) & (col(tables.Digest.role) == "table"),
        )
        .join(tables.Entry, col(tables.Entry.number) == col(tables.Digest.number))
        .where(col(tables.Tensor.sha256) == sha256)
        .order_by(col(tables.Entry.number), col(tables.Tensor.position))
        .limit(limit)
    ).all()
    return [_match(reader, row, "tensor", row.path) for row in rows]


def _statements(reader: Reader, sha256: str, limit: int) -> list[DigestMatch]:
    found: list[DigestMatch] = []
    kinds: tuple[tuple[MatchKind, Any], ...] = (
        ("statement", col(tables.Entry.statement)),
        ("bundle", col(tables.Entry.bundle)),
    )
    for kind, column in kinds:
        rows = reader.connection.execute(
            select(_ENTRY).where(column == sha256).order_by(col(tables.Entry.number)).limit(limit)
        ).all()
        found += [_match(reader, row, kind, None) for row in rows]
    return found


def _match(reader: Reader, row: Row[Any], kind: MatchKind, path: str | None) -> DigestMatch:
    release = _release(reader, row.release)
    return DigestMatch(
        kind=kind,
        namespace=release.namespace if release else None,
        name=release.name if release else None,
        version=release.version if release else None,
        model_digest=f"sha256:{release.model_digest}" if release else None,
        path=path,
        statement=f"sha256:{row.statement}",
        statement_kind=row.kind,
        signer=reader.signer(row.signer),
        index=row.number,
        received=row.received,
        url=reader.url(row.release_page) if row.release_page else reader.entry_url(row.number),
    )


def _release(reader: Reader, number: int | None) -> Row[Any] | None:
    if number is None:
        return None
    return reader.connection.execute(select(_RELEASE).where(col(tables.Release.number) == number)).one()
