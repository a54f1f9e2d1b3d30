# SPDX-License-Identifier: Apache-2.0
"""The log, its entries, its statements, its stream of events."""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal

from sqlalchemy import Row, bindparam, select
from sqlmodel import col

from weighbridge import tlog
from weighbridge.errors import WitnessError
from weighbridge_registry.state import required
from weighbridge_registry.store import tables
from weighbridge_schemas.api import (
    EntryDocument,
    Event,
    EventList,
    LogDocument,
    StatementDocument,
    SubmissionResult,
    WitnessDocument,
)

from .reader import Reader, text64
from .refusals import check_served
from .testimonies import find_statement

__all__ = ["entry", "events", "has_bundle", "log", "receipt", "statement", "submission"]

_LARGEST_PREDICATE: Final = 256 * 1024
"""Bytes of a predicate that an entry's page still shows; the bundle has it in any case."""

_ENTRY: Final = tables.Entry.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it

_BY_NUMBER: Final = select(_ENTRY).where(_ENTRY.c.number == bindparam("number"))


def log(reader: Reader, policy: tlog.WitnessPolicy | None = None) -> LogDocument:
    """Describe the log by its published checkpoint; `policy` says which co-signers are known here."""
    checkpoint = reader.published.checkpoint()
    vkey = reader.published.verifier.vkey
    genesis = required(reader.state, "log/genesis")
    return LogDocument(
        origin=checkpoint.origin,
        vkey=vkey,
        fingerprint=hashlib.sha256(vkey.encode()).hexdigest(),
        size=checkpoint.size,
        root=f"sha256:{checkpoint.root.hex()}",
        checkpoint=checkpoint.data.decode(),
        witnesses=tuple(
            WitnessDocument(name=one.name, vkey=one.verifier.vkey, time=one.time)
            for one in tlog.cosignatures(checkpoint.note, _witnesses(policy))
        ),
        quorum=_quorum(checkpoint.note, policy),
        admission=genesis["admission"],
        predecessor=genesis.get("predecessor"),
    )


def _witnesses(policy: tlog.WitnessPolicy | None) -> tuple[tlog.Verifier, ...]:
    return tuple(one.verifier for one in policy.witnesses) if policy is not None else ()


def _quorum(note: tlog.Note, policy: tlog.WitnessPolicy | None) -> Literal["met", "missed"] | None:
    if policy is None or not policy.demands_witnesses:
        return None
    try:
        policy.satisfied(note)
    except WitnessError:
        return "missed"
    return "met"


def entry(reader: Reader, index: int) -> EntryDocument | None:
    """Describe one entry."""
    row = reader.entry(index)
    if row is None:
        return None
    check_served(reader, "bundle", row.bundle)
    candidate = reader.statements.get(row.bundle)
    leaf = reader.published.leaf(index)
    small = len(candidate.bundle.payload) <= _LARGEST_PREDICATE
    return EntryDocument(
        index=index,
        entry=f"sha256:{tlog.leaf_hash(leaf).hex()}",
        leaf=text64(leaf),
        received=row.received,
        bundle=f"sha256:{row.bundle}",
        bundle_size=len(candidate.bundle.raw),
        statement=f"sha256:{row.statement}",
        kind=row.kind,
        predicate_type=candidate.statement.predicate_type,
        predicate=candidate.statement.predicate if small else None,
        subjects=reader.subjects(row),
        signer=reader.signer(row.signer),
        summary=row.summary,
        release=reader.url(row.release_page) if row.release_page else None,
        receipt=reader.published.receipt(index),
        as_of=reader.as_of(),
        url=reader.entry_url(index),
    )


def statement(reader: Reader, sha256: str) -> StatementDocument | None:
    """Give a statement as it was first logged, with its bundle and current receipt."""
    row = find_statement(reader, sha256)
    if row is None:
        return None
    check_served(reader, "bundle", row.bundle)
    candidate = reader.statements.get(row.bundle)
    return StatementDocument(
        kind=row.kind,
        predicate_type=candidate.statement.predicate_type,
        statement=f"sha256:{sha256}",
        subjects=reader.subjects(row),
        signer=reader.signer(row.signer),
        index=row.number,
        received=row.received,
        bundle_digest=f"sha256:{row.bundle}",
        bundle=text64(candidate.bundle.raw),
        leaf=text64(reader.published.leaf(row.number)),
        receipt=reader.published.receipt(row.number),
        url=reader.entry_url(row.number),
    )


def receipt(reader: Reader, sha256: str) -> str | None:
    """Give the current receipt of a statement."""
    row = find_statement(reader, sha256)
    return None if row is None else reader.published.receipt(row.number)


def submission(reader: Reader, index: int, *, created: bool) -> SubmissionResult:
    """Answer for one submitted bundle that is now entry `index`."""
    row = reader.connection.execute(_BY_NUMBER, {"number": index}).one()
    leaf = reader.published.leaf(index)
    page = row.release_page if row.kind == "release" else None
    return SubmissionResult(
        entry=f"sha256:{tlog.leaf_hash(leaf).hex()}",
        index=index,
        leaf=text64(leaf),
        receipt=reader.published.receipt(index),
        url=reader.url(page) if page else reader.entry_url(index),
        kind=row.kind,
        statement=f"sha256:{row.statement}",
        bundle=f"sha256:{row.bundle}",
        created=created,
    )


def events(reader: Reader, since: int, limit: int) -> EventList:
    """List entries from `since` on, oldest first."""
    rows = reader.connection.execute(
        select(_ENTRY)
        .where(col(tables.Entry.number) >= since)
        .order_by(col(tables.Entry.number))
        .limit(limit + 1)
    ).all()
    return EventList(
        events=tuple(_event(reader, row) for row in rows[:limit]),
        next=str(rows[limit].number) if len(rows) > limit else None,
        as_of=reader.as_of(),
    )


def _event(reader: Reader, row: Row[Any]) -> Event:
    return Event(
        index=row.number,
        received=row.received,
        kind=row.kind,
        statement=f"sha256:{row.statement}",
        subjects=reader.subjects(row),
        signer=reader.signer(row.signer),
        summary=row.summary,
        url=reader.url(row.release_page) if row.release_page else reader.entry_url(row.number),
    )


def has_bundle(reader: Reader, sha256: str) -> bool:
    """Tell whether a bundle with this SHA-256 is logged; others may lie on disk, refused."""
    query = select(col(tables.Entry.number)).where(col(tables.Entry.bundle) == sha256).limit(1)
    return reader.connection.execute(query).scalar() is not None
