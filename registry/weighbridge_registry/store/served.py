# SPDX-License-Identifier: Apache-2.0
"""Which statements say that a model answers behind a service: owners' first, then some of everybody else's.

Strangers can say so of any model as often as they like; so every question is bounded, and what the owners of
a model say is asked for by itself, by an index.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from weighbridge_schemas.base import fold_name

from . import descent, tables
from .rows import plain

__all__ = ["Served", "count", "naming", "served"]

_AT_ONCE: Final = 400
_OWNERS: Final = 2000
_READ: Final = 2000
_COUNTED: Final = 1000

_DEPLOYED: Final = plain(tables.Deployed)
_OWNER: Final = plain(tables.Owner)

_MANY: Final[BindParameter[Any]] = bindparam("many", expanding=True)
_ONE: Final[BindParameter[Any]] = bindparam("one")
_SPEAKERS: Final[BindParameter[Any]] = bindparam("speakers", expanding=True)
_MOST: Final[BindParameter[Any]] = bindparam("most")

_OWNED: Final = (
    select(_DEPLOYED).where(_DEPLOYED.c.digest.in_(_MANY), _DEPLOYED.c.speaker.in_(_SPEAKERS)).limit(_MOST)
)
_ALL: Final = select(_DEPLOYED).where(_DEPLOYED.c.digest.in_(_MANY)).limit(_MOST)
_EACH: Final = (
    select(_DEPLOYED).where(_DEPLOYED.c.digest == _ONE).order_by(_DEPLOYED.c.number.desc()).limit(_MOST)
)
_NAMESPACES: Final = (
    select(_OWNER.c.namespace, _OWNER.c.signer).where(_OWNER.c.namespace.in_(_MANY)).limit(_OWNERS)
)


@dataclass(frozen=True, slots=True)
class Served:
    """One statement that a release answers behind a service: its entry, the place there, the digest it names.

    `said` is what it says, bounded, as JSON.

    `by_owner` says that an owner of the release's namespace, or its signer, says so.
    """

    number: int
    position: int
    digest: str
    said: str
    by_owner: bool


def served(
    connection: Connection, rows: Mapping[int, Any], own: Mapping[int, Sequence[str]], each: int
) -> dict[int, list[Served]]:
    """Return what is said of releases, by their entries: at most `each`, owners' first, newest first.

    `rows` are those of the releases, `own` the digests by which each can be named.
    """
    speakers = _speakers(connection, rows)
    meant: dict[str, list[int]] = {}
    for number, digests in own.items():
        for digest in digests:
            meant.setdefault(digest, []).append(number)
    found: dict[int, dict[tuple[int, int], Served]] = {}
    for row in (*_owned(connection, meant, speakers), *_any(connection, meant, each)):
        for number in meant[row.digest]:
            one = Served(row.number, row.position, row.digest, row.said, row.speaker in speakers[number])
            found.setdefault(number, {}).setdefault((row.number, row.position), one)
    return {
        number: sorted(ones.values(), key=lambda one: (not one.by_owner, -one.number, one.position))[:each]
        for number, ones in found.items()
    }


def naming(connection: Connection, digests: Collection[str], most: int) -> list[Served]:
    """Return the newest statements that name any of some digests, whoever makes them."""
    rows = _any(connection, dict.fromkeys(digests), most)
    found = {
        (row.number, row.position): Served(row.number, row.position, row.digest, row.said, by_owner=False)
        for row in rows
    }
    return sorted(found.values(), key=lambda one: (-one.number, one.position))[:most]


def count(connection: Connection, digests: Collection[str]) -> int:
    """Count the statements that name any of some digests; at most 1,000."""
    query = (
        select(_DEPLOYED.c.number).where(_DEPLOYED.c.digest.in_(sorted(digests))).distinct().limit(_COUNTED)
    )
    return int(connection.execute(select(func.count()).select_from(query.subquery())).scalar_one())


def _speakers(connection: Connection, rows: Mapping[int, Any]) -> dict[int, set[str]]:
    """Return, of each release, whose word is its publisher's own: its namespace, its signer, its owners."""
    names = {number: fold_name(row.namespace) for number, row in rows.items()}
    owners: dict[str, set[str]] = {}
    for part in _parts(set(names.values())):
        for namespace, signer in connection.execute(_NAMESPACES, {"many": part}):
            owners.setdefault(namespace, set()).add(f"signer:{signer}")
    return {
        number: {f"namespace:{names[number]}", f"signer:{row.signer}", *owners.get(names[number], ())}
        for number, row in rows.items()
    }


def _owned(connection: Connection, meant: Mapping[str, Any], speakers: Mapping[int, set[str]]) -> list[Any]:
    found: list[Any] = []
    for part in _parts(set(meant)):
        asked = sorted(
            {speaker for digest in part for number in meant[digest] for speaker in speakers[number]}
        )
        for some in _parts(set(asked)):
            found += connection.execute(_OWNED, {"many": part, "speakers": some, "most": _READ})
    return found


def _any(connection: Connection, digests: Iterable[str], each: int) -> list[Any]:
    return list(descent.bounded(connection, _ALL, _EACH, digests, each))


def _parts(values: set[str]) -> list[list[str]]:
    all_ = sorted(values)
    return [all_[start : start + _AT_ONCE] for start in range(0, len(all_), _AT_ONCE)]
