# SPDX-License-Identifier: Apache-2.0
"""Edges of lineage as the database has them, a few statements for each step of a walk.

Releases are named by their entries. Every question is bounded: however many children a digest has, or
copies a parent, no more rows are read than are asked for. Walks bear cycles: who walks keeps what was seen.
The statements are built once: a walk asks dozens of them, and building one costs more than its answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, TypeVar

from sqlalchemy import BindParameter, Connection, Executable, Row, bindparam, select

from weighbridge_schemas.lineage import Relation

from . import tables
from .rows import plain

__all__ = [
    "Below",
    "Link",
    "below",
    "dataset_users",
    "having",
    "licenses",
    "likenesses",
    "links",
    "own_digests",
    "releases",
    "tables_of",
]

_T = TypeVar("_T")
_AT_ONCE: Final = 500
"""Values in one statement."""
_PAIRS_AT_ONCE: Final = 64
"""Pairs in one statement, which looks for each first with each second."""
_ROWS_AT_ONCE: Final = 2000
"""Rows that one statement may find before each value is asked for by itself."""
_PINNING: Final = ("model", "weights", "root")
"""Roles of a release's digests by which a child may name it, beside its statement."""

_RELEASE: Final = plain(tables.Release)
_EDGE: Final = plain(tables.Edge)
_DIGEST: Final = plain(tables.Digest)
_USE: Final = plain(tables.DataUse)
_LIKENESS: Final = plain(tables.Likeness)
_LICENSE: Final = plain(tables.License)
_ENTRY: Final = plain(tables.Entry)

_MANY: Final[BindParameter[Any]] = bindparam("many", expanding=True)
_ONE: Final[BindParameter[Any]] = bindparam("one")
_MOST: Final[BindParameter[Any]] = bindparam("most")

_RELEASES: Final = select(_RELEASE).where(_RELEASE.c.number.in_(_MANY))
_NAMES: Final = select(
    _RELEASE.c.number, _RELEASE.c.statement, _RELEASE.c.model_digest, _RELEASE.c.weights_digest
).where(_RELEASE.c.number.in_(_MANY))
_ROOTS: Final = (
    select(_DIGEST.c.number, _DIGEST.c.sha256)
    .where(_DIGEST.c.number.in_(_MANY), _DIGEST.c.role == "root")
    .order_by(_DIGEST.c.number, _DIGEST.c.position)
)
_TABLES: Final = select(_DIGEST.c.number, _DIGEST.c.sha256).where(
    _DIGEST.c.number.in_(_MANY), _DIGEST.c.role == "table"
)
_LICENSES: Final = (
    select(_LICENSE, _ENTRY.c.statement)
    .join(_ENTRY, _ENTRY.c.number == _LICENSE.c.number)
    .where(_LICENSE.c.number.in_(_MANY))
)
_OCCURRING: Final = (
    select(_DIGEST.c.number)
    .where(_DIGEST.c.sha256 == _ONE, _DIGEST.c.role.in_((*_PINNING, "table")))
    .order_by(_DIGEST.c.number)
    .limit(_MOST)
)
_STATED: Final = select(_RELEASE.c.statement, _RELEASE.c.number).where(_RELEASE.c.statement.in_(_MANY))
_EDGES: Final = (
    select(_EDGE).where(_EDGE.c.number.in_(_MANY)).order_by(_EDGE.c.number, _EDGE.c.position, _EDGE.c.digest)
)
_BELOW: Final = (
    select(_EDGE.c.digest, _EDGE.c.number, _EDGE.c.position).where(_EDGE.c.digest.in_(_MANY)).limit(_MOST)
)
_BELOW_ONE: Final = (
    select(_EDGE.c.digest, _EDGE.c.number, _EDGE.c.position)
    .where(_EDGE.c.digest == _ONE)
    .order_by(_EDGE.c.number)
    .limit(_MOST)
)
_NAMED_BY: Final = (
    select(_EDGE.c.number, _EDGE.c.relation).where(_EDGE.c.digest.in_(_MANY)).distinct().limit(_MOST)
)
_REGISTERED: Final = _DIGEST.join(_RELEASE, _RELEASE.c.number == _DIGEST.c.number)
"""Without the OMS manifests, which have root digests, too."""
_MEANT: Final = (
    select(_DIGEST.c.sha256, _DIGEST.c.number)
    .select_from(_REGISTERED)
    .where(_DIGEST.c.sha256.in_(_MANY), _DIGEST.c.role.in_(_PINNING))
    .limit(_MOST)
)
_MEANT_ONE: Final = (
    select(_DIGEST.c.sha256, _DIGEST.c.number)
    .select_from(_REGISTERED)
    .where(_DIGEST.c.sha256 == _ONE, _DIGEST.c.role.in_(_PINNING))
    .order_by(_DIGEST.c.number)
    .limit(2)
)
_COMPARED: Final = select(_LIKENESS).where(
    _LIKENESS.c.child.in_(_MANY), _LIKENESS.c.parent.in_(bindparam("others", expanding=True))
)
"""Not pairs: of more than one of those, SQLite reads the whole table."""


