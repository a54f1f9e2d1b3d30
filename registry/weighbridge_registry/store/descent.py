# SPDX-License-Identifier: Apache-2.0
"""Edges of lineage as the database has them, a few statements for each step of a walk.

Releases are named by their entries. Every question is bounded: however many children a digest has, or
copies a parent, no more rows are read than are asked for. Walks bear cycles: who walks keeps what was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Row, String, column, select, values
from sqlalchemy.sql.expression import CTE

from . import tables
from .rows import plain

__all__ = [
    "Below",
    "Link",
    "below",
    "dataset_users",
    "having",
    "links",
    "own_digests",
    "releases",
    "tables_of",
]

_T = TypeVar("_T")
_AT_ONCE: Final = 400
"""Values in one statement: SQLite takes 32,766, and plans fewer faster."""
_BELOW_AT_ONCE: Final = 2000
"""Edges that one statement may find before each digest is asked for by itself."""
_PINNING: Final = ("model", "weights", "root")
"""Roles of a release's digests by which a child may name it, beside its statement."""

_RELEASE: Final = plain(tables.Release)
_EDGE: Final = plain(tables.Edge)
_DIGEST: Final = plain(tables.Digest)
_USE: Final = plain(tables.DataUse)


@dataclass(frozen=True, slots=True)
class Link:
    """One stated parent of a release. `parent` is the release that it means, if that is registered here."""

    child: int
    position: int
    relation: str | None
    pins: tuple[str, ...]
    """Digests that name the exact parent, bare hex; empty if it only has a name."""
    name: str | None
    parent: int | None


@dataclass(frozen=True, slots=True)
class Below:
    """What names some digests as parent: (digest, child, position), and whether there is more."""

    found: tuple[tuple[str, int, int], ...]
    truncated: bool


def releases(connection: Connection, numbers: Iterable[int]) -> dict[int, Row[Any]]:
    """Return the rows of releases by their entries."""
    found: dict[int, Row[Any]] = {}
    for part in _chunks(sorted(set(numbers))):
        query = select(_RELEASE).where(_RELEASE.c.number.in_(part))
        found.update((row.number, row) for row in connection.execute(query))
    return found


def own_digests(connection: Connection, rows: Mapping[int, Row[Any]]) -> dict[int, tuple[str, ...]]:
    """Return, of each release, the digests by which a child may name it: bare hex, its statement first."""
    found: dict[int, list[str]] = {}
    for number, row in rows.items():
        found[number] = [row.statement, row.model_digest]
        if row.weights_digest is not None:
            found[number].append(row.weights_digest)
    for part in _chunks(list(rows)):
        query = select(_DIGEST.c.number, _DIGEST.c.sha256).where(
            _DIGEST.c.number.in_(part), _DIGEST.c.role == "root"
        )
        for number, sha256 in connection.execute(query.order_by(_DIGEST.c.number, _DIGEST.c.position)):
            found[number].append(sha256)
    return {number: tuple(dict.fromkeys(digests)) for number, digests in found.items()}


def having(connection: Connection, sha256: str, limit: int) -> list[int]:
    """Return the releases that have a digest: as model, weights, root, table or statement, oldest first."""
    occurs = (
        select(_DIGEST.c.number)
        .where(_DIGEST.c.sha256 == sha256, _DIGEST.c.role.in_((*_PINNING, "table")))
        .order_by(_DIGEST.c.number)
        .limit(4 * limit)
    )
    stated = select(_RELEASE.c.number).where(_RELEASE.c.statement == sha256).limit(limit)
    found = {*connection.execute(occurs).scalars(), *connection.execute(stated).scalars()}
    return sorted(releases(connection, found))[:limit]


def links(connection: Connection, numbers: Iterable[int]) -> dict[int, list[Link]]:
    """Return the stated parents of releases, in their order; at most 64 of each."""
    rows: list[Row[Any]] = []
    for part in _chunks(sorted(set(numbers))):
        query = select(_EDGE).where(_EDGE.c.number.in_(part))
        rows += connection.execute(query.order_by(_EDGE.c.number, _EDGE.c.position, _EDGE.c.digest)).all()
    meant = _resolved(connection, {row.digest for row in rows if row.digest})
    stated: dict[tuple[int, int], list[Row[Any]]] = {}
    for row in rows:
        stated.setdefault((row.number, row.position), []).append(row)
    found: dict[int, list[Link]] = {}
    for (number, position), group in stated.items():
        pins = tuple(row.digest for row in group if row.digest)
        parent = next((one for pin in pins for one in meant.get(pin, ()) if one != number), None)
        link = Link(number, position, group[0].relation, pins, group[0].name, parent)
        found.setdefault(number, []).append(link)
    return found


