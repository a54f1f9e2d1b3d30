# SPDX-License-Identifier: Apache-2.0
"""What others signed about edges: the owners of either end first, then some of everybody else.

A position is shown with whoever takes it and whether they own one of the two ends. It never raises a level:
whose re-check counts is for each reader's policy to say. Strangers can be many, so they cannot crowd out
the owners, and only the first of them are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, cast

from sqlalchemy import Row, bindparam, select

from weighbridge_registry.store import descent, tables
from weighbridge_registry.store.descent import Link
from weighbridge_registry.store.rows import plain
from weighbridge_schemas.api import EdgePosition
from weighbridge_schemas.base import fold_name
from weighbridge_schemas.position import Position

from .reader import Reader

__all__ = ["Positions", "party_of"]

_OWNERS: Final = 500

_POSITION: Final = plain(tables.Position)
_ENTRY: Final = plain(tables.Entry)
_OWNER: Final = plain(tables.Owner)

_STANDING: Final = (
    select(_POSITION.c.subject, _POSITION.c.parent, _ENTRY)
    .join(_ENTRY, _ENTRY.c.number == _POSITION.c.number)
    .where(
        _POSITION.c.subject.in_(bindparam("subjects", expanding=True)),
        _POSITION.c.parent.is_not(None),
        _POSITION.c.stance != "withdrawn",
    )
    .order_by(_POSITION.c.number)
    .limit(bindparam("most"))
)
_OF_PARTIES: Final = _STANDING.where(_ENTRY.c.signer.in_(bindparam("signers", expanding=True)))
_OF_OTHERS: Final = _STANDING.where(_ENTRY.c.signer.not_in(bindparam("signers", expanding=True)))


class Positions:
    """Positions on the edges between some releases."""

    def __init__(self, reader: Reader, rows: Mapping[int, Row[Any]], links: Sequence[Link]) -> None:
        self._reader = reader
        self._rows = rows
        subjects = sorted({rows[link.child].model_digest for link in links if link.child in rows})
        self._found: dict[str, list[Row[Any]]] = {}
        self._owned: dict[str, set[str]] = {}
        self._digests: dict[int, tuple[str, ...]] = {}
        if not subjects or not self._any(subjects):
            return
        every = (number for link in links for number in (link.child, link.parent))
        ends = {number for number in every if number is not None and number in rows}
        self._owned = _owners(reader, {fold_name(rows[number].namespace) for number in ends})
        signers = {rows[number].signer for number in ends}.union(*self._owned.values())
        for query in (_OF_PARTIES, _OF_OTHERS):
            asked = {"subjects": subjects, "signers": sorted(signers), "most": reader.shown.read}
            for row in reader.connection.execute(query, asked):
                self._found.setdefault(row.subject, []).append(row)
        self._digests = descent.own_digests(reader.connection, ends)

    def of(self, link: Link) -> tuple[EdgePosition, ...]:
        """Return the positions on one edge: of the parent's owners, the child's, then of others."""
        child = self._rows.get(link.child)
        if child is None or child.model_digest not in self._found:
            return ()
        parent = self._rows.get(link.parent) if link.parent is not None else None
        ends = {*link.pins, *(self._digests.get(link.parent, ()) if link.parent is not None else ())}
        taken = [
            one
            for row in self._found[child.model_digest]
            if row.parent in ends and (one := self._position(row, link, child, parent)) is not None
        ]
        own = [one for one in taken if one.party != "other"]
        own.sort(key=lambda one: (one.party != "parent", one.index))
        others = [one for one in taken if one.party == "other"]
        return (*own, *others[: self._reader.shown.strangers])

    def _position(
        self, row: Row[Any], link: Link, child: Row[Any], parent: Row[Any] | None
    ) -> EdgePosition | None:
        if self._reader.withheld("bundle", row.bundle) is not None:
            return None
        document = cast("Position", self._reader.statements.get(row.bundle).document)
        if document.edge is None or document.edge.relation not in (None, link.relation):
            return None
        checked = document.stance == "acknowledges" and document.basis != "knowledge"
        told = cast("Literal['acknowledges', 'disputes']", document.stance)
        return EdgePosition(
            stance="rechecked" if checked else told,
            signer=self._reader.signer(row.signer),
            party=party_of(row.signer, child, parent, self._owned),
            reason=document.reason,
            statement=f"sha256:{row.statement}",
            index=row.number,
            url=self._reader.entry_url(row.number),
        )

    def _any(self, subjects: Sequence[str]) -> bool:
        query = select(_POSITION.c.number).where(_POSITION.c.subject.in_(subjects)).limit(1)
        return self._reader.connection.execute(query).scalar() is not None


def party_of(
    signer: str, child: Row[Any] | None, parent: Row[Any] | None, owned: Mapping[str, set[str]]
) -> Literal["parent", "child", "other"]:
    """Say whether a signer signed a release, or owns its namespace now; the parent's counts first."""
    ends: tuple[tuple[Literal["parent", "child"], Row[Any] | None], ...] = (
        ("parent", parent),
        ("child", child),
    )
    for party, row in ends:
        if row is not None and (signer == row.signer or signer in owned.get(fold_name(row.namespace), ())):
            return party
    return "other"


def _owners(reader: Reader, namespaces: Iterable[str]) -> dict[str, set[str]]:
    query = select(_OWNER).where(_OWNER.c.namespace.in_(sorted(namespaces))).limit(_OWNERS)
    found: dict[str, set[str]] = {}
    for row in reader.connection.execute(query):
        found.setdefault(row.namespace, set()).add(row.signer)
    return found
