# SPDX-License-Identifier: Apache-2.0
"""What is said of a release's ancestors and data sets, and reaches it.

A withdrawal by the owners of an ancestor always does. An advisory does if it says that it propagates along
every relation on the way; an edge whose relation nobody stated counts as any. A data set's withdrawal
reaches every model that names it, and what descends from that. Each note says who speaks, and whether they
own what they speak of: the word of a third party is shown, and decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from sqlalchemy import BindParameter, Row, Select, bindparam, select

from weighbridge_registry.store import descent, tables
from weighbridge_registry.store.rows import plain
from weighbridge_registry.store.summaries import release_path
from weighbridge_schemas.advisory import Advisory
from weighbridge_schemas.api import UpstreamNote
from weighbridge_schemas.base import fold_name
from weighbridge_schemas.dataset import Dataset

from .reader import Reader
from .standings import is_listed, is_withdrawn

__all__ = ["upstream"]

_STEPS: Final = 10
_ANCESTORS: Final = 200
"""Ancestors that are looked at, nearest first."""
_OWNERS: Final = 200
_AT_ONCE: Final = 400

_ENTRY: Final = plain(tables.Entry)
_ADVISORY: Final = plain(tables.Advisory)
_ABOUT: Final = plain(tables.About)
_DESCRIPTION: Final = plain(tables.Description)
_OWNER: Final = plain(tables.Owner)
_USE: Final = plain(tables.DataUse)

_MANY: Final[BindParameter[Any]] = bindparam("many", expanding=True)
_MOST: Final[BindParameter[Any]] = bindparam("most")
"""Statements read at most; owners' words come first."""
_WARNINGS: Final = (
    select(_ADVISORY.c.subject.label("of"), _ADVISORY.c.severity, _ADVISORY.c.propagates, _ENTRY)
    .join(_ENTRY, _ENTRY.c.number == _ADVISORY.c.number)
    .where(_ADVISORY.c.subject.in_(_MANY), _ADVISORY.c.withdrawn.is_(False), _ADVISORY.c.propagates != "[]")
    .order_by(_ADVISORY.c.number)
    .limit(_MOST)
)
_FURTHER: Final = (
    select(_ABOUT.c.sha256.label("of"), _ADVISORY.c.severity, _ADVISORY.c.propagates, _ENTRY)
    .select_from(_ABOUT)
    .join(_ADVISORY, _ADVISORY.c.number == _ABOUT.c.number)
    .join(_ENTRY, _ENTRY.c.number == _ABOUT.c.number)
    .where(_ABOUT.c.sha256.in_(_MANY), _ABOUT.c.role == "affects")
    .where(_ADVISORY.c.withdrawn.is_(False), _ADVISORY.c.propagates != "[]")
    .order_by(_ADVISORY.c.number)
    .limit(_MOST)
)
_USES: Final = select(_USE).where(_USE.c.number.in_(_MANY), _USE.c.digest != "").limit(_MOST)
_DESCRIBING: Final = (
    select(_ENTRY).where(_ENTRY.c.statement.in_(_MANY), _ENTRY.c.kind == "dataset").limit(_MOST)
)
_WITHDRAWN: Final = (
    select(_DESCRIPTION.c.chain, _ENTRY)
    .join(_ENTRY, _ENTRY.c.number == _DESCRIPTION.c.number)
    .where(
        _DESCRIPTION.c.kind == "dataset", _DESCRIPTION.c.subject.in_(_MANY), _DESCRIPTION.c.ended.is_(True)
    )
    .order_by(_DESCRIPTION.c.number)
    .limit(_MOST)
)


@dataclass
class _Ancestry:
    """Ancestors by their entries, with the nearest way to each."""

    rows: dict[int, Row[Any]]
    generations: dict[int, int]
    relations: dict[int, frozenset[str]] = field(default_factory=dict)
    """Relations on that way, as far as they are stated."""


def upstream(reader: Reader, row: Row[Any]) -> tuple[UpstreamNote, ...]:
    """Return what is said of the ancestors and data sets of a release, nearest first."""
    ancestry = _ancestry(reader, row)
    notes = [*_withdrawn(reader, ancestry, row.number), *_data(reader, ancestry)]
    if len(ancestry.rows) > 1:
        notes += _warnings(reader, ancestry, row.number)
    notes.sort(key=lambda note: (not note.by_owner, note.generation, note.index))
    kept = notes[: reader.shown.notes]
    return tuple(sorted(kept, key=lambda note: (note.generation, not note.by_owner, note.index)))


def _ancestry(reader: Reader, row: Row[Any]) -> _Ancestry:
    found = _Ancestry({row.number: row}, {row.number: 0}, {row.number: frozenset()})
    layer = [row.number]
    for step in range(1, _STEPS + 1):
        above: dict[int, frozenset[str]] = {}
        for child, links in descent.links(reader.connection, layer).items():
            for link in links:
                if link.parent is not None and link.parent not in found.rows:
                    stated = {link.relation} if link.relation is not None else set()
                    above.setdefault(link.parent, found.relations[child] | stated)
        room = _ANCESTORS - len(found.rows)
        rows = descent.releases(reader.connection, sorted(above)[: max(room, 0)])
        layer = [number for number, one in rows.items() if is_listed(reader, one)]
        for number in layer:
            found.rows[number], found.generations[number] = rows[number], step
            found.relations[number] = above[number]
        if not layer:
            break
    return found


