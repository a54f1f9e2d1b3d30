# SPDX-License-Identifier: Apache-2.0
"""Test vectors of bundles: what a lenient reader, admission and step 4 make of each.

Made from fixed keys, fixed dates and RFC 6979 signatures, so that each run gives the same bytes. The
private keys are small numbers: they sign nothing but these vectors. Keyless bundles are not here,
because their signatures come from services; tests/library/test_sigstore_trust.py has them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from weighbridge import bundles, canonical, dsse, identities, keys
from weighbridge.authentication import authenticate
from weighbridge.errors import RefusedError

__all__ = ["document"]

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PAYLOAD = canonical.encode(
    {
        "_type": "https://in-toto.io/Statement/v1",
        "predicate": {},
        "predicateType": "https://example.org/vector",
        "subject": [{"digest": {"sha256": "0" * 64}, "name": "example"}],
    }
)
KEY = ec.derive_private_key(1001, ec.SECP256R1())
OTHER = ec.derive_private_key(1002, ec.SECP256R1())
ROOT_KEY = ec.derive_private_key(1003, ec.SECP256R1())
Document = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One bundle, and what it is checked with."""

    name: str
    why: str
    bundle: bytes
    keys: Sequence[ec.EllipticCurvePublicKey] = ()
    anchors: Sequence[x509.Certificate] = ()


def document() -> Document:
    """Return the vectors file's document; every expectation in it has just been tried."""
    return {"now": NOW.isoformat().replace("+00:00", "Z"), "cases": [_tried(case) for case in _cases()]}


def _tried(case: Case) -> Document:
    pem = serialization.Encoding.PEM
    tried: Document = {"name": case.name, "why": case.why, "bundle": case.bundle.decode()}
    if case.keys:
        tried["keys"] = [keys.public_pem(key).decode() for key in case.keys]
    if case.anchors:
        tried["anchors"] = [anchor.public_bytes(pem).decode() for anchor in case.anchors]
    for mode in ("lenient", "admission"):
        try:
            bundle = bundles.parse_bundle(case.bundle, strict=mode == "admission")
            proved = authenticate(bundle, keys=case.keys, anchors=case.anchors, now=NOW)
        except RefusedError as error:
            tried[mode] = {"refused_at_step": error.step}
        else:
            tried[mode] = {
                "signer": json.loads(identities.canonical(proved.identity)),
                "signer_id": identities.signer_id(proved.identity),
                "statement_digest": f"sha256:{proved.statement_digest}",
            }
    return tried


def _cases() -> Iterator[Case]:
    for curve, key in (
        ("P-256", KEY),
        ("P-384", ec.derive_private_key(1004, ec.SECP384R1())),
        ("P-521", ec.derive_private_key(1005, ec.SECP521R1())),
    ):
        yield Case(curve, f"signed with a key on {curve}", _signed(key), [key.public_key()])
    yield from _certificate_cases()
    public = [KEY.public_key()]
    yield Case("wrong-key", "checked with another key", _signed(KEY), [OTHER.public_key()])
    forged = bundles.encode_key_bundle(PAYLOAD, _signature(OTHER), keys.hint(KEY.public_key()))
    yield Case("stolen-hint", "another key's signature under this key's hint", forged, public)
    for name, why, change in CHANGES:
        value = json.loads(_signed(KEY))
        change(value)
        yield Case(name, why, json.dumps(value, separators=(",", ":")).encode(), public)
    for name, why, old, new in REPLACEMENTS:
        yield Case(name, why, _signed(KEY).replace(old, new, 1), public)


