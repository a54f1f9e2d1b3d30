# SPDX-License-Identifier: Apache-2.0
"""Signers and namespaces."""

from __future__ import annotations

from typing import Any, Literal

from weighbridge_schemas.base import Count, Digest, Document, Flag, Hex256, Kind, Line, NamespaceName
from weighbridge_schemas.namespace import Owner

from .parts import Address, AsOf, SignerSummary
from .releases import ModelSummary

__all__ = ["NamespaceChange", "NamespaceDocument", "SignerDocument", "SignerStatement"]


class SignerStatement(Document):
    """One statement in a signer's list."""

    index: Count
    """Its entry."""
    kind: Kind
    """Its kind."""
    statement: Digest
    """Statement digest."""
    received: Count
    """When the operator took it, Unix seconds."""
    summary: Line
    """One sentence in plain words."""
    url: Address
    """Page of the entry, or of the release."""


class SignerDocument(Document):
    """`GET /api/v1/signers/<id>`: what one signer did here."""

    id: Hex256
    """SHA-256 of the canonical signer."""
    identity: dict[str, Any]
    """The canonical signer as JSON."""
    kind: Literal["key", "certificate", "sigstore"]
    """How the signer is known."""
    label: Line
    """The signer in plain words."""
    introduced_as: Line | None = None
    """Label of the key's own signer/v1 statement: a claim of the holder."""
    public_key: str | None = None
    """PEM of an introduced key."""
    first_seen: Count
    """When the operator took its first statement, Unix seconds."""
    first_index: Count
    """Entry of that statement."""
    namespaces: tuple[NamespaceName, ...]
    """Namespaces that it owns now."""
    statements: tuple[SignerStatement, ...]
    """Its statements, newest first."""
    count: Count
    """Number of its statements, also those not listed."""
    next: str | None = None
    """Cursor of the next page; null at the end."""
    url: Address
    """Page of the signer."""
    as_of: AsOf
    """State of the log."""


class NamespaceChange(Document):
    """One change of owners."""

    index: Count
    """Its entry."""
    statement: Digest
    """Statement digest."""
    received: Count
    """When the operator took it, Unix seconds."""
    epoch: Count
    """Epoch that it belongs to."""
    by_operator: Flag = False
    """True if the log's operator gave the namespace to others, without its owners: a new epoch began."""
    signer: SignerSummary
    """Who signed the change."""
    added: tuple[Owner, ...]
    """Owners that came."""
    removed: tuple[Owner, ...]
    """Owners that went."""
    url: Address
    """Page of the entry."""


class NamespaceDocument(Document):
    """`GET /api/v1/namespaces/<ns>`: who may publish here, and since when."""

    namespace: NamespaceName
    """Namespace as its owner writes it."""
    epoch: Count
    """1 for the first owners; each reassignment by the operator adds one."""
    owners: tuple[Owner, ...]
    """Owners now."""
    statement: Digest
    """Latest namespace statement; the next one names it in `previous`."""
    index: Count
    """Its entry."""
    history: tuple[NamespaceChange, ...]
    """All changes, newest first."""
    models: tuple[ModelSummary, ...]
    """Its models."""
    url: Address
    """Page of the namespace."""
    as_of: AsOf
    """State of the log."""
