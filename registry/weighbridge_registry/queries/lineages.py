# SPDX-License-Identifier: Apache-2.0
"""Lineage of one release as its document tells it: what is stated, by whom, and what was noticed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import Row, select

from weighbridge_registry.store import descent, tables
from weighbridge_registry.store.descent import Link
from weighbridge_registry.store.rows import plain
from weighbridge_schemas.api import DatasetEdge, LineageDocument, ParentEdge
from weighbridge_schemas.base import Reference
from weighbridge_schemas.card import Card
from weighbridge_schemas.lineage import DatasetUse, Lineage, LineageRevision, Parent
from weighbridge_schemas.release import Release

from . import proposals
from .edges import Evidence
from .graphs import named
from .licenses import DataLicenses, Licenses
from .proposals import Proposal
from .reader import Reader
from .standings import is_listed

__all__ = ["lineage", "stated_lineage"]

_CHILDREN: Final = 50
_COUNTED: Final = 10_000
_AT_ONCE: Final = 500

_ENTRY: Final = plain(tables.Entry)
_DESCRIPTION: Final = plain(tables.Description)


def lineage(
    reader: Reader, row: Row[Any], document: Release, card: Card | None = None
) -> LineageDocument | None:
    """Give the lineage of a release as it now stands, its registered children, and proposed edges.

    `card` is the release's as it now stands. None if nothing was stated, nobody names it as a parent, and
    nothing was noticed.
    """
    stated, statement = stated_lineage(reader, row, document)
    children, total = _children(reader, row)
    proposed, proposed_children = _proposed(reader, row)
    if stated is None and not total and not proposed and not proposed_children:
        return None
    stated = stated or Lineage()
    return LineageDocument(
        statement=statement,
        from_scratch=any(parent.relation == "from_scratch" for parent in stated.parents),
        parents=_parents(reader, row, stated),
        datasets=_datasets(reader, row, stated.datasets, card),
        children=children,
        children_total=total,
        proposed=proposed,
        proposed_children=proposed_children,
    )


def stated_lineage(reader: Reader, row: Row[Any], document: Release) -> tuple[Lineage | None, Reference]:
    """Return the lineage as it now stands, and the statement that it is from; None if that is withheld."""
    if row.lineage is not None:
        entry = reader.entry(row.lineage)
        if entry is not None and reader.withheld("bundle", entry.bundle) is not None:
            return None, Reference(kind="lineage", sha256=entry.statement)
        if entry is not None:
            revision = cast("LineageRevision", reader.statements.get(entry.bundle).document)
            return revision.lineage, Reference(kind="lineage", sha256=entry.statement)
    return document.lineage, Reference(kind="release", sha256=row.statement)


def _parents(reader: Reader, row: Row[Any], stated: Lineage) -> tuple[ParentEdge, ...]:
    links = descent.links(reader.connection, [row.number]).get(row.number, [])
    rows = descent.releases(reader.connection, (link.parent for link in links if link.parent is not None))
    shown = {number: parent for number, parent in rows.items() if is_listed(reader, parent)}
    evidence = Evidence(reader, {**shown, row.number: row}, links)
    licenses = Licenses(reader, [*shown.values(), row])
    found = []
    for link in links:
        parent = shown.get(link.parent) if link.parent is not None else None
        edge = _parent(reader, row, stated.parents[link.position], parent, evidence, link)
        check = licenses.check(row, parent, link.relation)
        found.append(edge.model_copy(update={"license": check}))
    return tuple(found)


def _parent(
    reader: Reader,
    row: Row[Any],
    stated: Parent,
    parent: Row[Any] | None,
    evidence: Evidence,
    link: Link,
) -> ParentEdge:
    digest = stated.digest
    if digest is None and stated.statement is not None and parent is not None:
        digest = f"sha256:{parent.model_digest}"
    grounds = evidence.grounds(link)
    return ParentEdge(
        child=f"sha256:{row.model_digest}",
        parent=digest,
        relation=stated.relation,
        level=grounds.level,
        declared=True,
        evidence=grounds.evidence,
        name=stated.name,
        location=stated.location,
        match=grounds.match,
        contradicted=grounds.contradicted,
        positions=grounds.positions,
        **(named(reader, parent) if parent is not None else {}),
    )


def _datasets(
    reader: Reader, row: Row[Any], uses: Sequence[DatasetUse], card: Card | None
) -> tuple[DatasetEdge, ...]:
    """Give the data sets of a release; level 2 are those that somebody described here."""
    statements = {use.statement.sha256 for use in uses if use.statement is not None}
    digests = {use.digest.removeprefix("sha256:") for use in uses if use.digest is not None}
    described: dict[str, str] = {}
    numbers: dict[str, int] = {}
    for part in _parts(statements):
        query = select(_ENTRY.c.statement, _ENTRY.c.subject, _ENTRY.c.number).where(
            _ENTRY.c.statement.in_(part), _ENTRY.c.kind == "dataset"
        )
        for found in reader.connection.execute(query):
            described[found.statement] = found.subject
            numbers[found.statement] = found.number
    for part in _parts(digests):
        described_here = select(_DESCRIPTION.c.subject).where(
            _DESCRIPTION.c.kind == "dataset", _DESCRIPTION.c.subject.in_(part)
        )
        described.update((one, one) for one in reader.connection.execute(described_here).scalars())
    licenses = DataLicenses(reader, row, card, numbers)
    return tuple(_dataset(reader, row, use, described, licenses) for use in uses)


def _dataset(
    reader: Reader, row: Row[Any], use: DatasetUse, described: Mapping[str, str], licenses: DataLicenses
) -> DatasetEdge:
    pins = [use.statement.sha256] if use.statement is not None else []
    pins += [use.digest.removeprefix("sha256:")] if use.digest is not None else []
    found = next((described[pin] for pin in pins if pin in described), None)
    said = "The publisher names the exact data set." if pins else "The publisher says so; no digest is named."
    return DatasetEdge(
        child=f"sha256:{row.model_digest}",
        stage=use.stage,
        name=use.name,
        digest=use.digest,
        level=2 if found is not None else 1 if pins else 0,
        declared=True,
        evidence=(said, "That data set is described here.") if found is not None else (said,),
        location=use.location,
        note=use.note,
        url=reader.url(f"/datasets/{found}") if found is not None else None,
        license=licenses.check(use),
    )


def _parts(values: set[str]) -> Iterator[list[str]]:
    all_ = sorted(values)
    for start in range(0, len(all_), _AT_ONCE):
        yield all_[start : start + _AT_ONCE]


def _children(reader: Reader, row: Row[Any]) -> tuple[tuple[ParentEdge, ...], int]:
    """List registered releases that name this one by any of its digests, oldest first, and their number."""
    own = descent.own_digests(reader.connection, [row.number])[row.number]
    numbers = descent.named_by(reader.connection, own, _COUNTED).keys() - {row.number}
    rows = descent.releases(reader.connection, sorted(numbers)[:_CHILDREN])
    links = [
        Link(link.child, link.position, link.relation, link.pins, link.name, row.number)
        for stated in descent.links(reader.connection, rows).values()
        for link in stated
        if set(link.pins) & set(own)
    ]
    evidence = Evidence(reader, {**rows, row.number: row}, links)
    licenses = Licenses(reader, [*rows.values(), row])
    edges = {
        link.child: _child(reader, row, rows[link.child], evidence, licenses, link)
        for link in reversed(links)
    }
    listed = (edges[number] for number in sorted(edges) if is_listed(reader, rows[number]))
    return tuple(listed), len(numbers)


def _child(
    reader: Reader, row: Row[Any], child: Row[Any], evidence: Evidence, licenses: Licenses, link: Link
) -> ParentEdge:
    grounds = evidence.grounds(link)
    return ParentEdge(
        child=f"sha256:{child.model_digest}",
        parent=f"sha256:{row.model_digest}",
        relation=link.relation,
        level=grounds.level,
        declared=True,
        evidence=grounds.evidence,
        match=grounds.match,
        contradicted=grounds.contradicted,
        positions=grounds.positions,
        license=licenses.check(child, row, link.relation),
        **named(reader, child),
    )


def _proposed(reader: Reader, row: Row[Any]) -> tuple[tuple[ParentEdge, ...], tuple[ParentEdge, ...]]:
    above, below = proposals.proposals(reader, row.number)
    others = [*(one.parent for one in above), *(one.child for one in below)]
    rows = {**descent.releases(reader.connection, others), row.number: row}

    def edge(one: Proposal, other: Row[Any]) -> ParentEdge:
        return ParentEdge(
            child=f"sha256:{rows[one.child].model_digest}",
            parent=f"sha256:{rows[one.parent].model_digest}",
            relation=None,
            level=0,
            declared=False,
            evidence=proposals.evidence(one),
            match=one.match,
            **named(reader, other),
        )

    return (
        tuple(edge(one, rows[one.parent]) for one in above if is_listed(reader, rows[one.parent])),
        tuple(edge(one, rows[one.child]) for one in below if is_listed(reader, rows[one.child])),
    )
