# SPDX-License-Identifier: Apache-2.0
"""A release in the formats that others read: its card as it now stands, and what its signed documents say."""

from __future__ import annotations

from typing import cast

from sqlalchemy import select

from weighbridge.cards import Exported, export_card
from weighbridge.export_subjects import described_by, export_subject
from weighbridge.prov import Provenance, describe_graph
from weighbridge_registry.store import tables
from weighbridge_registry.store.rows import plain
from weighbridge_schemas.card import Card
from weighbridge_schemas.dataset import Dataset
from weighbridge_schemas.lineage import Lineage
from weighbridge_schemas.release import Release

from .graphs import graph
from .lineages import stated_lineage
from .reader import Reader
from .refusals import check_served
from .releases import current_card, find_release

__all__ = ["export_lineage", "export_release"]

_ENTRY = plain(tables.Entry)


def export_release(reader: Reader, namespace: str, name: str, version: str, form: str) -> Exported | None:
    """Write a release in a format of `weighbridge.cards.FORMATS`; None if there is no such release.

    A card that is withheld says nothing: the export is that of a release without a card.
    """
    row = find_release(reader, namespace, name, version)
    if row is None:
        return None
    check_served(reader, "bundle", row.bundle)
    document = cast("Release", reader.statements.get(row.bundle).document)
    card, statement = current_card(reader, row, document)
    lineage, _ = stated_lineage(reader, row, document)
    signer = reader.signer(row.signer)
    subject = export_subject(
        document,
        release_statement=row.statement,
        card_statement=statement.sha256 if statement is not None else row.statement,
        lineage=lineage,
        signer=signer.label,
        signer_id=signer.id,
        datasets=_described(reader, lineage),
    )
    return export_card(card or Card(), form, subject)


def export_lineage(reader: Reader, sha256: str, up: int, down: int) -> Exported:
    """Write the graph around a digest as PROV-JSON."""
    document = Provenance()
    lost = describe_graph(document, graph(reader, sha256, up, down))
    return Exported(document.write(), lost)


def _described(reader: Reader, lineage: Lineage | None) -> dict[str, Dataset]:
    """Return the descriptions that a lineage names, of those that are recorded here and not withheld."""
    named = described_by(lineage)
    query = select(_ENTRY.c.statement, _ENTRY.c.bundle).where(
        _ENTRY.c.statement.in_(named), _ENTRY.c.kind == "dataset"
    )
    found = {row.statement: row.bundle for row in reader.connection.execute(query)}
    return {
        statement: cast("Dataset", reader.statements.get(bundle).document)
        for statement, bundle in sorted(found.items())
        if reader.withheld("bundle", bundle) is None
    }
