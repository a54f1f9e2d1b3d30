# SPDX-License-Identifier: Apache-2.0
"""X.509: chains from a signing certificate to an anchor that the verifier gave.

Path building and RFC 5280 checks are cryptography's; what a *signing* certificate must be is said
here: digitalSignature, and code signing where it is limited to purposes. Bytes and a time in, no I/O.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from weighbridge import keys
from weighbridge.errors import InputError, SignerError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as PublicKey
    from cryptography.x509 import BasicConstraints, Certificate, KeyUsage
    from cryptography.x509.verification import ExtensionPolicy, Policy

__all__ = [
    "Path",
    "anchor_sha256",
    "load_certificate",
    "load_certificates",
    "require_signing_use",
    "signing_key",
    "verify_path",
]

_MAX_PEM_BYTES = 1024 * 1024
_MAX_DEPTH = 7


@dataclass(frozen=True, slots=True)
class Path:
    """A verified chain: the signer's certificate first, the trusted anchor last."""

    chain: tuple[Certificate, ...]

    @property
    def leaf(self) -> Certificate:
        """The signer's certificate."""
        return self.chain[0]

    @property
    def anchor(self) -> Certificate:
        """The trusted certificate at the end."""
        return self.chain[-1]


def load_certificates(pem: bytes) -> tuple[Certificate, ...]:
    """Return all certificates of PEM text, in order; raises `InputError` if there is none."""
    from cryptography.x509 import load_pem_x509_certificates

    if len(pem) > _MAX_PEM_BYTES:
        raise InputError(f"a certificate file of {len(pem)} bytes: at most {_MAX_PEM_BYTES} are read")
    try:
        return tuple(load_pem_x509_certificates(pem))
    except ValueError as error:
        raise InputError("this holds no certificate in PEM form") from error


def load_certificate(der: bytes) -> Certificate:
    """Return the certificate of DER bytes out of a bundle; raises `SignerError`.

    cryptography reads names and extensions only when they are asked for: all are asked for here, so
    that a malformed one is found in this place and not later.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import (
        DuplicateExtension,
        InvalidVersion,
        UnsupportedGeneralNameType,
        load_der_x509_certificate,
    )

    try:
        certificate = load_der_x509_certificate(der)
        for name in (certificate.subject, certificate.issuer):
            name.rfc4514_string()
        _ = certificate.extensions, certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except (
        ValueError,
        TypeError,
        InvalidVersion,
        DuplicateExtension,
        UnsupportedGeneralNameType,
        UnsupportedAlgorithm,
    ) as error:
        raise SignerError("a certificate in the bundle can't be read") from error
    return certificate


def anchor_sha256(certificate: Certificate) -> str:
    """Return the bare hex SHA-256 of a certificate's DER bytes."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def verify_path(chain: Sequence[Certificate], anchors: Sequence[Certificate], time: datetime) -> Path:
    """Find a chain from the first certificate through the others to an anchor, valid at `time`.

    Checks validity periods of every certificate, signatures, CA flags, path lengths, name
    constraints, unknown critical extensions (RFC 5280 section 6), and that the first may sign.
    Raises `SignerError`; the last certificate's subject and period are in the evidence.
    """
    from cryptography.x509 import UnsupportedGeneralNameType
    from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

    leaf, *intermediates = chain
    evidence = {
        "subject": leaf.subject.rfc4514_string(),
        "issuer": leaf.issuer.rfc4514_string(),
        "not_before": leaf.not_valid_before_utc.isoformat(),
        "not_after": leaf.not_valid_after_utc.isoformat(),
        "time": time.isoformat(),
    }
    if not leaf.not_valid_before_utc <= time <= leaf.not_valid_after_utc:
        raise SignerError(
            f"the signer's certificate was not valid at {time:%Y-%m-%d %H:%M:%S} UTC: it is for "
            f"{leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}",
            hint="a signature made in time needs evidence of it: a time stamp or a witnessed log entry",
            evidence=evidence,
        )
    ca_policy, leaf_policy = _policies()
    verifier = (
        PolicyBuilder()
        .store(Store(list(anchors)))
        .time(time)
        .max_chain_depth(_MAX_DEPTH)
        .extension_policies(ca_policy=ca_policy, ee_policy=leaf_policy)
        .build_client_verifier()
    )
    try:
        found = verifier.verify(leaf, intermediates).chain
    except (VerificationError, UnsupportedGeneralNameType, ValueError) as error:
        raise SignerError(
            "the signer's certificate does not lead to a certificate that you trust: "
            + str(error).split(" (encountered")[0].removeprefix("validation failed: "),
            hint="check that you gave the root certificate of the authority that issued it",
            evidence=evidence,
        ) from error
    require_signing_use(leaf)
    return Path(tuple(found))


def signing_key(certificate: Certificate) -> PublicKey:
    """Return the certificate's key if OMS knows its kind; raises `SignerError`."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return keys.require_supported(certificate.public_key())
    except (InputError, ValueError, UnsupportedAlgorithm) as error:
        raise SignerError("the signer's certificate has a key of a kind that OMS does not know") from error


def _policies() -> tuple[ExtensionPolicy, ExtensionPolicy]:
    """Return what is asked of issuers' and of signers' extensions beyond cryptography's own checks."""
    from cryptography import x509
    from cryptography.x509.verification import Criticality, ExtensionPolicy

    def is_ca(_policy: Policy, _certificate: Certificate, value: BasicConstraints) -> None:
        if not value.ca:
            raise ValueError("the issuer is not a certificate authority")

    def may_issue(_policy: Policy, _certificate: Certificate, value: KeyUsage | None) -> None:
        if value is not None and not value.key_cert_sign:
            raise ValueError("the issuer's key may not sign certificates")

    issuers = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, is_ca)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, may_issue)
    )
    return issuers, ExtensionPolicy.permit_all()


def require_signing_use(leaf: Certificate) -> None:
    """Refuse a certificate that was issued for something else (RFC 5280 sections 4.2.1.3, 4.2.1.12).

    Raises `SignerError`.
    """
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    usage = purposes = None
    for extension in leaf.extensions:
        if isinstance(extension.value, x509.KeyUsage):
            usage = extension.value
        elif isinstance(extension.value, x509.ExtendedKeyUsage):
            purposes = set(extension.value)
    signing = {ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if usage is not None and not usage.digital_signature:
        problem = "its key usage has no digitalSignature"
    elif purposes is not None and not purposes & signing:
        problem = "its extended key usage has no codeSigning"
    elif usage is None and purposes is None:
        problem = "it has neither key usage nor extended key usage"
    else:
        return
    raise SignerError(
        f"the signer's certificate is not for signing: {problem}",
        hint="sign with a certificate that was issued for code signing",
        evidence={"subject": leaf.subject.rfc4514_string()},
    )