def _withdrawn(reader: Reader, ancestry: _Ancestry, own: int) -> Iterator[UpstreamNote]:
    for number, row in ancestry.rows.items():
        if number != own and is_withdrawn(row):
            entry = reader.entry(row.status_entry)
            if entry is None:
                continue
            yield UpstreamNote(
                kind="yanked",
                generation=ancestry.generations[number],
                subject=f"sha256:{row.model_digest}",
                name=_name(row),
                text=row.reason or "The reason is withheld.",
                by_owner=True,
                signer=reader.signer(entry.signer),
                statement=f"sha256:{row.status_statement}",
                index=entry.number,
                url=reader.url(release_path(row.namespace, row.name, row.version)),
            )


def _warnings(reader: Reader, ancestry: _Ancestry, own: int) -> Iterator[UpstreamNote]:
    """Yield the advisories about ancestors that propagate down to the release."""
    above = [number for number in ancestry.rows if number != own]
    named = {
        digest: number
        for number, digests in reversed(descent.own_digests(reader.connection, above).items())
        for digest in digests
    }
    owners = _owners(reader, ancestry.rows.values())
    signers = {row.signer for row in ancestry.rows.values()} | {signer for _, signer in owners}
    seen: set[tuple[int, int]] = set()
    for query in (_WARNINGS, _FURTHER):
        for row in _owned_first(reader, query, named, signers):
            number = named[row.of]
            reached = ancestry.relations[number] <= set(json.loads(row.propagates))
            if reached and (row.number, number) not in seen:
                seen.add((row.number, number))
                about = ancestry.rows[number]
                owns = row.signer == about.signer or (fold_name(about.namespace), row.signer) in owners
                if (
                    note := _warning(reader, row, about, ancestry.generations[number], owns=owns)
                ) is not None:
                    yield note


def _warning(
    reader: Reader, row: Row[Any], about: Row[Any], generation: int, *, owns: bool
) -> UpstreamNote | None:
    if reader.withheld("bundle", row.bundle) is not None:
        return None
    document = cast("Advisory", reader.statements.get(row.bundle).document)
    return UpstreamNote(
        kind="advisory",
        generation=generation,
        subject=f"sha256:{about.model_digest}",
        name=_name(about),
        text=document.summary,
        severity=row.severity,
        by_owner=owns,
        signer=reader.signer(row.signer),
        statement=f"sha256:{row.statement}",
        index=row.number,
        url=reader.url(f"/advisories/{row.statement}"),
    )


def _data(reader: Reader, ancestry: _Ancestry) -> Iterator[UpstreamNote]:
    """Yield the withdrawals of data sets that the release or its ancestors name by a digest."""
    uses = _asked(reader, _USES, ancestry.rows)
    if not uses:
        return
    nearest: dict[str, int] = {}
    for use in uses:
        generation = ancestry.generations[use.number]
        nearest[use.digest] = min(generation, nearest.get(use.digest, generation))
    described = {entry.statement: entry for entry in _asked(reader, _DESCRIBING, nearest)}
    for statement, entry in described.items():
        generation = nearest[statement]
        nearest[entry.subject] = min(generation, nearest.get(entry.subject, generation))
    chosen = {(entry.subject, entry.signer) for entry in described.values()}
    chosen |= {(entry.subject, entry.namespace) for entry in described.values() if entry.namespace}
    signers = {entry.signer for entry in described.values()}
    for row in _owned_first(reader, _WITHDRAWN, nearest, signers):
        if reader.withheld("bundle", row.bundle) is not None:
            continue
        document = cast("Dataset", reader.statements.get(row.bundle).document)
        yield UpstreamNote(
            kind="data_withdrawn",
            generation=nearest[row.subject],
            subject=f"sha256:{row.subject}",
            name=document.name,
            text=document.withdrawn.reason if document.withdrawn is not None else "",
            by_owner=(row.subject, row.signer) in chosen or (row.subject, row.namespace) in chosen,
            signer=reader.signer(row.signer),
            statement=f"sha256:{row.statement}",
            index=row.number,
            url=reader.url(f"/datasets/{row.subject}"),
        )


def _owners(reader: Reader, rows: Iterable[Row[Any]]) -> set[tuple[str, str]]:
    names = sorted({fold_name(row.namespace) for row in rows})
    query = select(_OWNER.c.namespace, _OWNER.c.signer).where(_OWNER.c.namespace.in_(names)).limit(_OWNERS)
    return {(row.namespace, row.signer) for row in reader.connection.execute(query)}


def _owned_first(
    reader: Reader, query: Select[Any], values: Iterable[Any], signers: Iterable[str]
) -> Iterator[Row[Any]]:
    """Yield what some signers said, then what all others did: many strangers cannot crowd out the owners."""
    asked = sorted(signers)
    yield from _asked(reader, query.where(_ENTRY.c.signer.in_(asked)), values)
    yield from _asked(reader, query.where(_ENTRY.c.signer.not_in(asked)), values)


def _asked(reader: Reader, query: Any, values: Iterable[Any] | Mapping[Any, Any]) -> Sequence[Row[Any]]:
    """Ask a question about many values, some at a time; no more than a bounded number of rows."""
    many, rows, most = sorted(values), list[Row[Any]](), reader.shown.read
    for start in range(0, len(many), _AT_ONCE):
        asked = {"many": many[start : start + _AT_ONCE], "most": most}
        rows += reader.connection.execute(query, asked).all()
    return rows[:most]


def _name(row: Row[Any]) -> str:
    return f"{row.namespace}/{row.name}@{row.version}"
