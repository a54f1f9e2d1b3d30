# SPDX-License-Identifier: Apache-2.0
"""position/v1: somebody agrees or disagrees with what another has said, with evidence.

It is about a statement, or about one edge of a lineage, child → parent, wherever that is stated. Anyone
may take a position; each signer has one at a time on each thing. Whose weighs how much is for readers
to say: a parent's owner who acknowledges a child says more than a stranger.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from .base import (
    Count,
    Digest,
    Document,
    HttpsUrl,
    Line,
    Origins,
    Paragraph,
    Reference,
    predicate_type,
)
from .lineage import Relation

__all__ = ["KIND", "PREDICATE_TYPE", "Comparison", "EdgeSubject", "Evidence", "Position", "Stance"]

KIND: Final = "position"
PREDICATE_TYPE: Final = predicate_type(KIND)

Stance = Literal["acknowledges", "disputes", "withdrawn"]
"""`withdrawn` takes an earlier position back."""


class EdgeSubject(Document):
    """One edge of a lineage, by the digests of both ends."""

    child: Digest
    """Model digest of the child: the subject of the statement."""
    parent: Digest
    """Model, weights or root digest of the parent."""
    relation: Relation | None = None
    """The relation that is acknowledged or disputed; null: whatever was stated."""

    @model_validator(mode="after")
    def _two_ends(self) -> Self:
        if self.child == self.parent:
            raise ValueError("an edge has two ends")
        if self.relation == "from_scratch":
            raise ValueError("from_scratch names no parent")
        return self


class Comparison(Document):
    """What a comparison of two models found: of the child's tensors, those that are equal in the parent."""

    tensors: Count
    """Tensors of the child."""
    equal_tensors: Count
    """Those whose bytes are those of a tensor of the parent."""
    bytes: Count
    """Bytes of the child's tensors."""
    equal_bytes: Count
    """Bytes of the equal ones."""

    @model_validator(mode="after")
    def _parts(self) -> Self:
        if self.equal_tensors > self.tensors or self.equal_bytes > self.bytes:
            raise ValueError("more is equal than there is")
        return self


class Evidence(Document):
    """One thing that speaks for the position."""

    note: Line
    """What it shows."""
    statement: Reference | None = None
    """A logged statement."""
    digest: Digest | None = None
    """SHA-256 of a file, table or report."""
    url: HttpsUrl | None = None
    """Where it can be read."""


class Position(Document):
    """Predicate of position/v1. Subject: the statement digest of `of`, or the child of `edge`."""

    stance: Stance
    """Whether the signer agrees."""
    of: Reference | None = None
    """The statement that it is about; null if it is about an edge."""
    edge: EdgeSubject | None = None
    """The edge that it is about; null if it is about a statement."""
    basis: Literal["knowledge", "recomputed", "rederived"]
    """How the signer knows: by their own knowledge, by computing digests and tensors of both again, or by
    making the child again from the parent."""
    comparison: Comparison | None = None
    """What was found; for an edge that was `recomputed` or `rederived`."""
    reason: Line | None = None
    """Why, in one line; needed to dispute."""
    details: Paragraph | None = None
    """More about it."""
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=64)] = ()
    """What speaks for it."""
    logs: Origins
    """Origins of the logs that the signer means it for."""
    previous: Reference | None
    """The position/v1 statement that it replaces: of the same signer on the same thing."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.of is None) == (self.edge is None):
            raise ValueError("is about a statement (of) or about an edge (edge), one of the two")
        if self.of is not None and self.of.kind in ("oms", "signer", "operator", "attestation"):
            raise ValueError("of must refer to a statement that says something that can be disputed")
        if self.stance == "disputes" and self.reason is None:
            raise ValueError("a dispute needs a reason")
        if self.stance == "withdrawn" and self.previous is None:
            raise ValueError("nothing can be withdrawn where nothing was said before")
        if self.comparison is not None and (self.edge is None or self.basis == "knowledge"):
            raise ValueError("a comparison is of both ends of an edge, recomputed or rederived")
        if self.previous is not None and self.previous.kind != KIND:
            raise ValueError("previous must refer to a position statement")
        return self
