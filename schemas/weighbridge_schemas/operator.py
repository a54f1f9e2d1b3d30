# SPDX-License-Identifier: Apache-2.0
"""operator/v1: decisions of a log's operator, logged like all else.

Entry 0 of every log is the genesis: it fixes the origin, the log key, the operator key and who
may claim namespaces. It is signed with the operator key that it names.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from .base import (
    Count,
    Digest,
    Document,
    NamespaceName,
    Origin,
    PublicKeyPem,
    Reference,
    Vkey,
    predicate_type,
)
from .namespace import Owner

__all__ = ["KIND", "PREDICATE_TYPE", "Action", "AllowList", "Allowed", "Genesis", "Operator", "Predecessor"]

KIND: Final = "operator"
PREDICATE_TYPE: Final = predicate_type(KIND)


class Predecessor(Document):
    """The log that this one continues, as it ended."""

    origin: Origin
    """Origin of the predecessor."""
    size: Count
    """Its last size."""
    root: Digest
    """Its root at that size."""


class Genesis(Document):
    """Entry 0: what this log is."""

    action: Literal["genesis"]
    """The first entry."""
    origin: Origin
    """Checkpoint origin of the log."""
    log_key: Vkey
    """Verifier key of the log's checkpoints."""
    operator_key: PublicKeyPem
    """Public key that signs operator/v1 statements of this log."""
    admission: Literal["open", "restricted"]
    """Who may claim a namespace: first come, or only as the allow-list says."""
    predecessor: Predecessor | None = None
    """The log that this one continues."""


class Allowed(Document):
    """One grant: this owner may claim this namespace."""

    namespace: NamespaceName
    """The namespace that may be claimed."""
    owner: Owner
    """Who may claim it."""


class AllowList(Document):
    """Who may claim which namespace on a restricted log; replaces the list before."""

    action: Literal["allow_list"]
    """A new allow-list."""
    allowed: Annotated[tuple[Allowed, ...], Field(max_length=10_000)]
    """Every grant from now on."""


Action = Annotated[Genesis | AllowList, Field(discriminator="action")]
"""What the operator decided."""


class Operator(Document):
    """Predicate of operator/v1. Subject: the abstract digest of `operator` and the log's origin."""

    decision: Action
    """The decision."""
    logs: Annotated[tuple[Origin, ...], Field(min_length=1, max_length=1)]
    """Origin of the one log that it is for."""
    previous: Reference | None
    """The operator/v1 statement before it; null for the genesis only."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.previous is not None and self.previous.kind != KIND:
            raise ValueError("previous must refer to an operator statement")
        if isinstance(self.decision, Genesis):
            if self.previous is not None:
                raise ValueError("the genesis has no previous statement")
            if self.logs != (self.decision.origin,):
                raise ValueError("the genesis is for its own log only")
        elif self.previous is None:
            raise ValueError("every decision after the genesis names the one before")
        return self
