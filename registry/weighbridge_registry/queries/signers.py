# SPDX-License-Identifier: Apache-2.0
"""Signers and namespaces."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

from sqlalchemy import Row, func, select
from sqlmodel import col

from weighbridge import identities
from weighbridge_registry.state import owners_of, required
from weighbridge_registry.store import tables
from weighbridge_schemas.api import NamespaceChange, NamespaceDocument, SignerDocument, SignerStatement
from weighbridge_schemas.base import fold_name
from weighbridge_schemas.namespace import Namespace, Owner
from weighbridge_schemas.operator import Operator, Reassign
from weighbridge_schemas.signer import SignerIntroduction

from .models import in_namespace
from .reader import Reader, identity_of
from .refusals import check_served

__all__ = ["namespace", "reassigned", "signer"]

_NAMESPACES: Final = 100
_CHANGES: Final = 100
_MODELS: Final = 100

_ENTRY: Final = tables.Entry.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_SIGNER: Final = tables.Signer.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it


def signer(reader: Reader, signer_id: str, cursor: int | None, limit: int) -> SignerDocument | None:
    """Describe a signer; its statements newest first, those before entry `cursor`."""
    row = reader.connection.execute(select(_SIGNER).where(col(tables.Signer.id) == signer_id)).one_or_none()
    if row is None:
        return None
    by_signer = col(tables.Entry.signer) == signer_id
    query = select(_ENTRY).where(by_signer)
    if cursor is not None:
        query = query.where(col(tables.Entry.number) < cursor)
    entries = reader.connection.execute(
        query.order_by(col(tables.Entry.number).desc()).limit(limit + 1)
    ).all()
    count = reader.connection.execute(
        select(func.count()).select_from(tables.Entry).where(by_signer)
    ).scalar_one()
    first = reader.entry(row.first)
    summary = reader.signer(signer_id)
    return SignerDocument(
        id=signer_id,
        identity=json.loads(row.identity),
        kind=identities.kind(identity_of(row.identity)),
        label=summary.label,
        introduced_as=row.label,
        public_key=_public_key(reader, row.introduction),
        first_seen=first.received if first is not None else 0,
        first_index=row.first,
        namespaces=tuple(_owned(reader, signer_id)),
        statements=tuple(_statement(reader, entry) for entry in entries[:limit]),
        count=count,
        next=str(entries[limit - 1].number) if len(entries) > limit else None,
        url=summary.url,
        as_of=reader.as_of(),
    )


def namespace(reader: Reader, name: str) -> NamespaceDocument | None:
    """Describe a namespace, found ignoring case and `-_.`, with its newest changes."""
    folded = fold_name(name)
    facts = reader.state.get(f"namespace/{folded}")
    if facts is None:
        return None
    last = reader.entry(facts["index"])
    if last is not None:
        check_served(reader, "bundle", last.bundle)
    entries = reader.connection.execute(
        select(_ENTRY)
        .where(col(tables.Entry.namespace) == folded, col(tables.Entry.kind).in_(("namespace", "operator")))
        .order_by(col(tables.Entry.number).desc())
        .limit(_CHANGES + 1)
    ).all()
    lists = [(entry, owners) for entry in entries if (owners := _owners(reader, entry)) is not None]
    return NamespaceDocument(
        namespace=facts["name"],
        epoch=facts["epoch"],
        owners=owners_of(facts["owners"]),
        statement=f"sha256:{facts['statement']}",
        index=facts["index"],
        history=tuple(_history(reader, lists, facts["epoch"]))[:_CHANGES],
        models=in_namespace(reader, folded, _MODELS),
        url=reader.url(f"/namespaces/{facts['name']}"),
        as_of=reader.as_of(),
    )


def _owned(reader: Reader, signer_id: str) -> Iterable[str]:
    """Namespaces that a signer owns: listed as an owner, or acting as one under the owners of now."""
    listed = select(col(tables.Owner.namespace)).where(col(tables.Owner.signer) == signer_id)
    acted = (
        select(col(tables.Entry.namespace), func.max(col(tables.Entry.number)))
        .where(col(tables.Entry.signer) == signer_id, col(tables.Entry.namespace).is_not(None))
        .group_by(col(tables.Entry.namespace))
        .order_by(func.max(col(tables.Entry.number)).desc())
    )
    found = set(reader.connection.execute(listed.limit(_NAMESPACES)).scalars())
    for folded, newest in reader.connection.execute(acted.limit(_NAMESPACES)):
        if newest > required(reader.state, f"namespace/{folded}")["index"]:
            found.add(str(folded))
    for folded in sorted(found):
        yield required(reader.state, f"namespace/{folded}")["name"]


def _public_key(reader: Reader, introduction: int | None) -> str | None:
    entry = reader.entry(introduction) if introduction is not None else None
    if entry is None or reader.withheld("bundle", entry.bundle) is not None:
        return None
    return cast("SignerIntroduction", reader.statements.get(entry.bundle).document).public_key


def _statement(reader: Reader, entry: Row[Any]) -> SignerStatement:
    return SignerStatement(
        index=entry.number,
        kind=entry.kind,
        statement=f"sha256:{entry.statement}",
        received=entry.received,
        summary=entry.summary,
        url=reader.url(entry.release_page) if entry.release_page else reader.entry_url(entry.number),
    )


def reassigned(reader: Reader, entry: Row[Any]) -> Reassign | None:
    """Return the reassignment that an operator's entry is, or None."""
    document = reader.statements.get(entry.bundle).document
    decision = document.decision if isinstance(document, Operator) else None
    return decision if isinstance(decision, Reassign) else None


def _owners(reader: Reader, entry: Row[Any]) -> tuple[Owner, ...] | None:
    """Return the owners that an entry sets; empty if it is withheld, None if it sets none."""
    if reader.withheld("bundle", entry.bundle) is not None:
        return ()
    if entry.kind == "operator":
        found = reassigned(reader, entry)
        return None if found is None else found.owners
    return cast("Namespace", reader.statements.get(entry.bundle).document).owners


def _history(
    reader: Reader, lists: Sequence[tuple[Row[Any], tuple[Owner, ...]]], epoch: int
) -> Iterable[NamespaceChange]:
    """Yield changes, newest first; what a withheld list held is neither added nor removed."""
    for place, (entry, now) in enumerate(lists):
        before = lists[place + 1][1] if place + 1 < len(lists) else ()
        known = bool(now) and (place + 1 == len(lists) or bool(before))
        yield _change(reader, entry, epoch, now if known else (), before if known else ())
        if entry.kind == "operator":
            epoch -= 1


def _change(
    reader: Reader, entry: Row[Any], epoch: int, now: tuple[Owner, ...], before: tuple[Owner, ...]
) -> NamespaceChange:
    return NamespaceChange(
        index=entry.number,
        statement=f"sha256:{entry.statement}",
        received=entry.received,
        epoch=epoch,
        by_operator=entry.kind == "operator",
        signer=reader.signer(entry.signer),
        added=tuple(owner for owner in now if owner not in before),
        removed=tuple(owner for owner in before if owner not in now),
        url=reader.entry_url(entry.number),
    )
