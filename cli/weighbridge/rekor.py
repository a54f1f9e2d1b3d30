# SPDX-License-Identifier: Apache-2.0
"""What Rekor logs of an envelope, where sigstore-python does not compare it: `dsse` 0.0.2.

The first Rekor v2 servers had this kind, and sigstore-python 4.0 to 4.4, model-signing over it, and others
wrote it; since then Rekor v2 has `hashedrekord` only, and sigstore-python 4.5 knows no other. The signatures
stay good. Bytes in, no I/O.

Source: sigstore/rekor-tiles, api/proto/rekor/v2/dsse.proto and pkg/types/dsse/dsse.go: SHA-256 of the payload
whatever the key, then each signature with who made it; RFC 8785.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Final

from weighbridge import canonical, certificates, dsse, keys
from weighbridge.errors import SignerError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from weighbridge.bundles import Bundle

__all__ = ["DSSE_V2", "check_dsse_v2", "dsse_v2_body"]

DSSE_V2: Final = ("dsse", "0.0.2")
"""Kind and version of these entries."""

_KEY_DETAILS: Final = {
    "secp256r1": "PKIX_ECDSA_P256_SHA_256",
    "secp384r1": "PKIX_ECDSA_P384_SHA_384",
    "secp521r1": "PKIX_ECDSA_P521_SHA_512",
}
"""Sigstore's algorithm registry, by the curve of a key that OMS knows."""


def check_dsse_v2(bundle: Bundle, certificate: Certificate, body: bytes) -> None:
    """Check that the signer's certificate signed the envelope, and that the entry is of exactly this.

    Payload, signature, certificate and algorithm are all bound: the body that Rekor makes of them is made
    here, and must be these very bytes. Raises `SignerError` (step 4).
    """
    key = certificates.signing_key(certificate)
    if not keys.verify(key, bundle.signature, dsse.pae(bundle.payload_type, bundle.payload)):
        raise SignerError(
            "the signature does not hold: the statement was changed after signing",
            hint="do not use it; get it again from its publisher",
        )
    if body != dsse_v2_body(bundle.payload, bundle.signature, certificate):
        raise SignerError(
            "the log entry is of another statement, signature or signer than the bundle's",
            hint="do not use it; get it again from its publisher",
            evidence={"body_sha256": hashlib.sha256(body).hexdigest()},
        )


def dsse_v2_body(payload: bytes, signature: bytes, certificate: Certificate) -> bytes:
    """Return the canonical body that Rekor logs for an envelope with one signature by a certificate's key."""
    from cryptography.hazmat.primitives.serialization import Encoding

    verifier = {
        "keyDetails": _KEY_DETAILS[certificates.signing_key(certificate).curve.name],
        "x509Certificate": {"rawBytes": _base64(certificate.public_bytes(Encoding.DER))},
    }
    logged = {
        "payloadHash": {"algorithm": "SHA2_256", "digest": _base64(hashlib.sha256(payload).digest())},
        "signatures": [{"content": _base64(signature), "verifier": verifier}],
    }
    kind, version = DSSE_V2
    return canonical.encode({"apiVersion": version, "kind": kind, "spec": {"dsseV002": logged}})


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
