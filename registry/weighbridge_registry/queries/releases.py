# SPDX-License-Identifier: Apache-2.0
"""One release: all that is known of it, and its record file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

from sqlalchemy import Row, or_, select
from sqlmodel import col

from weighbridge.openness import Evidence, describe_openness
from weighbridge_registry.state import required
from weighbridge_registry.store import tables
from weighbridge_registry.store.summaries import release_path
from weighbridge_schemas.api import (
    Openness,
    ProvenanceDocument,
    RecordLineDocument,
    ReleaseDocument,
)
from weighbridge_schemas.base import Reference, fold_name
from weighbridge_schemas.card import Card, CardRevision
from weighbridge_schemas.release import Release

from .lineages import lineage
from .models import status
from .reader import Reader, text64
from .refusals import check_served
from .signers import reassigned
from .testimonies import TESTIMONIES, about, reference
from .upstream import upstream

__all__ = ["find_release", "provenance", "release", "stated_card"]

_MAX_ENTRIES: Final = 1000
_NAMED_FILES: Final = 3
_FIRST_KINDS: Final = ("operator", "signer", "namespace")
_PROVING: Final = ("operator", "signer", "namespace", "release")

_ENTRY: Final = tables.Entry.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_RELEASE: Final = tables.Release.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it


def release(reader: Reader, namespace: str, name: str, version: str | None) -> ReleaseDocument | None:
    """Describe a release; the newest without `version`."""
    row = find_release(reader, namespace, name, version)
    if row is None:
        return None
    check_served(reader, "bundle", row.bundle)
    document = cast("Release", reader.statements.get(row.bundle).document)
    card, card_statement = stated_card(reader, row, document)
    entries = _entries(reader, row, document)
    oms = _oms(entries, row.signer)
    statements, statements_total = about(
        reader, list(_own_digests(row, document)), TESTIMONIES, reader.shown.statements
    )
    facts = required(reader.state, f"namespace/{fold_name(row.namespace)}")
    table = document.model.tensors.table_digest.removeprefix("sha256:") if document.model.tensors else None
    return ReleaseDocument(
        namespace=row.namespace,
        name=row.name,
        version=row.version,
        epoch=facts["epoch"] - _reassigned_since(reader, row),
        model_digest=document.model.model_digest,
        root_digests=document.model.root_digests,
        weights_digest=document.model.weights_digest,
        files=document.model.files,
        files_total=len(document.model.files),
        bytes_total=sum(file.size for file in document.model.files),
        chat_templates=document.model.chat_templates,
        tensors=document.model.tensors,
        tensor_table=_blob(reader, table),
        card=card,
        card_statement=card_statement,
        readme=_blob(reader, card.readme.sha256 if card and card.readme else None),
        lineage=lineage(reader, row, document, card),
        upstream=upstream(reader, row),
        status=status(reader, row),
        openness=_openness(reader, document, card),
        signer=reader.signer(row.signer),
        oms_signer=reader.signer(oms.signer) if oms else None,
        statement=f"sha256:{row.statement}",
        oms_statement=f"sha256:{oms.statement}" if oms else None,
        entries=tuple(reference(reader, entry) for entry in entries),
        received=row.received,
        released_at=document.released_at,
        locations=document.locations,
        warnings=tuple(_warnings(document)),
        superseded_by=_newest(reader, row),
        statements=statements,
        statements_total=statements_total,
        url=reader.url(release_path(row.namespace, row.name, row.version)),
        provenance=reader.url(f"/api/v1{release_path(row.namespace, row.name, row.version)}/provenance"),
        as_of=reader.as_of(),
    )


def _own_digests(row: Row[Any], document: Release) -> Iterable[str]:
    """Yield the digests by which a statement can mean this release."""
    yield row.statement
    yield row.model_digest
    if row.weights_digest is not None:
        yield row.weights_digest
    for root in document.model.root_digests:
        yield root.root_digest.removeprefix("sha256:")


def provenance(reader: Reader, namespace: str, name: str, version: str) -> ProvenanceDocument | None:
    """Give the record file of a release: introductions and namespace statements, then the rest."""
    row = find_release(reader, namespace, name, version)
    if row is None:
        return None
    check_served(reader, "bundle", row.bundle)
    document = cast("Release", reader.statements.get(row.bundle).document)
    entries = sorted(
        _entries(reader, row, document), key=lambda entry: (entry.kind not in _FIRST_KINDS, entry.number)
    )
    entries = [entry for entry in entries if not _is_left_out(reader, entry, row.signer)]
    return ProvenanceDocument(
        namespace=row.namespace,
        name=row.name,
        version=row.version,
        lines=tuple(
            RecordLineDocument(
                v=1,
                bundle=text64(reader.statements.get(entry.bundle).bundle.raw),
                leaf=text64(reader.published.leaf(entry.number)),
                receipt=reader.published.receipt(entry.number),
            )
            for entry in entries
        ),
        as_of=reader.as_of(),
    )


def _is_left_out(reader: Reader, entry: Row[Any], signer: str) -> bool:
    """Tell whether a record can do without a withheld statement; `WithheldError` if it proves nothing then.

    A revision adds to a release; keys, owners, manifest and the release itself are what it rests on. A
    manifest that somebody else signed is none of that.
    """
    if reader.withheld("bundle", entry.bundle) is None:
        return False
    if entry.kind in _PROVING or (entry.kind == "oms" and entry.signer == signer):
        check_served(reader, "bundle", entry.bundle)
    return True


def _reassigned_since(reader: Reader, row: Row[Any]) -> int:
    """Count how often the operator has given a release's namespace to others since."""
    later = select(_ENTRY).where(
        col(tables.Entry.namespace) == fold_name(row.namespace),
        col(tables.Entry.kind) == "operator",
        col(tables.Entry.number) > row.number,
    )
    found = reader.connection.execute(later.limit(_MAX_ENTRIES)).all()
    return sum(reassigned(reader, entry) is not None for entry in found)


