# SPDX-License-Identifier: Apache-2.0
"""Card revisions in the evidence: which card of a release holds.

A revision counts if a pinned log proves it, if it is of exactly this release, and if its signer owned the
namespace at its entry. Whoever handed over the record can leave revisions out, but add none; so an older card
may be shown for the newest, which its README then does not match.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from weighbridge.errors import BundleError, SignerError, StatementError
from weighbridge.identities import signer_id
from weighbridge.statements import parse_statement

from .ownership import read_ownership

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card

    from .case import Case
    from .entries import Entry
    from .releases import FoundRelease

__all__ = ["card_in_force"]

_MOST_TRIED: Final = 16
"""Revisions whose signature is looked at, newest first: a record may hold any number of strangers' lines."""


def card_in_force(case: Case, found: FoundRelease) -> Card | None:
    """Return the newest card that an owner signed for a release, as far as the evidence goes."""
    candidates = [
        entry
        for entry in case.reading.entries
        if entry.kind == "card"
        and entry.proved
        and entry.origin == found.entry.origin
        and entry.index > found.entry.index
        and entry.statement.subjects[0].sha256 == found.entry.bundle.statement_digest
    ]
    for entry in sorted(candidates, key=lambda one: -one.index)[:_MOST_TRIED]:
        card = _authorised_card(case, found, entry)
        if card is not None:
            return card
    return found.document.card


def _authorised_card(case: Case, found: FoundRelease, entry: Entry) -> Card | None:
    """Return the card of a revision that an owner in force at its entry signed; None for any other."""
    from weighbridge_schemas.card import CardRevision

    try:
        document = parse_statement(entry.bundle.payload, strict=True).document()
        signer = case.authenticator(entry.bundle)
        owners = read_ownership(
            found.document.namespace, case.reading.entries, lambda one: case.authenticator(one.bundle)
        ).get(entry.origin)
        is_owner = (
            owners.owns(signer, entry.index)
            if owners is not None
            else signer_id(signer) == signer_id(case.authenticator(found.entry.bundle))
        )
    except (BundleError, SignerError, StatementError):
        return None
    return document.card if isinstance(document, CardRevision) and is_owner else None
