# SPDX-License-Identifier: Apache-2.0
"""Edges that nobody declared: what the registry noticed when it compared tensor tables.

Direction is the order of registration: the later release stands as the child, which proves nothing, for
whoever copies may well be the first to register. A proposal is left out where one descends from the other,
or both from a third, by what their publishers declare: then that explains what they have in common.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, func, select

from weighbridge_registry.store import descent, tables
from weighbridge_registry.store.rows import plain
from weighbridge_schemas.api import TensorMatch

from .edges import match_of, matched
from .reader import Reader

__all__ = ["Proposal", "evidence", "proposals"]

_MOST: Final = 8
"""Proposals in either direction, the strongest first."""
_LOOKED_THROUGH: Final = 48
"""Comparisons of one table that are looked through, in either direction."""
_STEPS: Final = 4
"""Steps of declared ancestry that are looked at for a connection."""
_WALKED: Final = 256
"""Ancestors looked at."""
_STRENGTH: Final = {"equal": 3, "shares": 2, "resembles": 1}
"""Findings that are worth a proposal."""

_DIGEST: Final = plain(tables.Digest)
_LIKENESS: Final = plain(tables.Likeness)


@dataclass(frozen=True, slots=True)
class Proposal:
    """Two releases, by their entries, whose tables have something in common that nobody declared."""

    child: int
    parent: int
    match: TensorMatch


def proposals(reader: Reader, number: int) -> tuple[tuple[Proposal, ...], tuple[Proposal, ...]]:
    """Return the undeclared parents and children that the registry proposes for a release."""
    table = descent.tables_of(reader.connection, [number]).get(number)
    if table is None:
        return (), ()
    found = [*_of_same_table(reader, number, table), *_of_tables(reader, number, table)]
    if not found:
        return (), ()
    explained = _explained(reader, number, {_other(one, number) for one in found})
    kept = [one for one in found if _other(one, number) not in explained]
    kept.sort(key=_strongest_first)
    above = tuple(one for one in kept if one.child == number)[:_MOST]
    return above, tuple(one for one in kept if one.parent == number)[:_MOST]


def evidence(proposal: Proposal) -> tuple[str, ...]:
    """Say why an edge is proposed, and what that is worth."""
    return (
        "The registry noticed; nobody declared it.",
        matched(proposal.match),
        f"The other one was registered earlier, as entry {proposal.parent}: that does not prove a parent.",
    )


def _strongest_first(one: Proposal) -> tuple[int, int, int, int]:
    match = one.match
    return -_STRENGTH[match.finding], -match.equal_bytes, match.differing or 0, one.parent


def _of_same_table(reader: Reader, number: int, table: str) -> list[Proposal]:
    """Return the first release with the very same table, if that is another one."""
    first = _first_with(reader, [table]).get(table)
    row = reader.connection.execute(
        select(_LIKENESS).where(_LIKENESS.c.child == table, _LIKENESS.c.parent == table)
    ).one_or_none()
    if row is None or first is None:
        return []
    if first < number:
        return [Proposal(number, first, match_of(row))]
    query = (
        select(_DIGEST.c.number)
        .where(_DIGEST.c.sha256 == table, _DIGEST.c.role == "table", _DIGEST.c.number > number)
        .order_by(_DIGEST.c.number)
        .limit(_MOST)
    )
    return [Proposal(later, number, match_of(row)) for later in reader.connection.execute(query).scalars()]


def _of_tables(reader: Reader, number: int, table: str) -> list[Proposal]:
    """Return what the comparisons with other tables propose; of each other table its first release."""
    rows: list[Row[Any]] = []
    for side in (_LIKENESS.c.child, _LIKENESS.c.parent):
        query = (
            select(_LIKENESS)
            .where(side == table, _LIKENESS.c.child != _LIKENESS.c.parent)
            .where(_LIKENESS.c.finding.in_(tuple(_STRENGTH)))
            .order_by(_LIKENESS.c.equal_bytes.desc(), _LIKENESS.c.differing)
            .limit(_LOOKED_THROUGH)
        )
        rows += reader.connection.execute(query).all()
    first = _first_with(reader, {row.parent if row.child == table else row.child for row in rows})
    found = []
    for row in rows:
        other = first.get(row.parent if row.child == table else row.child)
        if other is None:
            continue
        # A row is of the later table as child, or of a declared edge: that one is known already.
        child, parent = (number, other) if row.child == table else (other, number)
        if parent < child:
            found.append(Proposal(child, parent, match_of(row)))
    return found


def _first_with(reader: Reader, digests: Iterable[str]) -> dict[str, int]:
    """Return the first release that names each of some tables."""
    query = (
        select(_DIGEST.c.sha256, func.min(_DIGEST.c.number))
        .where(_DIGEST.c.sha256.in_(list(digests)), _DIGEST.c.role == "table")
        .group_by(_DIGEST.c.sha256)
    )
    return {row[0]: row[1] for row in reader.connection.execute(query)}


def _explained(reader: Reader, number: int, others: set[int]) -> set[int]:
    """Return those of some releases with which a declared connection explains what is in common."""
    parents = _ancestry(reader, {number, *others})
    own = _ancestors(parents, number) | {number}
    return {other for other in others if own & (_ancestors(parents, other) | {other})}


def _ancestry(reader: Reader, begin: set[int]) -> dict[int, set[int]]:
    """Return the declared parents of some releases and of their ancestors, within limits."""
    found: dict[int, set[int]] = {}
    layer = begin
    for _ in range(_STEPS):
        for one, links in descent.links(reader.connection, layer).items():
            found[one] = {link.parent for link in links if link.parent is not None}
        layer = {parent for one in layer for parent in found.get(one, ())} - found.keys()
        if not layer or len(found) > _WALKED:
            break
    return found


def _ancestors(parents: Mapping[int, set[int]], number: int) -> set[int]:
    seen: set[int] = set()
    waiting = [number]
    while waiting:
        above = parents.get(waiting.pop(), set()) - seen
        seen |= above
        waiting += above
    return seen


def _other(one: Proposal, number: int) -> int:
    return one.parent if one.child == number else one.child
