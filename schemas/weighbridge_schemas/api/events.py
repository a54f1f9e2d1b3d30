# SPDX-License-Identifier: Apache-2.0
"""The stream of entries, and error answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from weighbridge_schemas.base import Count, Digest, Document, Flag, Kind, Line
from weighbridge_schemas.operator import CaseNumber, Jurisdiction, TakedownReason, Target

from .parts import Address, AsOf, Base64, SignerSummary, StatementSubject

__all__ = ["Event", "EventList", "Problem", "WithheldDocument"]


class Event(Document):
    """One line of `/api/v1/events`."""

    index: Count
    """Entry; use the last one as `since`."""
    received: Count
    """When the operator took it, Unix seconds."""
    kind: Kind
    """Kind of the statement."""
    statement: Digest
    """Statement digest."""
    subjects: tuple[StatementSubject, ...]
    """What it is about."""
    signer: SignerSummary | None
    """Who signed."""
    summary: Line
    """One sentence in plain words."""
    url: Address
    """Page of the entry, or of the release."""


class EventList(Document):
    """`GET /api/v1/events?since=`: entries from an index on, oldest first; the log page's list."""

    events: tuple[Event, ...]
    """This page of the list."""
    next: str | None
    """Value of `since` for the next page; null at the end."""
    as_of: AsOf
    """State of the log."""


class WithheldDocument(Document):
    """What a 451 answer proves itself with: the operator's logged decision, and what the entry did."""

    target: Target
    """What is withheld: a logged bundle, or an attached file."""
    sha256: Digest
    """Its SHA-256."""
    entry: Count | None
    """Entry of the withheld bundle; null for an attachment."""
    reason: TakedownReason
    """Why, as the decision says."""
    jurisdiction: Jurisdiction | None
    """Whose law asks for it, as the decision says."""
    reference: CaseNumber | None
    """Number of the case, as the decision says."""
    index: Count
    """Entry of the decision."""
    statement: Digest
    """Statement digest of the decision."""
    bundle: Base64
    """The decision's bundle, signed by the operator."""
    leaf: Base64
    """Leaf of the decision."""
    receipt: str
    """Proof that the decision is recorded."""
    facts_withheld: Flag
    """True if the decision withholds the facts, too."""
    facts: dict[str, Any] | None
    """The facts that the withheld entry wrote, whose digest is the decision's `effect`; else null."""
    url: Address
    """Page of the decision."""


class Problem(Document):
    """Every error answer, RFC 9457 `application/problem+json`."""

    type: str
    """Stable name of the problem: `https://weighbridge/problems/<slug>`."""
    title: str
    """What it is, in a few words; the same for every problem of this type."""
    status: Annotated[int, Field(ge=400, le=599)]
    """HTTP status."""
    detail: str
    """What, where."""
    step: Annotated[int, Field(ge=1, le=11)] | None = None
    """Number of the verification step that failed."""
    hint: str = ""
    """What to do."""
    evidence: dict[str, Any] = Field(default_factory=dict)
    """Digests, sizes and the like."""
    instance: str | None = None
    """Line of a batch that was refused (`#/2`), or the request's path."""
    withheld: WithheldDocument | None = None
    """With status 451 only: the decision that withholds what was asked for, with its proof."""
