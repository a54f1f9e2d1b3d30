# SPDX-License-Identifier: Apache-2.0
"""namespace/v1: who may publish under a namespace.

The first one claims it and is signed by one of its own owners; each later one is signed by an
owner of the one before and names it in `previous`. A namespace proves nothing about a real-life
name.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .base import (
    CertificatePem,
    Digest,
    Document,
    Line,
    Name,
    NamespaceName,
    Origin,
    PublicKeyPem,
    Reference,
    form,
    predicate_type,
)

__all__ = [
    "KIND",
    "PREDICATE_TYPE",
    "CertificateOwner",
    "CiOwner",
    "KeyOwner",
    "Namespace",
    "Owner",
    "SigstoreOwner",
    "refuse_doubles",
]

KIND: Final = "namespace"
PREDICATE_TYPE: Final = predicate_type(KIND)

IssuerUrl = Annotated[
    str,
    StringConstraints(max_length=512),
    form(r"^https?://[\u0021-\u007E]+$", "is not an address of an issuer"),
]
NumericId = Annotated[
    str,
    form(
        r"^[1-9][0-9]{0,19}$",
        "is not a number in decimal digits: the name of a repository or owner can change hands",
    ),
]
WorkflowPath = Annotated[
    str,
    StringConstraints(max_length=512),
    form(r"^[A-Za-z0-9._-][A-Za-z0-9._/-]*\.ya?ml$", "is not the path of a .yml or .yaml file"),
]
RefPattern = Annotated[
    str,
    StringConstraints(max_length=256),
    form(r"^refs/[A-Za-z0-9._/*+@-]+$", "is not a git ref that begins with refs/, with * and ** only"),
]


class KeyOwner(Document):
    """Whoever holds one private key."""

    type: Literal["key"]
    """One key."""
    public_key: PublicKeyPem
    """The public key, SubjectPublicKeyInfo PEM (P-256, P-384 or P-521)."""
    label: Line | None = None
    """What the owner calls it; shown, never compared."""


class CertificateOwner(Document):
    """Whoever holds a certificate with this subject below this anchor."""

    type: Literal["certificate"]
    """A certificate below an authority."""
    anchor: CertificatePem
    """The certificate of the authority that vouches for the subject."""
    subject: Line
    """Subject of the leaf certificate, RFC 4514 text; compared exactly."""
    label: Line | None = None
    """What the owner calls it; shown, never compared."""


class SigstoreOwner(Document):
    """Whoever can log in as exactly this identity."""

    type: Literal["sigstore"]
    """One online account."""
    trust_domain: Digest
    """SHA-256 of the Sigstore's root certificate (DER)."""
    issuer: IssuerUrl
    """OIDC issuer; compared exactly."""
    subject: Name
    """Subject alternative name (e-mail address or URI); compared exactly."""
    label: Line | None = None
    """What the owner calls it; shown, never compared."""


class CiOwner(Document):
    """A workflow of one source repository, by the numbers that survive a rename."""

    type: Literal["ci"]
    """One workflow of a repository."""
    trust_domain: Digest
    """SHA-256 of the Sigstore's root certificate (DER)."""
    issuer: IssuerUrl
    """OIDC issuer; compared exactly."""
    repository_id: NumericId
    """Source repository id (Fulcio OID 1.3.6.1.4.1.57264.1.15)."""
    owner_id: NumericId
    """Source repository owner id (Fulcio OID 1.3.6.1.4.1.57264.1.17)."""
    workflow_path: WorkflowPath
    """Path of the workflow file within the repository; compared exactly."""
    ref_pattern: RefPattern
    """Git ref, where `*` stands for any characters but `/`, `**` for any; no regex."""
    label: Line | None = None
    """What the owner calls it; shown, never compared."""


Owner = Annotated[KeyOwner | CertificateOwner | SigstoreOwner | CiOwner, Field(discriminator="type")]
"""One owner; any of them may sign for the namespace alone."""


class Namespace(Document):
    """Predicate of namespace/v1. Subject: the abstract digest of `namespace` and its folded name."""

    namespace: NamespaceName
    """The namespace as it is to be shown."""
    owners: Annotated[tuple[Owner, ...], Field(min_length=1, max_length=64)]
    """All owners from now on."""
    logs: Annotated[tuple[Origin, ...], Field(min_length=1, max_length=16)]
    """Origins of the logs that the signer means it for."""
    previous: Reference | None
    """The statement that it replaces: a namespace/v1, or the operator's reassignment; null for the claim."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.previous is not None and self.previous.kind not in (KIND, "operator"):
            raise ValueError("previous must refer to a namespace statement or to a reassignment")
        refuse_doubles(self.owners)
        return self


def refuse_doubles(owners: tuple[Owner, ...]) -> None:
    """Refuse a list that names an owner twice, whatever it is called; raises `ValueError`."""
    bare = [owner.model_copy(update={"label": None}) for owner in owners]
    if len(set(bare)) != len(bare):
        raise ValueError("an owner is listed twice")
