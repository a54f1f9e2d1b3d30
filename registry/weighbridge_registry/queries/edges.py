# SPDX-License-Identifier: Apache-2.0
"""Edges with their evidence: what stands behind each, fetched for many of them at once.

| level | means |
|---|---|
| 0 claimed | a name |
| 1 pinned | the child's signed statement names the parent's digest |
| 2 anchored | that digest is a release that is registered here and not withdrawn |
| 3 tensor-matched | tensors of the two are equal, by the tables that both publishers signed |

Level 4, checked, is the reader's: a registry shows who re-checked an edge, and never raises it for that.
A level is never raised by anybody but the two publishers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Row

from weighbridge_registry.store import descent
from weighbridge_registry.store.descent import Link
from weighbridge_schemas.api import EdgePosition, TensorMatch
from weighbridge_schemas.api.parts import Edge as EdgeLevel

from .positions import Positions
from .reader import Reader
from .standings import is_withdrawn

__all__ = ["Evidence", "Grounds", "match_of", "matched"]

_MATCHED: Final = ("equal", "shares")
"""Findings that make an edge tensor-matched."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What an edge is worth, and why."""

    level: EdgeLevel
    evidence: tuple[str, ...]
    match: TensorMatch | None = None
    contradicted: bool = False
    positions: tuple[EdgePosition, ...] = ()


class Evidence:
    """Grounds of the edges between some releases, all of one snapshot."""

    def __init__(self, reader: Reader, rows: Mapping[int, Row[Any]], links: Sequence[Link]) -> None:
        """Fetch what is needed for the edges `links` between the releases `rows`."""
        self._rows = rows
        self._positions = Positions(reader, rows, links)
        pairs = [(link.child, link.parent) for link in links if link.parent is not None]
        numbers = {number for pair in pairs for number in pair}
        self._tables = descent.tables_of(reader.connection, numbers)
        self._likenesses = descent.likenesses(
            reader.connection, filter(None, (self._pair(*pair) for pair in pairs))
        )

    def grounds(self, link: Link) -> Grounds:
        """Say what a declared edge is worth."""
        return replace(self._stated(link), positions=self._positions.of(link))

    def _stated(self, link: Link) -> Grounds:
        parent = self._rows.get(link.parent) if link.parent is not None else None
        told = list(_named(link, parent))
        if not link.pins:
            return Grounds(0, tuple(told))
        if parent is None:
            return Grounds(1, (*told, "No release with that digest is registered here."))
        told.append(f"That parent is registered here, as entry {parent.number}.")
        level: EdgeLevel = 2
        if is_withdrawn(parent):
            told.append("Its owners withdrew it.")
            level = 1
        pair = self._pair(link.child, parent.number)
        likeness = self._likenesses.get(pair) if pair is not None else None
        if likeness is None:
            return Grounds(level, tuple(told))
        match = match_of(likeness)
        told.append(matched(match))
        refuted = json.loads(likeness.refuted).get(link.relation)
        if refuted is not None:
            told.append(f"The tables refute it: {refuted}.")
        elif level > 1 and match.finding in _MATCHED:
            level = 3
        return Grounds(level, tuple(told), match, refuted is not None)

    def _pair(self, child: int, parent: int) -> tuple[str, str] | None:
        one, other = self._tables.get(child), self._tables.get(parent)
        return None if one is None or other is None else (one, other)


def match_of(row: Row[Any]) -> TensorMatch:
    """Return what a row says that two tables have in common."""
    return TensorMatch(
        equal=row.equal,
        count=row.tensors,
        equal_bytes=row.equal_bytes,
        bytes=row.bytes,
        compared=row.compared,
        near=row.near,
        differing=row.differing,
        error=row.error,
        finding=row.finding,
        words=row.words,
    )


def matched(match: TensorMatch) -> str:
    """Say what two tables have in common as a line of evidence."""
    return f"By the tensor tables that both publishers signed, {match.words}."


def _named(link: Link, parent: Row[Any] | None) -> Iterator[str]:
    """Say how the child names its parent."""
    stated = parent.statement if parent is not None else None
    for pin in link.pins:
        if pin == stated:
            yield f"The publisher names the parent's release statement, sha256:{pin}."
        else:
            yield f"The publisher names the exact parent, sha256:{pin}."
    if not link.pins:
        yield "The publisher says so; no digest is named."
