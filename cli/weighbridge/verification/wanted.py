# SPDX-License-Identifier: Apache-2.0
"""Whom the person who verifies has named: step 4 compares with this and with nothing else.

A wanted signer comes from the command line or the caller, never from a bundle, a record or a
registry. Comparison is exact: no case folding, no patterns, no "close enough".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from weighbridge import certificates, keys
from weighbridge.errors import InputError
from weighbridge.identities import CertificateIdentity, Identity, KeyIdentity, SigstoreIdentity, describe

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as PublicKey
    from cryptography.x509 import Certificate

__all__ = ["Wanted", "WantedAnchors", "WantedKey", "WantedSigstore", "wanted_signer"]


@dataclass(frozen=True, slots=True)
class WantedKey:
    """Exactly this public key."""

    public_key: PublicKey

    def accepts(self, identity: Identity) -> bool:
        """Tell whether the signer is this key."""
        return identity == KeyIdentity(keys.spki_sha256(self.public_key))

    def describe(self) -> str:
        """Name the wanted signer in plain words."""
        return describe(KeyIdentity(keys.spki_sha256(self.public_key)))


@dataclass(frozen=True, slots=True)
class WantedAnchors:
    """Any certificate that chains to one of these anchors."""

    anchors: tuple[Certificate, ...]

    def accepts(self, identity: Identity) -> bool:
        """Tell whether the signer's certificate was found below one of the anchors."""
        return isinstance(identity, CertificateIdentity) and identity.anchor_sha256 in {
            certificates.anchor_sha256(anchor) for anchor in self.anchors
        }

    def describe(self) -> str:
        """Name the wanted signer in plain words."""
        names = ", ".join(anchor.subject.rfc4514_string() for anchor in self.anchors)
        return f"a certificate issued below {names}"


@dataclass(frozen=True, slots=True)
class WantedSigstore:
    """Exactly this identity, vouched for by exactly this issuer, in one of the trusted Sigstores."""

    subject: str
    issuer: str

    def accepts(self, identity: Identity) -> bool:
        """Tell whether the signer is this identity.

        Only identities of trusted Sigstores get here: authentication knows no others.
        """
        return (
            isinstance(identity, SigstoreIdentity)
            and identity.subject == self.subject
            and identity.issuer == self.issuer
        )

    def describe(self) -> str:
        """Name the wanted signer in plain words."""
        return f"{self.subject} (as {self.issuer} says)"


Wanted: TypeAlias = WantedKey | WantedAnchors | WantedSigstore


def wanted_signer(
    *,
    public_key: bytes | None = None,
    certificate_chain: Sequence[bytes] = (),
    identity: str | None = None,
    issuer: str | None = None,
) -> Wanted | None:
    """Read who is wanted; None if nobody was named.

    `public_key` and each of `certificate_chain` are PEM text; one PEM may hold several anchors.
    Raises `InputError` (exit 2) if two kinds of signer are named, for half of an identity, or for
    PEM text that is not what it should be.
    """
    if (identity is None) != (issuer is None):
        raise InputError(
            "An identity means nothing without the issuer that vouches for it.",
            hint="Give both --identity and --issuer.",
        )
    named = [bool(public_key), bool(certificate_chain), identity is not None]
    if sum(named) > 1:
        raise InputError(
            "More than one wanted signer was named.",
            hint="Give one of --public-key, --certificate-chain, or --identity with --issuer.",
        )
    if public_key:
        return WantedKey(keys.load_public_key(public_key))
    if certificate_chain:
        return WantedAnchors(_anchors(certificate_chain))
    if identity is not None and issuer is not None:
        if not identity or not issuer:
            raise InputError("--identity and --issuer must not be empty.")
        return WantedSigstore(identity, issuer)
    return None


def _anchors(pems: Sequence[bytes]) -> tuple[Certificate, ...]:
    return tuple(anchor for pem in pems for anchor in certificates.load_certificates(pem))
