# SPDX-License-Identifier: Apache-2.0
"""What was said of models: how much of it, and field by field of closed ones."""

from __future__ import annotations

from typing import Literal

from weighbridge_schemas.base import (
    Count,
    Digest,
    Document,
    Flag,
    HttpsUrl,
    Line,
    Name,
    NamespaceName,
    Paragraph,
    Slug,
    Timestamp,
    Withdrawal,
)

from .deployments import DeploymentNote
from .parts import Address, AsOf, SignerSummary
from .testimonies import StatementAbout

__all__ = [
    "DisclosureCount",
    "DisclosureDocument",
    "DisclosureIndicator",
    "DisclosureList",
    "DisclosureScore",
    "DisclosureStatement",
    "DisclosureSummary",
    "FieldAnswer",
    "FieldAnswers",
]

Group = Literal["origin", "data", "training", "compute", "model", "evaluation", "use", "upkeep"]


class DisclosureCount(Document):
    """How many indicators of one group are stated."""

    group: Group
    """Which group."""
    title: Line
    """Its title."""
    stated: Count
    """Indicators to which something is stated."""
    asked: Count
    """Indicators that the documents at hand can answer."""


class DisclosureIndicator(Document):
    """One thing that can be said."""

    id: Slug
    """Its short name, also of a field of a disclosure/v1."""
    group: Group
    """Its group."""
    title: Line
    """What it asks."""
    state: Literal["stated", "left open", "not stated", "not asked"]
    """*Left open* gives a reason as evidence; *not asked* cannot be answered by the documents at hand."""
    evidence: tuple[Line, ...] = ()
    """Where it is stated: document and member. The statement may be wrong: nobody checked its truth."""
    fix: Line | None = None
    """What to do to state it; null if it is, or cannot be."""
    sources: tuple[Line, ...]
    """Where the field asks for it (docs/spec/disclosure-score.md)."""


class DisclosureScore(Document):
    """How much of what can be said was said. A count, never a grade: *stated*, not *true*, not *good*."""

    ruleset: Line
    """Name and version of the list of indicators."""
    stated: Count
    """Indicators to which something is stated."""
    left_open: Count
    """Those that are left open, with a reason."""
    asked: Count
    """Indicators that the documents at hand can answer."""
    groups: tuple[DisclosureCount, ...]
    """The same by group."""
    indicators: tuple[DisclosureIndicator, ...]
    """All of them, by group."""


class DisclosureStatement(Document):
    """What one party says of a closed model, as it now stands."""

    index: Count
    """Entry of the statement."""
    statement: Digest
    """Statement digest."""
    signer: SignerSummary
    """Who says so."""
    namespace: NamespaceName | None = None
    """Folded name of the namespace for which it is said; null: the signer speaks for themselves."""
    claims_vendor: Flag
    """True if the signer says that they are the vendor. Anybody can say that: nothing here shows it."""
    vendor: Line
    """Who makes or sells the model, as this party says."""
    as_of: Timestamp | None = None
    """Time that it describes, as this party says."""
    withdrawn: Withdrawal | None = None
    """Set if this party took it back."""
    answered: Count
    """Fields that are answered."""
    left_open: Count
    """Fields that are left open, with a reason."""
    score: DisclosureScore | None
    """How much of what can be said this party says; null if it is withdrawn."""
    received: Count
    """When it was taken, Unix seconds."""
    url: Address
    """Page of the entry."""


class FieldAnswer(Document):
    """What one party says to one field."""

    index: Count
    """Entry of the statement, one of `disclosures`. Two parties may sign the same words: one digest is then
    that of both statements, and only the entry tells who speaks."""
    claims_vendor: Flag
    """True if that party says that they are the vendor."""
    answer: Paragraph | None = None
    """The answer, its first 4,000 characters; null if it is left open."""
    left_open: Line | None = None
    """Why it is not answered."""
    evidence: tuple[HttpsUrl, ...] = ()
    """Where the answer is shown or explained, as that party says: the first 4 addresses."""


class FieldAnswers(Document):
    """One field, and what each party says to it: never one party's words as another's."""

    id: Slug
    """Its short name."""
    title: Line | None
    """What it asks, if it is an indicator of the ruleset; else the question as the first party puts it."""
    indicator: Flag
    """Whether it is an indicator of the ruleset."""
    answers: tuple[FieldAnswer, ...]
    """In the order of `disclosures`; without those that were withdrawn."""


class DisclosureDocument(Document):
    """`GET /api/v1/disclosures/<sha256>`: what is said of a closed model, which is known by its name."""

    digest: Digest
    """Abstract digest of the name (docs/spec/digests.md)."""
    name: Name
    """The model, as those who speak of it call it."""
    disclosures: tuple[DisclosureStatement, ...]
    """One for each namespace or signer that speaks of it, the oldest first; at most 20 a page, fewer if they
    say much."""
    total: Count
    """Number of them, also those not listed."""
    fields: tuple[FieldAnswers, ...]
    """Field by field what those listed say: indicators first, in their order."""
    deployments: tuple[DeploymentNote, ...] = ()
    """Services that are said to serve it, by the statement of one of those listed; at most 20."""
    deployments_total: Count = 0
    """Number of statements that say so."""
    statements: tuple[StatementAbout, ...] = ()
    """What else is said about it, newest first; at most 100."""
    next: str | None
    """Cursor of the next page; null at the end."""
    url: Address
    """Its page."""
    as_of: AsOf
    """State of the log."""


class DisclosureSummary(Document):
    """What one party says of one closed model, in a list."""

    digest: Digest
    """Abstract digest of the name."""
    name: Name
    """The model, as this party calls it."""
    withdrawn: Flag
    """True if this party took it back."""
    signer: SignerSummary
    """Who says so."""
    namespace: NamespaceName | None = None
    """Folded name of the namespace for which it is said."""
    summary: Line
    """One sentence in plain words."""
    statement: Digest
    """Statement digest."""
    index: Count
    """Its entry."""
    received: Count
    """When it was taken, Unix seconds."""
    url: Address
    """Page of the model."""


class DisclosureList(Document):
    """`GET /api/v1/disclosures?name=&cursor=`: what is said of closed models, newest first."""

    name: str | None
    """Name that was asked for, byte for byte."""
    disclosures: tuple[DisclosureSummary, ...]
    """This page of the list."""
    next: str | None
    """Cursor of the next page; null at the end."""
    as_of: AsOf
    """State of the log."""
