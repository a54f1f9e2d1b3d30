# SPDX-License-Identifier: Apache-2.0
"""All that the release page shows, gathered from a few documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from weighbridge.cards import FORMATS
from weighbridge.errors import WithheldError
from weighbridge_web.card_changes import card_changes
from weighbridge_web.card_groups import card_groups
from weighbridge_web.card_rows import license_words
from weighbridge_web.checks import release_checks
from weighbridge_web.formats import local
from weighbridge_web.lineages import drawing, graph_drawing, steps
from weighbridge_web.markdown import MAX_README, render_readme, strip_front_matter
from weighbridge_web.openness import openness_view
from weighbridge_web.records import NotKnownError

if TYPE_CHECKING:
    from weighbridge_schemas.api import EntryDocument, EntryRef, ReleaseDocument
    from weighbridge_schemas.card import Card
    from weighbridge_web.records import Records

__all__ = ["FILE_ROWS", "release_context"]

FILE_ROWS: Final = 100
"""Files listed on the page; the JSON has all."""
EDGE_ROWS: Final = 60
"""Models or data sets listed under one relation."""
ROW_ITEMS: Final = 24
"""Things listed under one label of the card."""
RAW_STATEMENTS: Final = 8
"""Statements shown in full at the end: the newest of those about this release."""
MAX_README_BYTES: Final = 4 * 1024 * 1024
"""Largest README that is read for the page."""

_RAW_KINDS = {"oms", "release", "card", "lineage", "status"}


def release_context(release: ReleaseDocument, ask: Records, *, up: int = 1, down: int = 1) -> dict[str, Any]:
    """Return the template's variables for one release, with so many steps of lineage."""
    log = ask.log()
    own = next(entry for entry in release.entries if entry.statement == release.statement)
    unsafe = [file for file in release.files if file.unsafe_to_load]
    readme = _readme(release, ask)
    graph = None
    if (up, down) != (1, 1):
        graph = ask.lineage(release.statement.removeprefix("sha256:"), up, down)
    name = f"{release.namespace}/{release.name} {release.version}"
    bound = release.card is not None and release.card.readme is not None
    return {
        "release": release,
        "log": log,
        "own_index": own.index,
        "checks": release_checks(release, log),
        "unsafe": unsafe,
        "unsafe_formats": sorted({file.format for file in unsafe}),
        "license": _license(release.card),
        "file_rows": FILE_ROWS,
        "row_items": ROW_ITEMS,
        "edge_rows": EDGE_ROWS,
        "drawing": graph_drawing(graph, name) if graph is not None else drawing(release),
        "graph": graph,
        "graph_steps": steps(graph) if graph is not None else (),
        "steps_up": up,
        "steps_down": down,
        "card_groups": card_groups(release.card),
        "card_changes": card_changes(release, ask),
        "export_formats": {name: format_.title for name, format_ in FORMATS.items()},
        "openness": openness_view(release.openness),
        "readme": render_readme(readme) if readme is not None else None,
        "readme_cut": readme is not None and len(strip_front_matter(readme)) > MAX_README,
        "readme_missing": bound and readme is None,
        "readme_path": local(release.readme) if release.readme else None,
        "tensor_table_path": local(release.tensor_table) if release.tensor_table else None,
        "raw": _raw(release, ask),
    }


def _readme(release: ReleaseDocument, ask: Records) -> str | None:
    """Return the attached README as text, if the card binds one and it is here."""
    if release.card is None or release.card.readme is None:
        return None
    data = ask.attachment(release.card.readme.sha256, MAX_README_BYTES)
    return None if data is None else data.decode("utf-8", errors="replace")


def _license(card: Card | None) -> str:
    licenses = card.licenses if card else None
    if licenses is None:
        return ""
    return license_words(licenses.distribution or licenses.data or licenses.code or licenses.document)


def _raw(release: ReleaseDocument, ask: Records) -> list[EntryDocument]:
    entries: list[EntryRef] = [entry for entry in release.entries if entry.kind in _RAW_KINDS]
    documents = []
    for entry in entries[-RAW_STATEMENTS:]:
        try:
            documents.append(ask.entry(entry.index))
        except (NotKnownError, WithheldError):
            continue
    return documents
