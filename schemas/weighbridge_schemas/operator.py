# SPDX-License-Identifier: Apache-2.0
"""operator/v1: decisions of a log's operator, logged like all else.

Entry 0 of every log is the genesis: it fixes the origin, the log key, the operator key and who
may claim namespaces. It is signed with the operator key that it names.

A log never forgets, so that a decision about something that must go has to be harmless itself: it
holds digests, codes from closed lists and one short case number, and no words about what it was.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .base import (
    Count,
    Digest,
    Document,
    Flag,
    NamespaceName,
    Origin,
    PublicKeyPem,
    Reference,
    Vkey,
    form,
    predicate_type,
)
from .namespace import Owner, refuse_doubles

__all__ = [
    "KIND",
    "PREDICATE_TYPE",
    "Action",
    "AllowList",
    "Allowed",
    "CaseNumber",
    "Genesis",
    "Jurisdiction",
    "Operator",
    "Predecessor",
    "Reassign",
    "ReassignReason",
    "Restore",
    "Takedown",
    "TakedownReason",
    "Target",
]

KIND: Final = "operator"
PREDICATE_TYPE: Final = predicate_type(KIND)

Jurisdiction = Annotated[
    str, form(r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$", "is not a country (ISO 3166, or EU), such as DE or US-CA")
]
CaseNumber = Annotated[
    str,
    StringConstraints(max_length=64),
    form(
        r"^[A-Za-z0-9][A-Za-z0-9 ./:#_-]*$",
        "is not a case number: letters, digits, spaces and ./:#_- only; a log never forgets, so no names",
    ),
]
Target = Literal["bundle", "attachment"]
TakedownReason = Literal[
    "illegal_content", "personal_data", "court_order", "copyright", "malware", "other_law"
]
ReassignReason = Literal["court_order", "lost_keys", "stolen_keys", "impersonation", "trademark", "abandoned"]


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


class Takedown(Document):
    """Bytes that this registry serves no longer; the entry, its leaf and every proof stay."""

    action: Literal["takedown"]
    """A takedown."""
    target: Target
    """What the digest is of: a logged bundle, or an attached file."""
    sha256: Digest
    """SHA-256 of the bytes that are withheld."""
    reason: TakedownReason
    """Why, from a closed list."""
    jurisdiction: Jurisdiction | None = None
    """Whose law asks for it."""
    reference: CaseNumber | None = None
    """Number of the case or notice; never a name, never a description."""
    effect: Digest | None
    """SHA-256 of the canonical JSON of the facts that a bundle's entry wrote; null for an attachment."""
    facts_withheld: Flag = False
    """True if those facts are withheld, too: then nobody without the bytes can replay past the entry."""

    @model_validator(mode="after")
    def _effective(self) -> Self:
        if (self.target == "bundle") != (self.effect is not None):
            raise ValueError("the takedown of a bundle has an effect, that of an attachment has none")
        if self.target == "attachment" and self.facts_withheld:
            raise ValueError("an attachment wrote no facts that could be withheld")
        return self


class Restore(Document):
    """The end of a takedown: these bytes are served again."""

    action: Literal["restore"]
    """The end of a takedown."""
    target: Target
    """What the digest is of."""
    sha256: Digest
    """SHA-256 of the bytes."""


class Reassign(Document):
    """A namespace given to other owners, in a new epoch that clients who knew the old ones refuse."""

    action: Literal["reassign"]
    """A namespace changes hands without its owners' signature."""
    namespace: NamespaceName
    """The namespace, as it is shown."""
    owners: Annotated[tuple[Owner, ...], Field(min_length=1, max_length=64)]
    """All owners from now on; without labels, since nothing could ever take those words back."""
    reason: ReassignReason
    """Why, from a closed list."""
    jurisdiction: Jurisdiction | None = None
    """Whose law asks for it."""
    reference: CaseNumber | None = None
    """Number of the case; never a name, never a description."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        refuse_doubles(self.owners)
        if any(owner.label is not None for owner in self.owners):
            raise ValueError("owners in a reassignment have no labels: it can never be taken down")
        return self


Action = Annotated[Genesis | AllowList | Takedown | Restore | Reassign, Field(discriminator="action")]
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
