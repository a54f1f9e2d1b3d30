# SPDX-License-Identifier: Apache-2.0
"""What is known of a digest."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from weighbridge_schemas.base import Count, Digest, Document, Flag, Kind, ModelName, NamespaceName, Version

from .parts import Address, AsOf, SignerSummary
from .testimonies import StatementAbout

__all__ = ["DigestAnswer", "DigestMatch", "DigestsAnswer", "DigestsQuery", "MatchKind"]


MatchKind = Literal["file", "readme", "tensor", "weights", "root", "model", "table", "statement", "bundle"]
"""What a digest is within a match."""


class DigestMatch(Document):
    """One thing that has the digest."""

    kind: MatchKind
    """What the digest is here."""
    namespace: NamespaceName | None = None
    """Namespace of the release; null for a statement that belongs to none."""
    name: ModelName | None = None
    """Name of the model."""
    version: Version | None = None
    """Version of the release."""
    model_digest: Digest | None = None
    """Model digest of the release."""
    path: str | None = None
    """File within the release, for file and readme; tensor name for tensor."""
    statement: Digest
    """Statement that says so."""
    statement_kind: Kind
    """Kind of that statement."""
    signer: SignerSummary | None
    """Who said so."""
    index: Count
    """Entry of that statement."""
    received: Count
    """When it was taken, Unix seconds."""
    url: Address
    """Page of the release, or of the entry where there is none."""


class DigestAnswer(Document):
    """`GET /api/v1/digests/<sha256>`: what is known of a digest; oldest match first."""

    digest: Digest
    """The digest asked for."""
    matches: tuple[DigestMatch, ...]
    """What has it; empty means unknown here, nothing more."""
    truncated: Flag = False
    """True if there are more matches than are shown."""
    statements: tuple[StatementAbout, ...] = ()
    """What is said about it, newest first; at most 100, 10 where many digests were asked for."""
    statements_total: Count = 0
    """Number of such statements, also those not listed."""
    as_of: AsOf
    """State of the log."""


class DigestsQuery(Document):
    """Body of `POST /api/v1/digests`."""

    digests: Annotated[
        tuple[Annotated[str, Field(pattern=r"^(?:sha256:)?[0-9a-f]{64}$")], ...], Field(max_length=10_000)
    ]
    """Digests to look up, bare or with `sha256:`."""


class DigestsAnswer(Document):
    """Answer to `POST /api/v1/digests`: only the digests that are known."""

    answers: tuple[DigestAnswer, ...]
    """Known digests, in the order of the question."""
    unknown: Count
    """How many of those asked are not known here."""
    as_of: AsOf
    """State of the log."""
