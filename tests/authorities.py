# SPDX-License-Identifier: Apache-2.0
"""Certificate authorities for tests: made in memory, as good or as wrong as a test wants them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["NOW", "Authority", "Extensions", "authority_extensions", "key_usage", "signer_extensions"]

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
"""The time at which certificates made here are valid unless a test says otherwise."""

Extensions = Sequence[tuple[x509.ExtensionType, bool]]


class Authority:
    """A root or intermediate authority that issues certificates."""

    def __init__(
        self,
        name: str,
        *,
        issuer: Authority | None = None,
        extensions: Extensions | None = None,
        start: datetime = NOW - timedelta(days=365),
        end: datetime = NOW + timedelta(days=365),
    ) -> None:
        """Make a self-signed root, or an intermediate if there is an `issuer`."""
        self.key = ec.generate_private_key(ec.SECP384R1())
        chosen = authority_extensions() if extensions is None else extensions
        signer = issuer or self
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = _certificate(
            self.name, self.key.public_key(), signer.name, signer.key, chosen, start, end
        )

    @property
    def pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        """The certificate as DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def sha256(self) -> str:
        """Bare hex SHA-256 of the DER certificate."""
        return hashlib.sha256(self.der).hexdigest()

    def issue(
        self,
        name: str,
        public_key: ec.EllipticCurvePublicKey,
        *,
        extensions: Extensions | None = None,
        start: datetime = NOW - timedelta(days=30),
        end: datetime = NOW + timedelta(days=30),
    ) -> x509.Certificate:
        """Issue a signing certificate."""
        chosen = signer_extensions() if extensions is None else extensions
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return _certificate(subject, public_key, self.name, self.key, chosen, start, end)


def authority_extensions(*, ca: bool = True, path_length: int | None = None) -> Extensions:
    """Extensions of an authority."""
    return [
        (x509.BasicConstraints(ca=ca, path_length=path_length if ca else None), True),
        (key_usage(key_cert_sign=True, crl_sign=True), True),
    ]


def signer_extensions() -> Extensions:
    """Extensions of a certificate for signing."""
    return [
        (key_usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False),
    ]


def key_usage(
    *,
    digital_signature: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
    key_agreement: bool = False,
) -> x509.KeyUsage:
    """Return a key usage with the given bits."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=key_agreement,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _certificate(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    extensions: Extensions,
    start: datetime,
    end: datetime,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, hashes.SHA256())
