# SPDX-License-Identifier: Apache-2.0
"""Sign a statement, and a model.

A signer takes a payload and returns a whole bundle, so that publishing and signing don't care
whether a key, a certificate or an online account stands behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from weighbridge import bundles, dsse, keys
from weighbridge.errors import InputError
from weighbridge.identities import CertificateIdentity, Identity, KeyIdentity

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey as PrivateKey
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as PublicKey
    from cryptography.x509 import Certificate

__all__ = ["CertificateSigner", "KeySigner", "StatementSigner"]


@runtime_checkable
class StatementSigner(Protocol):
    """Whatever can sign statements.

    `identity` may be asked for before the first signature; a keyless signer logs in for it.
    """

    @property
    def identity(self) -> Identity:
        """Who signs."""
        ...

    def sign(self, payload: bytes) -> bytes:
        """Return the bundle JSON of an in-toto statement, signed."""
        ...


class KeySigner:
    """Signs with a bare elliptic curve key; the bundle carries the key's hint only."""

    def __init__(self, private_key: PrivateKey) -> None:
        self._key = private_key
        self.public_key: PublicKey = keys.require_supported(private_key.public_key())

    @property
    def identity(self) -> KeyIdentity:
        """The key's own identity."""
        return KeyIdentity(keys.spki_sha256(self.public_key))

    def sign(self, payload: bytes) -> bytes:
        """Return the bundle JSON of a payload, signed with the key."""
        signature = keys.sign(self._key, dsse.pae(dsse.IN_TOTO, payload))
        return bundles.encode_key_bundle(payload, signature, keys.hint(self.public_key))


class CertificateSigner:
    """Signs with a certificate's key; the bundle carries the certificate and its chain."""

    def __init__(
        self, private_key: PrivateKey, certificate: Certificate, chain: Sequence[Certificate] = ()
    ) -> None:
        """Take the key, its certificate, and the issuing certificates up to the anchor, in order.

        Raises `InputError` if the certificate is for another key or the chain's order is broken.
        """
        from cryptography.hazmat.primitives.serialization import Encoding

        public_key = keys.require_supported(private_key.public_key())
        if keys.public_der(keys.require_supported(certificate.public_key())) != keys.public_der(public_key):
            raise InputError("the certificate is for another key than the private key")
        issued = certificate
        for issuer in chain:
            _require_issuer(issued, issuer)
            issued = issuer
        self._key = private_key
        self._chain = [item.public_bytes(Encoding.DER) for item in (certificate, *chain)]
        self._subject = certificate.subject.rfc4514_string()

    @property
    def identity(self) -> CertificateIdentity:
        """The subject, below the last certificate of the chain."""
        import hashlib

        return CertificateIdentity(hashlib.sha256(self._chain[-1]).hexdigest(), self._subject)

    def sign(self, payload: bytes) -> bytes:
        """Return the bundle JSON of a payload, signed with the certificate's key."""
        signature = keys.sign(self._key, dsse.pae(dsse.IN_TOTO, payload))
        return bundles.encode_certificate_bundle(payload, signature, self._chain)


def _require_issuer(issued: Certificate, issuer: Certificate) -> None:
    from cryptography.exceptions import InvalidSignature

    try:
        issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise InputError(
            f"{issuer.subject.rfc4514_string()} has not issued {issued.subject.rfc4514_string()}",
            hint="give the chain in order: the issuer of the signing certificate first",
        ) from error