def below(connection: Connection, digests: Iterable[str], each: int) -> Below:
    """Return the edges that name some digests as parent, at most `each` of one digest."""
    found: list[tuple[str, int, int]] = []
    truncated = False
    for part in _chunks(sorted(set(digests))):
        query = (
            select(_EDGE.c.digest, _EDGE.c.number, _EDGE.c.position)
            .where(_EDGE.c.digest.in_(part))
            .limit(_BELOW_AT_ONCE + 1)
        )
        rows = [(row[0], row[1], row[2]) for row in connection.execute(query)]
        if len(rows) > _BELOW_AT_ONCE:
            rows = list(_below_one_by_one(connection, part, each))
        taken: dict[str, int] = {}
        for row in sorted(rows):
            taken[row[0]] = taken.get(row[0], 0) + 1
            if taken[row[0]] > each:
                truncated = True
            else:
                found.append(row)
    return Below(tuple(found), truncated)


def named_by(connection: Connection, digests: Iterable[str], limit: int) -> Iterator[tuple[int, str | None]]:
    """Yield the releases that name some digests as parent, with the relation; at most `limit` of them."""
    left = limit
    for part in _chunks(sorted(set(digests))):
        query = (
            select(_EDGE.c.number, _EDGE.c.relation).where(_EDGE.c.digest.in_(part)).distinct().limit(left)
        )
        rows = connection.execute(query).all()
        left -= len(rows)
        yield from ((row.number, row.relation) for row in rows)
        if left <= 0:
            return


def dataset_users(
    connection: Connection, *, digest: str | None = None, name: str | None = None, limit: int
) -> list[int]:
    """Return the releases that say they were made with a data set, oldest first.

    It is given by a digest that pins it (root, Croissant description, statement), or by name.
    """
    column_, value = (_USE.c.digest, digest) if digest is not None else (_USE.c.name, (name or "").casefold())
    query = select(_USE.c.number).where(column_ == value).distinct().order_by(_USE.c.number).limit(limit)
    return list(connection.execute(query).scalars())


def tables_of(connection: Connection, numbers: Iterable[int]) -> dict[int, str]:
    """Return the digests of the tensor tables that releases name, stored or not."""
    found: dict[int, str] = {}
    for part in _chunks(sorted(set(numbers))):
        query = select(_DIGEST.c.number, _DIGEST.c.sha256).where(
            _DIGEST.c.number.in_(part), _DIGEST.c.role == "table"
        )
        found.update((row.number, row.sha256) for row in connection.execute(query))
    return found


def _below_one_by_one(
    connection: Connection, digests: Sequence[str], each: int
) -> Iterator[tuple[str, int, int]]:
    for digest in digests:
        query = (
            select(_EDGE.c.digest, _EDGE.c.number, _EDGE.c.position)
            .where(_EDGE.c.digest == digest)
            .order_by(_EDGE.c.number)
            .limit(each + 1)
        )
        for row in connection.execute(query):
            yield row[0], row[1], row[2]


def _resolved(connection: Connection, pins: Iterable[str]) -> dict[str, list[int]]:
    """Return the first two releases that each digest means: one of them may be the child itself."""
    found: dict[str, list[int]] = {}
    for part in _chunks(sorted(pins)):
        stated = select(_RELEASE.c.statement, _RELEASE.c.number).where(_RELEASE.c.statement.in_(part))
        for statement, number in connection.execute(stated):
            found.setdefault(statement, []).append(number)
        asked = values(column("sha256", String), name="asked").data([(one,) for one in part]).cte()
        for sha256, first, second in connection.execute(
            select(asked.c.sha256, _nth(asked, 0), _nth(asked, 1))
        ):
            found.setdefault(sha256, []).extend(one for one in (first, second) if one is not None)
    return found


def _nth(asked: CTE, place: int) -> Any:
    """Return the question for the release that was registered first, or second, with a digest."""
    return (
        select(_DIGEST.c.number)
        .join(_RELEASE, _RELEASE.c.number == _DIGEST.c.number)
        .where(_DIGEST.c.sha256 == asked.c.sha256, _DIGEST.c.role.in_(_PINNING))
        .order_by(_DIGEST.c.number)
        .limit(1)
        .offset(place)
        .scalar_subquery()
    )


def _chunks(all_: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(all_), _AT_ONCE):
        yield all_[start : start + _AT_ONCE]
