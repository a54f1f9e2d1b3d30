# SPDX-License-Identifier: Apache-2.0
"""What several documents of the interface share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from weighbridge_schemas.base import Count, Digest, Document, Hex256, Kind, Line, Origin

__all__ = ["Address", "AsOf", "Base64", "Edge", "EntryRef", "SignerSummary", "StatementSubject"]

Address = Annotated[str, Field(max_length=2048)]
"""A URL of this registry, absolute where it knows its own address, else a path."""
Base64 = Annotated[str, Field(pattern=r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")]
"""Standard base64 with padding."""
Edge = Literal[0, 1, 2, 3, 4]
"""Evidence level of a lineage edge: 0 claimed, 1 pinned, 2 anchored, 3 tensor-matched, 4 checked."""


class AsOf(Document):
    """The state of the log that an answer was made from."""

    size: Count
    """Number of entries."""
    origin: Origin
    """Origin of the log."""


class EntryRef(Document):
    """Where a statement is recorded."""

    index: Count
    """Index of its entry."""
    kind: Kind
    """Kind of the statement."""
    statement: Digest
    """Statement digest."""
    bundle: Digest
    """SHA-256 of the bundle's bytes; `/bundles/<hex>` serves them."""
    received: Count
    """When the operator took it, Unix seconds."""
    url: Address
    """Page of the entry."""


class SignerSummary(Document):
    """Who signed, as far as the signature shows."""

    id: Hex256
    """SHA-256 of the canonical signer."""
    kind: Literal["key", "certificate", "sigstore"]
    """How the signer is known."""
    label: Line
    """The signer in plain words, from the signature itself; the name that goes beside every claim."""
    introduced_as: Line | None = None
    """Label of the key's own signer/v1 statement: a claim of the holder, shown as one."""
    url: Address
    """Page of the signer."""


class StatementSubject(Document):
    """What a statement is about."""

    name: str
    """Informational."""
    sha256: Hex256
    """Digest of the subject."""
