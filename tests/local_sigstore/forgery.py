# SPDX-License-Identifier: Apache-2.0
"""What one needs to play a log that errs or lies, with the local Sigstore's own Rekor key in hand.

Also the honest things that the mock doesn't do: trees of more than one entry, and Rekor v2, which
gives no promise of a time, so that a time-stamp authority must.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests import programs
from tests.authorities import Authority, key_usage
from tests.local_sigstore import LocalSigstore
from weighbridge import bundles, canonical, dsse, tlog
from weighbridge.bundles import Bundle, InclusionProof, LogEntry, SigstoreMaterial

__all__ = [
    "TimeStamper",
    "dsse_v2",
    "entry_of",
    "hashedrekord",
    "in_tree",
    "json_body",
    "rewrap",
    "sign_time",
]

_ORIGIN = "rekor.local"


def entry_of(bundle: Bundle) -> LogEntry:
    """Return a keyless bundle's log entry."""
    assert isinstance(bundle.material, SigstoreMaterial)
    return bundle.material.entry


def rewrap(
    bundle: Bundle, *, strict: bool = True, timestamps: Sequence[bytes] = (), **changes: Any
) -> Bundle:
    """Return the bundle with parts of its log entry (or `certificate`, `payload`, `signature`) replaced."""
    assert isinstance(bundle.material, SigstoreMaterial)
    payload = changes.pop("payload", bundle.payload)
    signature = changes.pop("signature", bundle.signature)
    certificate = changes.pop("certificate", bundle.material.certificate)
    material = SigstoreMaterial(certificate, replace(bundle.material.entry, **changes))
    raw = bundles.encode_bundle(payload, signature, material, timestamps=timestamps)
    return bundles.parse_bundle(raw, strict=strict)


def _checkpoint(sigstore: LocalSigstore, size: int, root: bytes) -> str:
    """Return a checkpoint that Rekor signed; ECDSA, as Rekor v1 does."""
    text = f"{_ORIGIN}\n{size}\n{base64.b64encode(root).decode()}\n"
    blob = sigstore.rekor_log_id[:4] + _sign(sigstore, text.encode())
    return f"{text}\n\N{EM DASH} {_ORIGIN} {base64.b64encode(blob).decode()}\n"


def in_tree(sigstore: LocalSigstore, body: bytes, index: int, size: int) -> InclusionProof:
    """Return the proof that a body is entry `index` of a log of `size`, whose others are made up."""
    leaves = [body if number == index else f"entry {number}".encode() for number in range(size)]
    nodes = [tlog.leaf_hash(leaf) for leaf in leaves]
    root = tlog.root_hash(nodes)
    proof = tlog.inclusion_proof(index, size, tlog.hashes_of(nodes))
    return InclusionProof(index, size, root, tuple(proof), _checkpoint(sigstore, size, root))


def sign_time(sigstore: LocalSigstore, entry: LogEntry, seconds: int) -> LogEntry:
    """Return the entry with Rekor's own promise for another time."""
    promise = {
        "body": base64.b64encode(entry.body).decode(),
        "integratedTime": seconds,
        "logID": entry.log_id.hex(),
        "logIndex": entry.log_index,
    }
    return replace(entry, integrated_time=seconds, promise=_sign(sigstore, canonical.encode(promise)))


