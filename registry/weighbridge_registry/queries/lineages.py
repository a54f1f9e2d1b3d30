# SPDX-License-Identifier: Apache-2.0
"""Lineage of a release with the evidence for each edge: levels 0 claimed, 1 pinned, 2 anchored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

from sqlalchemy import Row, distinct, func, select
from sqlmodel import col

from weighbridge_registry.store import tables
from weighbridge_registry.store.summaries import release_path
from weighbridge_schemas.api import DatasetEdge, LineageDocument, ParentEdge
from weighbridge_schemas.base import Reference
from weighbridge_schemas.lineage import DatasetUse, Lineage, LineageRevision, Parent
from weighbridge_schemas.release import Release

from .reader import Reader

__all__ = ["lineage"]

_CHILDREN: Final = 50
_ROLES: Final = ("model", "weights", "root")

_RELEASE: Final = tables.Release.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it


def lineage(reader: Reader, row: Row[Any], document: Release) -> LineageDocument | None:
    """Give the lineage of a release as it now stands, and its registered children.

    None if nothing was stated and nobody names it as a parent.
    """
    stated, statement = _stated(reader, row, document)
    children, total = _children(reader, row, document)
    if stated is None and not total:
        return None
    stated = stated or Lineage()
    child = document.model.model_digest
    parents = [parent for parent in stated.parents if parent.relation != "from_scratch"]
    return LineageDocument(
        statement=statement,
        from_scratch=len(parents) != len(stated.parents),
        parents=tuple(_parent(reader, row.number, child, parent) for parent in parents),
        datasets=tuple(_dataset(child, use) for use in stated.datasets),
        children=children,
        children_total=total,
    )


def _stated(reader: Reader, row: Row[Any], document: Release) -> tuple[Lineage | None, Reference]:
    if row.lineage is not None:
        entry = reader.entry(row.lineage)
        if entry is not None and reader.withheld("bundle", entry.bundle) is not None:
            return None, Reference(kind="lineage", sha256=entry.statement)
        if entry is not None:
            revision = cast("LineageRevision", reader.statements.get(entry.bundle).document)
            return revision.lineage, Reference(kind="lineage", sha256=entry.statement)
    return document.lineage, Reference(kind="release", sha256=row.statement)


def _parent(reader: Reader, number: int, child: str, parent: Parent) -> ParentEdge:
    registered = _registered(reader, number, parent)
    digest = parent.digest
    if digest is None and parent.statement is not None and registered is not None:
        digest = f"sha256:{registered.model_digest}"
    evidence: list[str] = []
    if parent.digest is not None:
        evidence.append(f"The publisher names the exact parent, {parent.digest}.")
    if parent.statement is not None:
        evidence.append(
            f"The publisher names the parent's release statement, sha256:{parent.statement.sha256}."
        )
    if not evidence:
        evidence.append("The publisher says so; no digest is named.")
    if registered is not None:
        evidence.append(f"That parent is registered here, as entry {registered.number}.")
    elif len(evidence) == 1 and (parent.digest or parent.statement):
        evidence.append("No release with that digest is registered here.")
    pinned = parent.digest is not None or parent.statement is not None
    return ParentEdge(
        child=child,
        parent=digest,
        relation=parent.relation,
        level=2 if registered is not None else 1 if pinned else 0,
        declared=True,
        evidence=tuple(evidence),
        name=parent.name,
        location=parent.location,
        namespace=registered.namespace if registered else None,
        model=registered.name if registered else None,
        version=registered.version if registered else None,
        url=_release_url(reader, registered) if registered else None,
    )


def _registered(reader: Reader, number: int, parent: Parent) -> Row[Any] | None:
    """Find the first registered release that an edge pins, other than the child itself."""
    if parent.statement is not None:
        query = select(_RELEASE).where(col(tables.Release.statement) == parent.statement.sha256)
    elif parent.digest is not None:
        query = (
            select(_RELEASE)
            .join(tables.Digest, col(tables.Digest.number) == col(tables.Release.number))
            .where(
                col(tables.Digest.sha256) == parent.digest.removeprefix("sha256:"),
                col(tables.Digest.role).in_(_ROLES),
            )
        )
    else:
        return None
    other = query.where(col(tables.Release.number) != number)
    return reader.connection.execute(other.order_by(col(tables.Release.number)).limit(1)).one_or_none()


def _dataset(child: str, use: DatasetUse) -> DatasetEdge:
    pinned = use.digest is not None or use.statement is not None
    said = (
        "The publisher names the exact data set." if pinned else "The publisher says so; no digest is named."
    )
    return DatasetEdge(
        child=child,
        stage=use.stage,
        name=use.name,
        digest=use.digest,
        level=1 if pinned else 0,
        declared=True,
        evidence=(said,),
        location=use.location,
        note=use.note,
    )


def _children(reader: Reader, row: Row[Any], document: Release) -> tuple[tuple[ParentEdge, ...], int]:
    """List registered releases that pin this one by any of its digests, oldest first, and their number."""
    own = list(_own(row, document))
    named = (col(tables.Edge.digest).in_(own)) & (col(tables.Edge.number) != row.number)
    total = reader.connection.execute(
        select(func.count(distinct(col(tables.Edge.number)))).where(named)
    ).scalar_one()
    rows = reader.connection.execute(
        select(
            func.min(col(tables.Edge.digest)).label("pin"),
            func.min(col(tables.Edge.relation)).label("relation"),
            _RELEASE,
        )
        .join(tables.Release, col(tables.Release.number) == col(tables.Edge.number))
        .where(named)
        .group_by(*_RELEASE.columns)
        .order_by(col(tables.Release.number))
        .limit(_CHILDREN)
    ).all()
    return tuple(_child(reader, row, child) for child in rows), int(total)


def _own(row: Row[Any], document: Release) -> Iterable[str]:
    yield row.statement
    yield row.model_digest
    if row.weights_digest is not None:
        yield row.weights_digest
    for root in document.model.root_digests:
        yield root.root_digest.removeprefix("sha256:")


def _child(reader: Reader, row: Row[Any], child: Any) -> ParentEdge:
    return ParentEdge(
        child=f"sha256:{child.model_digest}",
        parent=f"sha256:{row.model_digest}",
        relation=child.relation,
        level=2,
        declared=True,
        evidence=("Its publisher names this release's digest.",),
        namespace=child.namespace,
        model=child.name,
        version=child.version,
        url=_release_url(reader, child),
    )


def _release_url(reader: Reader, row: Any) -> str:
    return reader.url(release_path(row.namespace, row.name, row.version))
