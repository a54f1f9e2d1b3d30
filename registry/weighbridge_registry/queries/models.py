# SPDX-License-Identifier: Apache-2.0
"""Models: search, and one model with its releases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Row, func, select
from sqlmodel import col

from weighbridge_registry.state import Fact
from weighbridge_registry.store import tables
from weighbridge_registry.store.summaries import release_path
from weighbridge_registry.store.views import words
from weighbridge_schemas.api import (
    ModelDocument,
    ModelList,
    ModelSummary,
    ReleaseStatus,
    Successor,
    VersionSummary,
)
from weighbridge_schemas.base import Reference, fold_name

from .reader import Reader

__all__ = ["in_namespace", "model", "model_path", "search", "status"]

_VERSIONS: Final = 1000
_COUNTED: Final = 1000
_QUERY_WORDS: Final = 8
_LONGEST_QUERY: Final = 256
_PAST_ANY_WORD: Final = "\U0010ffff"

_RELEASE: Final = tables.Release.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it


def search(reader: Reader, query: str, cursor: int | None, limit: int) -> ModelList:
    """List models that have a word beginning with each word of the query, newest first."""
    query = query.strip()[:_LONGEST_QUERY]
    wanted = words(query)[:_QUERY_WORDS]
    if query and not wanted:
        return ModelList(query=query, models=(), next=None, total=0, as_of=reader.as_of())
    found = _matching(select(col(tables.Model.latest), col(tables.Model.releases)), wanted)
    page = found if cursor is None else found.where(col(tables.Model.latest) < cursor)
    rows = reader.connection.execute(page.order_by(col(tables.Model.latest).desc()).limit(limit + 1)).all()
    return ModelList(
        query=query,
        models=_summaries(reader, rows[:limit]),
        next=str(rows[limit - 1].latest) if len(rows) > limit else None,
        total=_count(reader, found),
        as_of=reader.as_of(),
    )


def in_namespace(reader: Reader, namespace: str, limit: int) -> tuple[ModelSummary, ...]:
    """List models of a namespace, given folded, newest first."""
    rows = reader.connection.execute(
        select(col(tables.Model.latest), col(tables.Model.releases))
        .where(col(tables.Model.namespace) == namespace)
        .order_by(col(tables.Model.latest).desc())
        .limit(limit)
    ).all()
    return _summaries(reader, rows)


def model(reader: Reader, namespace: str, name: str) -> ModelDocument | None:
    """Describe a model and its releases, newest first."""
    key = f"{fold_name(namespace)}/{fold_name(name)}"
    rows = reader.connection.execute(
        select(_RELEASE)
        .where(col(tables.Release.model) == key)
        .order_by(col(tables.Release.number).desc())
        .limit(_VERSIONS)
    ).all()
    rows = [row for row in rows if _is_listed(reader, row)]
    if not rows:
        return None
    return ModelDocument(
        namespace=rows[0].namespace,
        name=rows[0].name,
        latest=rows[0].version,
        versions=tuple(_version(reader, row) for row in rows),
        url=reader.url(model_path(rows[0].namespace, rows[0].name)),
        as_of=reader.as_of(),
    )


def model_path(namespace: str, name: str) -> str:
    """Return the path of a model's page."""
    return release_path(namespace, name, "").rstrip("/")


def _matching(query: Any, wanted: Sequence[str]) -> Any:
    for word in wanted:
        having = select(col(tables.Term.model)).where(
            col(tables.Term.word) >= word, col(tables.Term.word) < word + _PAST_ANY_WORD
        )
        query = query.where(col(tables.Model.key).in_(having))
    return query


def _count(reader: Reader, found: Any) -> int | None:
    """Count what was found, up to where counting is cheap."""
    counted = select(func.count()).select_from(found.limit(_COUNTED + 1).subquery())
    total = reader.connection.execute(counted).scalar_one()
    return int(total) if total <= _COUNTED else None


def _summaries(reader: Reader, rows: Iterable[Any]) -> tuple[ModelSummary, ...]:
    releases = {row.latest: row.releases for row in rows}
    found = reader.connection.execute(
        select(_RELEASE)
        .where(col(tables.Release.number).in_(list(releases)))
        .order_by(col(tables.Release.number).desc())
    ).all()
    return tuple(_summary(reader, row, releases[row.number]) for row in found if _is_listed(reader, row))


def _is_listed(reader: Reader, row: Row[Any]) -> bool:
    """Tell whether a release is named in lists: not if its operator withholds even its name."""
    found = _withheld(reader, row)
    return found is None or not found["facts_withheld"]


def status(reader: Reader, row: Row[Any]) -> ReleaseStatus:
    """Say what the owners of a release, given as its row, said of it last, or that it is withheld."""
    found = _withheld(reader, row)
    if found is not None:
        statement = Reference(kind="operator", sha256=found["statement"])
        return ReleaseStatus(state="withheld", statement=statement, index=found["index"])
    if row.status is None:
        return ReleaseStatus(state="released")
    return ReleaseStatus(
        state="released" if row.status == "restored" else row.status,
        reason=row.reason,
        statement=Reference(kind="status", sha256=row.status_statement),
        index=row.status_entry,
        superseded_by=_successor(reader, row.superseded_by),
    )


def _successor(reader: Reader, statement: str | None) -> Successor | None:
    if statement is None:
        return None
    query = select(_RELEASE).where(col(tables.Release.statement) == statement)
    found = reader.connection.execute(query.order_by(col(tables.Release.number)).limit(1)).one_or_none()
    if found is None or not _is_listed(reader, found):
        return None
    return Successor(
        namespace=found.namespace,
        name=found.name,
        version=found.version,
        url=reader.url(release_path(found.namespace, found.name, found.version)),
    )


def _withheld(reader: Reader, row: Row[Any]) -> Fact | None:
    """Return the takedown of a release; only rows that have lost their content can have one."""
    return reader.withheld("bundle", row.bundle) if not row.released_at else None


def _summary(reader: Reader, row: Row[Any], releases: int) -> ModelSummary:
    return ModelSummary(
        namespace=row.namespace,
        name=row.name,
        version=row.version,
        **json.loads(row.headline),
        model_digest=f"sha256:{row.model_digest}",
        releases=releases,
        status=status(reader, row),
        signer=reader.signer(row.signer),
        received=row.received,
        index=row.number,
        url=reader.url(model_path(row.namespace, row.name)),
    )


def _version(reader: Reader, row: Row[Any]) -> VersionSummary:
    return VersionSummary(
        version=row.version,
        model_digest=f"sha256:{row.model_digest}",
        weights_digest=f"sha256:{row.weights_digest}" if row.weights_digest else None,
        released_at=row.released_at or None,
        received=row.received,
        index=row.number,
        status=status(reader, row),
        signer=reader.signer(row.signer),
        url=reader.url(release_path(row.namespace, row.name, row.version)),
    )
