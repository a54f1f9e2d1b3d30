# SPDX-License-Identifier: Apache-2.0
"""What each card revision of a release changed, for its timeline."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from weighbridge.cards import compare_cards
from weighbridge.errors import WithheldError
from weighbridge_schemas.card import Card
from weighbridge_web.records import NotKnownError

if TYPE_CHECKING:
    from weighbridge.cards import MemberChange
    from weighbridge_schemas.api import EntryRef, ReleaseDocument
    from weighbridge_web.records import Records

__all__ = ["CHANGE_ROWS", "COMPARED_REVISIONS", "CardChanges", "card_changes"]

COMPARED_REVISIONS: Final = 8
"""Revisions whose changes a page shows: the newest."""

CHANGE_ROWS: Final = 40
"""Members that a page shows of one revision."""

_UNKNOWN: Final = object()


@dataclass(frozen=True)
class ChangeRow:
    """One member with its old and new value as text; "" where it is absent."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class CardChanges:
    """What one revision changed; `rows` is None where one of the two cards is not at hand."""

    rows: tuple[ChangeRow, ...] | None
    more: int = 0


def card_changes(release: ReleaseDocument, ask: Records) -> dict[int, CardChanges]:
    """Return the changes of each of the newest card revisions, by the number of its entry."""
    own = next((entry for entry in release.entries if entry.statement == release.statement), None)
    revisions = [entry for entry in release.entries if entry.kind == "card"]
    chain = [*([own] if own is not None else []), *revisions][-COMPARED_REVISIONS - 1 :]
    if len(chain) < 2 or not revisions:  # noqa: PLR2004 - a pair
        return {}
    cards = [_card(entry, ask) for entry in chain]
    found: dict[int, CardChanges] = {}
    for entry, old, new in zip(chain[1:], cards, cards[1:], strict=False):
        if old is _UNKNOWN or new is _UNKNOWN:
            found[entry.index] = CardChanges(None)
        else:
            changes = compare_cards(old, new)
            rows = tuple(_row(change) for change in changes[:CHANGE_ROWS])
            found[entry.index] = CardChanges(rows, len(changes) - len(rows))
    return found


def _card(entry: EntryRef, ask: Records) -> Any:
    """Return the card of a release or revision as signed; `_UNKNOWN` if it is withheld or too long."""
    try:
        predicate = ask.entry(entry.index).predicate
    except (NotKnownError, WithheldError):
        return _UNKNOWN
    if predicate is None:
        return _UNKNOWN
    stated = predicate.get("card")
    try:
        return Card.model_validate(stated) if stated is not None else None
    except ValidationError:
        return _UNKNOWN


def _row(change: MemberChange) -> ChangeRow:
    return ChangeRow(change.path, _text(change.old), _text(change.new))


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)
