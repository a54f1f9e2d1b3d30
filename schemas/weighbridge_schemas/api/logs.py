# SPDX-License-Identifier: Apache-2.0
"""The log, its entries and its statements."""

from __future__ import annotations

from typing import Any, Literal

from weighbridge_schemas.base import Count, Digest, Document, Flag, Hex256, Kind, Line, Origin, Vkey

from .parts import Address, AsOf, Base64, SignerSummary, StatementSubject

__all__ = ["EntryDocument", "LogDocument", "PredecessorDocument", "StatementDocument", "WitnessDocument"]


class WitnessDocument(Document):
    """One co-signer of the current checkpoint."""

    name: Line
    """Its name."""
    vkey: Vkey
    """Its verifier key, as this registry knows it."""
    time: Count
    """Time of its latest cosignature, Unix seconds."""


class PredecessorDocument(Document):
    """The log that a successor continues, as it ended."""

    origin: Origin
    """Origin of the old log."""
    size: Count
    """Its last size."""
    root: Digest
    """Its root at that size."""


class LogDocument(Document):
    """`GET /api/v1/log`."""

    origin: Origin
    """Checkpoint origin."""
    vkey: Vkey
    """Verifier key; trust it only if you know it from elsewhere."""
    fingerprint: Hex256
    """SHA-256 of the vkey text, to compare by eye."""
    size: Count
    """Number of entries."""
    root: Digest
    """Root hash at that size."""
    checkpoint: str
    """The signed checkpoint, with cosignatures."""
    witnesses: tuple[WitnessDocument, ...] = ()
    """Co-signers of that checkpoint."""
    quorum: Literal["met", "missed"] | None = None
    """Whether they are enough for this registry's own witness policy; null if it asks for none."""
    admission: Literal["open", "restricted"]
    """Who may claim a namespace."""
    predecessor: PredecessorDocument | None = None
    """The log that this one continues, if it is a successor."""
    read_only: Flag = False
    """True if it takes no statements now."""


class StatementDocument(Document):
    """`GET /api/v1/statements/<sha256>`: one statement with its current receipt."""

    kind: Kind
    """Kind of the statement."""
    predicate_type: str
    """in-toto predicate type."""
    statement: Digest
    """Statement digest."""
    subjects: tuple[StatementSubject, ...]
    """What it is about."""
    signer: SignerSummary | None
    """Who signed."""
    index: Count
    """Index of its entry."""
    received: Count
    """When the operator took it, Unix seconds."""
    bundle_digest: Digest
    """SHA-256 of the bundle's bytes."""
    bundle: Base64 | None
    """The bundle's bytes; null if withheld."""
    leaf: Base64
    """The leaf's bytes."""
    receipt: str
    """Proof of recording in the current checkpoint."""
    url: Address
    """Page of the entry."""


class EntryDocument(Document):
    """`GET /api/v1/entries/<index>` and `/log/<index>.json`: one line of the log."""

    index: Count
    """Index, from 0."""
    entry: Digest
    """RFC 6962 leaf hash."""
    leaf: Base64
    """The leaf's bytes."""
    received: Count
    """When the operator took it, Unix seconds."""
    bundle: Digest
    """SHA-256 of the bundle; `/bundles/<hex>` serves it."""
    bundle_size: Count
    """Length of the bundle in bytes."""
    statement: Digest
    """Statement digest."""
    kind: Kind
    """Kind of the statement."""
    predicate_type: str
    """in-toto predicate type."""
    predicate: dict[str, Any] | None
    """The predicate as signed; null if it is too long for a page or withheld."""
    subjects: tuple[StatementSubject, ...]
    """What it is about."""
    signer: SignerSummary | None
    """Who signed."""
    summary: Line
    """One sentence in plain words."""
    release: Address | None = None
    """Page of the release that it belongs to."""
    receipt: str
    """Proof of recording in the current checkpoint."""
    as_of: AsOf
    """State of the log."""
    url: Address
    """Page of the entry."""
