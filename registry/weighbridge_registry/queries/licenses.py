# SPDX-License-Identifier: Apache-2.0
"""Stated licences of releases, and side by side along an edge, fetched for many of them at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Row

from weighbridge.license_terms import (
    compare_data_license,
    compare_licenses,
    license_of_data,
    unregistered_parent,
)
from weighbridge_registry.store import descent
from weighbridge_schemas.api import LicenseCheck, StatedLicense
from weighbridge_schemas.card import Card
from weighbridge_schemas.lineage import DatasetUse, Relation

from .reader import Reader

__all__ = ["DataLicenses", "Licenses"]


class Licenses:
    """What the cards of some releases, as they now stand, say of the licence of their weights."""

    def __init__(self, reader: Reader, rows: Iterable[Row[Any]]) -> None:
        """Fetch what the releases `rows` state."""
        self._found = descent.licenses(reader.connection, map(_card_of, rows))

    def of(self, row: Row[Any]) -> StatedLicense | None:
        """Return the licence that a release states; None if it states none, or its card is withheld."""
        return _license_of(self._found.get(_card_of(row)))

    def check(self, child: Row[Any], parent: Row[Any] | None, relation: Relation | None) -> LicenseCheck:
        """Compare the two ends of an edge; `parent` is None if none is registered, or it is not shown."""
        if parent is None:
            return unregistered_parent(self.of(child))
        title = json.loads(child.headline).get("title")
        names = (child.name, *([title] if title else []))
        return compare_licenses(self.of(child), self.of(parent), relation=relation, names=names)


class DataLicenses:
    """Licences of the data sets of one release: as its card states them, else the statement that it names.

    What strangers say of a data set that is named by its digest alone is not looked at: anyone may do so.
    """

    def __init__(
        self, reader: Reader, row: Row[Any], card: Card | None, described: Mapping[str, int]
    ) -> None:
        """Fetch what is stated; `described` are the entries of the statements that the lineage names."""
        references = card.data.references if card is not None and card.data is not None else ()
        stated = [one for one in references if one.license is not None]
        self._own = Licenses(reader, [row]).of(row)
        self._by_digest = {one.digest: one.license for one in stated if one.digest is not None}
        self._by_name = {one.name: one.license for one in stated if one.digest is None}
        self._entries = described
        entry = reader.entry(_card_of(row)) if stated else None
        self._statement = entry.statement if entry is not None else None
        self._described = descent.licenses(reader.connection, described.values())

    def check(self, use: DatasetUse) -> LicenseCheck | None:
        """Compare the release's licence with that of one of its data sets; None if nobody states one."""
        license_ = self._by_digest.get(use.digest or "") or self._by_name.get(use.name)
        data = license_of_data(license_, self._statement)
        if data is None and use.statement is not None:
            data = _license_of(self._described.get(self._entries.get(use.statement.sha256, -1)))
        return compare_data_license(self._own, data, stage=use.stage)


def _license_of(found: Row[Any] | None) -> StatedLicense | None:
    """Return a stored licence as a document."""
    if found is None:
        return None
    return StatedLicense(
        spdx=found.spdx,
        text=found.text,
        url=found.url,
        path=found.path,
        sha256=found.sha256,
        of=found.of,
        statement=f"sha256:{found.statement}",
    )


def _card_of(row: Row[Any]) -> int:
    """Return the entry that holds a release's card as it now stands."""
    return int(row.number if row.card is None else row.card)