def hashedrekord(bundle: Bundle) -> bytes:
    """Return the body that Rekor v2 logs for a DSSE bundle: a digest of the PAE, no envelope."""
    assert isinstance(bundle.material, SigstoreMaterial)
    digest = hashlib.sha256(dsse.pae(bundle.payload_type, bundle.payload)).digest()
    certificate = {"rawBytes": base64.b64encode(bundle.material.certificate).decode()}
    verifier = {"keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": certificate}
    signature = {"content": base64.b64encode(bundle.signature).decode(), "verifier": verifier}
    data = {"algorithm": "SHA2_256", "digest": base64.b64encode(digest).decode()}
    spec = {"hashedRekordV002": {"data": data, "signature": signature}}
    return canonical.encode({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": spec})


def dsse_v2(bundle: Bundle) -> dict[str, Any]:
    """Return the body that the first Rekor v2 logged for a DSSE bundle; encode it with `json_body`."""
    assert isinstance(bundle.material, SigstoreMaterial)
    certificate = {"rawBytes": base64.b64encode(bundle.material.certificate).decode()}
    verifier = {"keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": certificate}
    payload = base64.b64encode(hashlib.sha256(bundle.payload).digest()).decode()
    logged = {
        "payloadHash": {"algorithm": "SHA2_256", "digest": payload},
        "signatures": [{"content": base64.b64encode(bundle.signature).decode(), "verifier": verifier}],
    }
    return {"apiVersion": "0.0.2", "kind": "dsse", "spec": {"dsseV002": logged}}


def json_body(document: Any) -> bytes:
    """Encode a body as Rekor does (RFC 8785; all names and values here are ASCII)."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True)
class TimeStamper:
    """An RFC 3161 time-stamp authority: `openssl ts` with a certificate of its own."""

    folder: Path
    root: Authority
    certificate: x509.Certificate

    @classmethod
    def make(cls, folder: Path, *, purpose: x509.ObjectIdentifier | None = None) -> TimeStamper:
        """Make keys, certificates and configuration in a folder; another `purpose` makes a false stamper."""
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        root = Authority("Local Time", start=now - timedelta(days=1), end=now + timedelta(days=1))
        key = ec.generate_private_key(ec.SECP256R1())
        eku = x509.ExtendedKeyUsage([purpose or ExtendedKeyUsageOID.TIME_STAMPING])
        certificate = root.issue(
            "Local Time Stamps",
            key.public_key(),
            extensions=[(key_usage(digital_signature=True), True), (eku, True)],
            start=now - timedelta(days=1),
            end=now + timedelta(days=1),
        )
        pem = serialization.Encoding.PEM
        (folder / "tsa.pem").write_bytes(certificate.public_bytes(pem))
        (folder / "tsa.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        (folder / "serial").write_text("01\n")
        (folder / "ts.cnf").write_text(
            "[tsa]\ndefault_tsa = local\n[local]\nserial = serial\ncrypto_device = builtin\n"
            "signer_cert = tsa.pem\nsigner_key = tsa.key\nsigner_digest = sha256\n"
            "default_policy = 1.2.3.4.1\ndigests = sha256, sha1, sha512\nordering = yes\n"
            "tsa_name = no\ness_cert_id_chain = no\n"
        )
        return cls(folder, root, certificate)

    def stamp(self, message: bytes, *, algorithm: str = "sha256", certificate: bool = True) -> bytes:
        """Return the DER response of a stamp over a message, made now."""
        (self.folder / "message").write_bytes(message)
        more = ["-cert"] if certificate else []
        self._openssl("-query", "-data", "message", f"-{algorithm}", *more, "-out", "query")
        return self.reply((self.folder / "query").read_bytes())

    def reply(self, query: bytes) -> bytes:
        """Answer a DER request, as an authority does over HTTP."""
        (self.folder / "query").write_bytes(query)
        self._openssl(
            "-reply", "-config", "ts.cnf", "-section", "local", "-queryfile", "query", "-out", "reply"
        )
        return (self.folder / "reply").read_bytes()

    def trusted(self, sigstore: LocalSigstore) -> bytes:
        """Return the local Sigstore's trust configuration with this authority in it."""
        document = sigstore.trust_document()
        chain = [self.certificate.public_bytes(serialization.Encoding.DER), self.root.der]
        document["trustedRoot"]["timestampAuthorities"] = [
            {
                "subject": {"commonName": "Local Time", "organization": "local"},
                "uri": sigstore.url,
                "certChain": {
                    "certificates": [{"rawBytes": base64.b64encode(item).decode()} for item in chain]
                },
                "validFor": {"start": "2020-01-01T00:00:00Z"},
            }
        ]
        return json.dumps(document).encode()

    def _openssl(self, *arguments: str) -> None:
        command = [str(programs.find("openssl")), "ts", *arguments]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=30)


def _sign(sigstore: LocalSigstore, message: bytes) -> bytes:
    key = serialization.load_pem_private_key(sigstore.rekor_private_key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.sign(message, ec.ECDSA(hashes.SHA256()))
