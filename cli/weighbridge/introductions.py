# SPDX-License-Identifier: Apache-2.0
"""Making a key known to a registry: what goes before the first statement that it signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge import identities, keys, releases
from weighbridge.errors import InputError
from weighbridge.signing import CertificateSigner, KeySigner
from weighbridge.stamping import StampedSigner

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge.signing import StatementSigner

__all__ = ["introduction", "is_unknown_key", "owner_pem"]


def is_unknown_key(registry: RegistryClient, identity: identities.Identity) -> bool:
    """Tell whether a registry must be shown a signer's key before it can check what it signs."""
    if not isinstance(identity, identities.KeyIdentity):
        return False
    known = registry.signer(identities.signer_id(identity))
    return known is None or known.public_key is None


def introduction(signer: StatementSigner, *, origin: str, label: str | None = None) -> bytes:
    """Return the payload of signer/v1 for a signer's own key; raises `InputError` if it has none."""
    identity, pem = signer.identity, owner_pem(signer)
    if not isinstance(identity, identities.KeyIdentity) or pem is None:
        raise InputError("the signer does not say its public key, so nobody could check it")
    return releases.signer_introduction(pem, identity.spki_sha256, origin=origin, label=label)


def owner_pem(signer: StatementSigner) -> str | None:
    """Give the PEM that a namespace lists for a signer: a key's public key, a certificate's anchor."""
    if isinstance(signer, StampedSigner):
        return owner_pem(signer.signer)
    if isinstance(signer, KeySigner):
        return keys.public_pem(signer.public_key).decode("ascii")
    if isinstance(signer, CertificateSigner):
        return signer.anchor_pem.decode("ascii")
    return None