@dataclass(frozen=True, slots=True)
class Link:
    """One stated parent of a release. `parent` is the release that it means, if that is registered here."""

    child: int
    position: int
    relation: Relation | None
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
    for part in _chunks(numbers):
        found.update((row.number, row) for row in connection.execute(_RELEASES, {"many": part}))
    return found


def own_digests(connection: Connection, numbers: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Return, of each release, the digests by which a child may name it: bare hex, its statement first."""
    found: dict[int, list[str]] = {}
    for part in _chunks(numbers):
        asked = {"many": part}
        for number, *digests in connection.execute(_NAMES, asked):
            found[number] = [digest for digest in digests if digest is not None]
        for number, sha256 in connection.execute(_ROOTS, asked):
            found[number].append(sha256)
    return {number: tuple(dict.fromkeys(digests)) for number, digests in found.items()}


def having(connection: Connection, sha256: str, limit: int) -> list[int]:
    """Return the releases that have a digest: as model, weights, root, table or statement, oldest first."""
    occurring = connection.execute(_OCCURRING, {"one": sha256, "most": 4 * limit}).scalars()
    stated = (number for _, number in connection.execute(_STATED, {"many": [sha256]}))
    return sorted(releases(connection, {*occurring, *stated}))[:limit]  # an OMS entry is no release


def links(connection: Connection, numbers: Iterable[int]) -> dict[int, list[Link]]:
    """Return the stated parents of releases, in their order; at most 64 of each."""
    stated: dict[tuple[int, int], list[Row[Any]]] = {}
    for part in _chunks(numbers):
        for row in connection.execute(_EDGES, {"many": part}):
            stated.setdefault((row.number, row.position), []).append(row)
    meant = _meant(connection, {row.digest for group in stated.values() for row in group if row.digest})
    found: dict[int, list[Link]] = {}
    for (number, position), group in stated.items():
        pins = tuple(row.digest for row in group if row.digest)
        parent = next((one for pin in pins for one in meant.get(pin, ()) if one != number), None)
        link = Link(number, position, group[0].relation, pins, group[0].name, parent)
        found.setdefault(number, []).append(link)
    return found


def below(connection: Connection, digests: Iterable[str], each: int) -> Below:
    """Return the edges that name some digests as parent, at most `each` of one digest."""
    truncated = False
    kept: list[tuple[str, int, int]] = []
    taken: dict[str, int] = {}
    rows = _bounded(connection, _BELOW, _BELOW_ONE, digests, each + 1)
    for digest, child, position in sorted((row[0], row[1], row[2]) for row in rows):
        taken[digest] = taken.get(digest, 0) + 1
        if taken[digest] > each:
            truncated = True
        else:
            kept.append((digest, child, position))
    return Below(tuple(kept), truncated)


def named_by(connection: Connection, digests: Iterable[str], limit: int) -> dict[int, Relation | None]:
    """Return the releases that name some digests as parent, with the relation; at most `limit` of them."""
    found: dict[int, Relation | None] = {}
    for part in _chunks(digests):
        rows = connection.execute(_NAMED_BY, {"many": part, "most": limit - len(found)})
        found.update((number, relation) for number, relation in rows)
        if len(found) >= limit:
            break
    return found


def dataset_users(
    connection: Connection, *, digest: str | None = None, name: str | None = None, limit: int
) -> list[int]:
    """Return the releases that say they were made with a data set, oldest first.

    It is given by a digest that pins it (root, Croissant description, statement), or by name.
    """
    column, value = (_USE.c.digest, digest) if digest is not None else (_USE.c.name, (name or "").casefold())
    query = select(_USE.c.number).where(column == value).distinct().order_by(_USE.c.number).limit(limit)
    return list(connection.execute(query).scalars())


def tables_of(connection: Connection, numbers: Iterable[int]) -> dict[int, str]:
    """Return the digests of the tensor tables that releases name, stored or not."""
    found: dict[int, str] = {}
    for part in _chunks(numbers):
        found.update((number, sha256) for number, sha256 in connection.execute(_TABLES, {"many": part}))
    return found


def licenses(connection: Connection, numbers: Iterable[int]) -> dict[int, Row[Any]]:
    """Return the licences that entries state, each with the digest of its statement."""
    found: dict[int, Row[Any]] = {}
    for part in _chunks(numbers):
        found.update((row.number, row) for row in connection.execute(_LICENSES, {"many": part}))
    return found


def likenesses(connection: Connection, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Row[Any]]:
    """Return what is known of pairs of tables, (child, parent), as far as they were compared."""
    asked = set(pairs)
    by_parent = sorted(asked, key=itemgetter(1, 0))  # a parent has many children: few parents at once
    found: dict[tuple[str, str], Row[Any]] = {}
    for start in range(0, len(by_parent), _PAIRS_AT_ONCE):
        children, parents = zip(*by_parent[start : start + _PAIRS_AT_ONCE], strict=True)
        rows = connection.execute(_COMPARED, {"many": sorted(set(children)), "others": sorted(set(parents))})
        found.update(((row.child, row.parent), row) for row in rows)
    return {pair: found[pair] for pair in found.keys() & asked}


def _meant(connection: Connection, pins: set[str]) -> dict[str, list[int]]:
    """Return the first two releases that each digest means: one of them may be the child itself."""
    found: dict[str, set[int]] = {}
    for part in _chunks(pins):
        for statement, number in connection.execute(_STATED, {"many": part}):
            found.setdefault(statement, set()).add(number)
    for sha256, number in _bounded(connection, _MEANT, _MEANT_ONE, pins, 2):
        found.setdefault(sha256, set()).add(number)
    return {pin: sorted(numbers)[:2] for pin, numbers in found.items()}


def _bounded(
    connection: Connection, all_: Executable, one: Executable, digests: Iterable[str], each: int
) -> Iterator[Any]:
    """Yield the rows of many digests; if those are too many, the first `each` of every one."""
    for part in _chunks(digests):
        rows = connection.execute(all_, {"many": part, "most": _ROWS_AT_ONCE + 1}).all()
        if len(rows) <= _ROWS_AT_ONCE:
            yield from rows
            continue
        for digest in part:
            yield from connection.execute(one, {"one": digest, "most": each})


def _chunks(values: Iterable[_T]) -> Iterator[list[_T]]:
    all_ = sorted(set(values))  # type: ignore[type-var]  # numbers, texts and pairs of them can be sorted
    for start in range(0, len(all_), _AT_ONCE):
        yield all_[start : start + _AT_ONCE]
