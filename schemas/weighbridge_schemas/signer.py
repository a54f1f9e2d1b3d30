# SPDX-License-Identifier: Apache-2.0
"""signer/v1: introduces a public key, so that bundles that carry only its hint can be checked.

Self-signed: the key inside signs the statement. It says that somebody holds the key, not who.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from .base import Document, Hex256, Line, Origin, PublicKeyPem, Reference, pem_der, predicate_type

__all__ = ["KIND", "PREDICATE_TYPE", "SignerIntroduction"]

KIND: Final = "signer"
PREDICATE_TYPE: Final = predicate_type(KIND)


class SignerIntroduction(Document):
    """Predicate of signer/v1. Subject: the abstract digest of `signer` and `spki_sha256`."""

    public_key: PublicKeyPem
    """The public key, SubjectPublicKeyInfo PEM (P-256, P-384 or P-521)."""
    spki_sha256: Hex256
    """SHA-256 of the key's DER SubjectPublicKeyInfo."""
    label: Line | None = None
    """What the holder calls it; a claim, shown as one."""
    logs: Annotated[tuple[Origin, ...], Field(min_length=1, max_length=16)]
    """Origins of the logs that the signer means it for."""
    previous: Reference | None
    """The signer/v1 statement of the same key that it replaces; null for the first."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.previous is not None and self.previous.kind != KIND:
            raise ValueError("previous must refer to a signer statement")
        if hashlib.sha256(pem_der(self.public_key)).hexdigest() != self.spki_sha256:
            raise ValueError("spki_sha256 is not the digest of public_key")
        return self