def _certificate_cases() -> Iterator[Case]:
    root = _certificate("Vector Root", ROOT_KEY.public_key(), "Vector Root", 1, authority=True)
    stranger = _certificate("Stranger", OTHER.public_key(), "Vector Root", 4, authority=True)
    leaf = _certificate("release", KEY.public_key(), "Vector Root", 2)
    expired = _certificate("release", KEY.public_key(), "Vector Root", 3, end=NOW - DAY)
    server = _certificate("server", KEY.public_key(), "Vector Root", 5, use=ExtendedKeyUsageOID.SERVER_AUTH)
    for name, why, chain in (
        ("certificate", "signed with a certificate below the anchor", [leaf]),
        ("certificate-and-root", "the root may be in the bundle", [leaf, root]),
        ("expired-certificate", "no evidence of time", [expired]),
        ("server-certificate", "its extended key usage has no codeSigning", [server]),
        ("stowaway-certificate", "a certificate that is no part of the chain", [leaf, stranger]),
    ):
        der = [item.public_bytes(serialization.Encoding.DER) for item in chain]
        yield Case(name, why, bundles.encode_certificate_bundle(PAYLOAD, _signature(KEY), der), (), [root])


def _envelope(value: Document) -> Document:
    inner: Document = value["dsseEnvelope"]
    return inner


def _hint(value: Document) -> Document:
    inner: Document = value["verificationMaterial"]["publicKey"]
    return inner


def _payload(text: bytes) -> str:
    return base64.b64encode(text).decode()


CHANGES: list[tuple[str, str, Callable[[Document], object]]] = [
    ("changed-statement", "one byte", lambda v: _envelope(v).update(payload=_payload(PAYLOAD + b" "))),
    ("keyid-null", "an empty keyid", lambda v: _envelope(v)["signatures"][0].update(keyid=None)),
    ("keyid-text", "text nobody signed", lambda v: _envelope(v)["signatures"][0].update(keyid="hi")),
    ("two-signatures", "who says it", lambda v: _envelope(v)["signatures"].append({"sig": "AA=="})),
    ("no-signature", "nobody says it", lambda v: _envelope(v).update(signatures=[])),
    ("payload-type", "another type", lambda v: _envelope(v).update(payloadType="text/plain")),
    ("unpadded", "base64", lambda v: _envelope(v).update(payload=_payload(PAYLOAD).rstrip("="))),
    ("unknown-member", "text nobody signed", lambda v: v.update(note="hi")),
    ("unknown-member-inside", "text nobody signed", lambda v: _hint(v).update(note="hi")),
    ("null-member", "messageSignature is null", lambda v: v.update(messageSignature=None)),
    ("hint-text", "no SHA-256", lambda v: _hint(v).update(hint="my key")),
    ("log-entry", "beside a key", lambda v: v["verificationMaterial"].update(tlogEntries=[{}])),
    ("media-type", "version 0.1", lambda v: v.update(mediaType=_OLD_MEDIA_TYPE)),
]
_OLD_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle+json;version=0.1"
REPLACEMENTS = [
    ("duplicate-member", "keyid twice", b'"keyid":""', b'"keyid":"","keyid":""'),
    ("nan", "no JSON", b'"tlogEntries":[]', b'"tlogEntries":NaN'),
    ("padded", "white space", b"{", b"{" + b" " * 5000),
    ("trailing", "two documents", b'""}]}}', b'""}]}}{}'),
]


def _signed(key: ec.EllipticCurvePrivateKey) -> bytes:
    return bundles.encode_key_bundle(PAYLOAD, _signature(key), keys.hint(key.public_key()))


def _signature(key: ec.EllipticCurvePrivateKey) -> bytes:
    algorithm = keys.hash_of(key.public_key())
    return key.sign(dsse.pae(dsse.IN_TOTO, PAYLOAD), ec.ECDSA(algorithm, deterministic_signing=True))


def _certificate(
    name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: str,
    serial: int,
    *,
    authority: bool = False,
    end: datetime = NOW + DAY,
    use: x509.ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
) -> x509.Certificate:
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    signing = x509.KeyUsage(
        digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, **usage
    )
    builder = (
        x509.CertificateBuilder(_name(issuer), _name(name), key, serial, NOW - 10 * DAY, end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(signing, critical=True)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    return builder.sign(ROOT_KEY, hashes.SHA256(), ecdsa_deterministic=True)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
