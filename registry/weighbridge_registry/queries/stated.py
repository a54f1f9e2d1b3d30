# SPDX-License-Identifier: Apache-2.0
"""What stands of a release: its row, its card and lineage with their revisions, its data sets' statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

from sqlalchemy import BindParameter, Row, bindparam, or_, select
from sqlmodel import col

from weighbridge.cards import DescribedData
from weighbridge_registry.store import tables
from weighbridge_registry.store.rows import plain
from weighbridge_schemas.base import Reference, fold_name
from weighbridge_schemas.card import Card, CardRevision
from weighbridge_schemas.dataset import Dataset
from weighbridge_schemas.lineage import DatasetUse, Lineage, LineageRevision
from weighbridge_schemas.release import Release

from .reader import Reader

__all__ = ["described_data", "find_release", "licensed_data", "stated_card", "stated_lineage"]

_SETS: Final = 64
"""Data sets of a lineage whose statements are read."""
_MUCH: Final = 32 * 1024 * 1024
"""Bytes of statements after which no further one is read."""
_SIGNERS: Final = 16
"""Signers of one and the same statement who are looked at."""

_ENTRY: Final = plain(tables.Entry)
_DESCRIPTION: Final = plain(tables.Description)
_LICENSE: Final = plain(tables.License)
_RELEASE: Final = plain(tables.Release)

_MANY: Final[BindParameter[Any]] = bindparam("many", expanding=True)
_LICENSED_DATA: Final = (
    select(_ENTRY.c.statement, _ENTRY.c.subject)
    .join(_LICENSE, _LICENSE.c.number == _ENTRY.c.number)
    .join(_DESCRIPTION, _DESCRIPTION.c.number == _ENTRY.c.number, isouter=True)
    .where(_ENTRY.c.kind == "dataset", or_(_DESCRIPTION.c.ended.is_(None), _DESCRIPTION.c.ended.is_(False)))
    .limit(_SETS * _SIGNERS)
)
_LICENSED: Final = _LICENSED_DATA.where(_ENTRY.c.statement.in_(_MANY))
_LICENSED_BY_US: Final = _LICENSED_DATA.where(
    _DESCRIPTION.c.kind == "dataset",
    _DESCRIPTION.c.subject.in_(_MANY),
    or_(_ENTRY.c.namespace == bindparam("namespace"), _ENTRY.c.signer == bindparam("signer")),
)


def find_release(reader: Reader, namespace: str, name: str, version: str | None) -> Row[Any] | None:
    """Return the row of a release; of the newest without `version`."""
    key = f"{fold_name(namespace)}/{fold_name(name)}"
    query = select(_RELEASE).where(col(tables.Release.model) == key)
    if version is not None:
        query = query.where(col(tables.Release.version) == version)
    return reader.connection.execute(query.order_by(col(tables.Release.number).desc()).limit(1)).one_or_none()


def stated_card(reader: Reader, row: Row[Any], document: Release) -> tuple[Card | None, Reference | None]:
    """Return the card as it now stands, and the statement that it is from."""
    if row.card is not None:
        entry = reader.entry(row.card)
        if entry is not None and reader.withheld("bundle", entry.bundle) is not None:
            return None, Reference(kind="card", sha256=entry.statement)
        if entry is not None:
            revision = cast("CardRevision", reader.statements.get(entry.bundle).document)
            return revision.card, Reference(kind="card", sha256=entry.statement)
    if document.card is None:
        return None, None
    return document.card, Reference(kind="release", sha256=row.statement)


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


def described_data(reader: Reader, row: Row[Any], uses: Iterable[DatasetUse]) -> Iterator[DescribedData]:
    """Yield what the statements say that a lineage names; of one named by its digest, the publisher's own.

    What strangers say of a data set has no place in what a publisher states.
    """
    size = 0
    for use in list(uses)[:_SETS]:
        entry = _statement_of(reader, row, use)
        if entry is None or size > _MUCH or reader.withheld("bundle", entry.bundle) is not None:
            continue
        candidate = reader.statements.get(entry.bundle)
        size += len(candidate.bundle.raw)
        dataset = cast("Dataset", candidate.document)
        if dataset.withdrawn is None:
            yield DescribedData(
                use.name, f"sha256:{entry.statement}", reader.signer(entry.signer).label, dataset
            )


def licensed_data(reader: Reader, row: Row[Any], uses: Iterable[DatasetUse]) -> tuple[str, ...]:
    """Return the names of those data sets of a lineage whose statement gives a licence, from the views alone.

    They are the statements that `described_data` reads; on each page of a release that would be too much.
    """
    pins = [(use.name, _pin(use)) for use in list(uses)[:_SETS]]
    many = sorted({pin for _, pin in pins if pin is not None})
    if not many:
        return ()
    asked = {"many": many, "namespace": fold_name(row.namespace), "signer": row.signer}
    found = {one.statement for one in reader.connection.execute(_LICENSED, {"many": many})}
    found |= {one.subject for one in reader.connection.execute(_LICENSED_BY_US, asked)}
    return tuple(name for name, pin in pins if pin in found)


def _pin(use: DatasetUse) -> str | None:
    """Return the statement that an edge names, else the digest of the data; bare hex."""
    if use.statement is not None:
        return use.statement.sha256
    return use.digest.removeprefix("sha256:") if use.digest is not None else None


def _signed(reader: Reader, row: Row[Any], statement: str) -> Row[Any] | None:
    """Return the entry of a description: the publisher's if several signed the same words, else the first."""
    query = select(_ENTRY).where(_ENTRY.c.statement == statement, _ENTRY.c.kind == "dataset")
    found = reader.connection.execute(query.order_by(_ENTRY.c.number).limit(_SIGNERS)).all()
    own = (one for one in found if one.signer == row.signer or one.namespace == fold_name(row.namespace))
    return next(own, found[0] if found else None)


def _statement_of(reader: Reader, row: Row[Any], use: DatasetUse) -> Row[Any] | None:
    if use.statement is not None:
        return _signed(reader, row, use.statement.sha256)
    if use.digest is None:
        return None
    query = (
        select(_ENTRY)
        .join(_DESCRIPTION, _DESCRIPTION.c.number == _ENTRY.c.number)
        .where(
            _DESCRIPTION.c.kind == "dataset",
            _DESCRIPTION.c.subject == use.digest.removeprefix("sha256:"),
            or_(_ENTRY.c.namespace == fold_name(row.namespace), _ENTRY.c.signer == row.signer),
        )
        .order_by(_ENTRY.c.number.desc())
        .limit(1)
    )
    return reader.connection.execute(query).one_or_none()
