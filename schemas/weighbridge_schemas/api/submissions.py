# SPDX-License-Identifier: Apache-2.0
"""Answers to submitted statements."""

from __future__ import annotations

from typing import Literal

from weighbridge_schemas.base import Count, Digest, Document, Flag, Kind

from .parts import Address, Base64

__all__ = ["SubmissionBatch", "SubmissionQueued", "SubmissionResult"]


class SubmissionResult(Document):
    """Answer for one submitted bundle: it is logged, and here is the proof."""

    entry: Digest
    """RFC 6962 leaf hash of the entry: its name inside the tree."""
    index: Count
    """Index of the entry."""
    leaf: Base64
    """The leaf's bytes."""
    receipt: str
    """Proof of recording, C2SP tlog-proof text."""
    url: Address
    """Page of the entry, or of the release for a release."""
    kind: Kind
    """Kind of the statement."""
    statement: Digest
    """Statement digest."""
    bundle: Digest
    """SHA-256 of the bundle that is logged; an earlier one if the statement was logged before."""
    created: Flag
    """False if this statement of this signer was already logged."""


class SubmissionBatch(Document):
    """Answer for a batch: all were logged, in the order given."""

    results: tuple[SubmissionResult, ...]
    """One result for each line of the request."""


class SubmissionQueued(Document):
    """Answer to `Prefer: respond-async`: it waits for the log. This proves nothing."""

    status: Literal["queued"]
    """What became of it so far."""
    url: Address
    """Ask here: 202 while it waits, then the SubmissionBatch, or the problem for which it was refused."""