def find_release(reader: Reader, namespace: str, name: str, version: str | None) -> Row[Any] | None:
    """Return the row of a release; of the newest without `version`."""
    key = f"{fold_name(namespace)}/{fold_name(name)}"
    query = select(_RELEASE).where(col(tables.Release.model) == key)
    if version is not None:
        query = query.where(col(tables.Release.version) == version)
    return reader.connection.execute(query.order_by(col(tables.Release.number).desc()).limit(1)).one_or_none()


def _newest(reader: Reader, row: Row[Any]) -> str | None:
    newest = reader.connection.execute(
        select(col(tables.Release.version))
        .where(col(tables.Release.model) == row.model)
        .order_by(col(tables.Release.number).desc())
        .limit(1)
    ).scalar_one()
    return None if newest == row.version else newest


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


def _openness(reader: Reader, document: Release, card: Card | None) -> Openness | None:
    """Assess the card as it now stands against what this release holds; None without a card."""
    if card is None:
        return None
    named = {one.digest.removeprefix("sha256:") for one in card.components if one.digest is not None}
    evidence = Evidence(
        files={file.path: file.sha256 for file in document.model.files},
        attachments=frozenset(sha256 for sha256 in named if reader.has_blob(sha256)),
        readme=card.readme.sha256 if card.readme is not None else None,
    )
    return describe_openness(card, evidence)


def _entries(reader: Reader, row: Row[Any], document: Release) -> list[Row[Any]]:
    """Entries about a release, oldest first, with those that say whose keys and namespace these are."""
    roots = [root.root_digest.removeprefix("sha256:") for root in document.model.root_digests]
    namespace = fold_name(row.namespace)
    about = select(_ENTRY).where(
        or_(
            col(tables.Entry.release) == row.number,
            col(tables.Entry.kind).in_(("namespace", "operator"))
            & (col(tables.Entry.namespace) == namespace),
            (col(tables.Entry.kind) == "oms") & col(tables.Entry.subject).in_(roots),
        )
    )
    found = {
        entry.number: entry
        for entry in reader.connection.execute(about.order_by(col(tables.Entry.number)).limit(_MAX_ENTRIES))
    }
    found = {number: entry for number, entry in found.items() if _tells(reader, entry)}
    if any(entry.kind == "operator" for entry in found.values()) and (first := reader.entry(0)) is not None:
        found[0] = first  # the genesis, which names the operator's key
    signers = {entry.signer for entry in found.values()}
    introductions = select(_ENTRY).where(
        col(tables.Entry.signer).in_(signers), col(tables.Entry.kind) == "signer"
    )
    for entry in reader.connection.execute(introductions.limit(_MAX_ENTRIES)):
        found[entry.number] = entry
    return [found[number] for number in sorted(found)]


def _tells(reader: Reader, entry: Row[Any]) -> bool:
    """Tell whether an entry says who owns the namespace, or is about the release; takedowns do neither."""
    return entry.kind != "operator" or reassigned(reader, entry) is not None


def _oms(entries: Iterable[Row[Any]], signer: str) -> Row[Any] | None:
    """Choose the OMS statement of the same files: the release's own signer's, else the oldest."""
    found = [entry for entry in entries if entry.kind == "oms"]
    return next((entry for entry in found if entry.signer == signer), found[0] if found else None)


def _blob(reader: Reader, sha256: str | None) -> str | None:
    if sha256 is None or not reader.has_blob(sha256):
        return None
    return reader.url(f"/api/v1/blobs/{sha256}")


def _warnings(document: Release) -> Iterable[str]:
    unsafe = [file.path for file in document.model.files if file.unsafe_to_load]
    if unsafe:
        named = ", ".join(unsafe[:_NAMED_FILES])
        more = f" and {len(unsafe) - _NAMED_FILES} more" if len(unsafe) > _NAMED_FILES else ""
        text = f"Loading these files can run code that they bring: {named}{more}"
        yield text if len(text) <= 1024 else f"{text[:1023]}…"  # noqa: PLR2004 - a Line
