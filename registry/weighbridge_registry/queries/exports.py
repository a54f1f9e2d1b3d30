# SPDX-License-Identifier: Apache-2.0
"""The card of a release in a format that others read, with what signed documents say around it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import Row, or_, select

from weighbridge.cards import FORMATS, DescribedData, ExportSubject, export_card
from weighbridge.prov import Provenance, describe_graph
from weighbridge_registry.store import tables
from weighbridge_registry.store.rows import plain
from weighbridge_schemas.base import Reference, fold_name
from weighbridge_schemas.card import Card
from weighbridge_schemas.dataset import Dataset
from weighbridge_schemas.lineage import DatasetUse
from weighbridge_schemas.release import Release

from .graphs import graph
from .lineages import stated_lineage
from .reader import Reader
from .refusals import check_served
from .releases import find_release, stated_card
from .testimonies import find_statement

__all__ = ["ExportedCard", "export", "export_lineage", "subject_of"]

_SETS: Final = 64
"""Data sets of a lineage whose statements are read."""

_ENTRY: Final = plain(tables.Entry)
_DESCRIPTION: Final = plain(tables.Description)


@dataclass(frozen=True, slots=True)
class ExportedCard:
    """A card in another format: text, its media type, a name for the file, and what is lost."""

    text: str
    media_type: str
    file_name: str
    lost: tuple[str, ...]


def export(reader: Reader, namespace: str, name: str, version: str, format_: str) -> ExportedCard | None:
    """Write the card of a release as it now stands; None if there is no such release.

    Raises `WithheldError` if the release, its card or its lineage is withheld: an export without it would
    pretend that nothing was said.
    """
    row = find_release(reader, namespace, name, version)
    if row is None:
        return None
    card, subject = subject_of(reader, row)
    exported = export_card(card, format_, subject)
    form = FORMATS[format_]
    return ExportedCard(
        text=exported.text,
        media_type=form.media_type,
        file_name=f"{row.namespace}-{row.name}-{row.version}{form.suffix}",
        lost=exported.lost,
    )


def subject_of(reader: Reader, row: Row[Any]) -> tuple[Card, ExportSubject]:
    """Return the card of a release as it now stands, and what is signed around it."""
    check_served(reader, "bundle", row.bundle)
    document = cast("Release", reader.statements.get(row.bundle).document)
    card, card_statement = stated_card(reader, row, document)
    lineage, lineage_statement = stated_lineage(reader, row, document)
    for part, statement in ((card, card_statement), (lineage, lineage_statement)):
        if part is None and statement is not None and statement.kind != "release":
            _check_statement(reader, statement)
    uses = lineage.datasets if lineage is not None else ()
    subject = ExportSubject(
        name=row.name,
        namespace=row.namespace,
        version=row.version,
        released_at=document.released_at,
        model_digest=document.model.model_digest,
        weights_digest=document.model.weights_digest or "",
        statement=f"sha256:{card_statement.sha256}" if card_statement is not None else "",
        files=document.model.files,
        lineage=lineage,
        locations=document.locations,
        release_statement=f"sha256:{row.statement}",
        lineage_statement=f"sha256:{lineage_statement.sha256}" if lineage is not None else "",
        signer=reader.signer(row.signer).label,
        signer_id=row.signer,
        datasets=tuple(_described(reader, row, uses)),
    )
    return card or Card(), subject


def export_lineage(reader: Reader, sha256: str, up: int, down: int) -> ExportedCard:
    """Write the graph around a digest as PROV-JSON."""
    document = Provenance()
    lost = describe_graph(document, graph(reader, sha256, up, down))
    form = FORMATS["prov-json"]
    name = f"lineage-{sha256[:16]}{form.suffix}"
    return ExportedCard(document.write(), form.media_type, name, lost)


def _check_statement(reader: Reader, statement: Reference) -> None:
    entry = find_statement(reader, statement.sha256)
    if entry is not None:
        check_served(reader, "bundle", entry.bundle)


def _described(reader: Reader, row: Row[Any], uses: Iterable[DatasetUse]) -> Iterator[DescribedData]:
    """Yield what the statements say that a lineage names; of one named by its digest, the publisher's own.

    What strangers say of a data set has no place in what a publisher states.
    """
    for use in list(uses)[:_SETS]:
        entry = _statement_of(reader, row, use)
        if entry is None or reader.withheld("bundle", entry.bundle) is not None:
            continue
        dataset = cast("Dataset", reader.statements.get(entry.bundle).document)
        if dataset.withdrawn is None:
            yield DescribedData(
                use.name, f"sha256:{entry.statement}", reader.signer(entry.signer).label, dataset
            )


def _statement_of(reader: Reader, row: Row[Any], use: DatasetUse) -> Row[Any] | None:
    if use.statement is not None:
        entry = find_statement(reader, use.statement.sha256)
        return entry if entry is not None and entry.kind == "dataset" else None
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
