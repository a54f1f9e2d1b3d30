# SPDX-License-Identifier: Apache-2.0
"""Step 4: signatures that do not hold, and signers that are not the wanted one."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.authorities import NOW, Authority, authority_extensions, key_usage
from weighbridge import bundles, dsse, keys
from weighbridge.canonical import encode
from weighbridge.signing import CertificateSigner

from .case import Case, bundle, honest, key, signed, write_model

__all__ = ["signer_cases"]

DAY = timedelta(days=1)
PURPOSES = ExtendedKeyUsageOID


def signer_cases() -> Iterator[Case]:
    """Yield every case of step 4."""
    yield from _key_cases()
    yield from _certificate_cases()


def _case(name: str, raw: bytes, words: str = "", **options: Any) -> Case:
    def build(folder: Path) -> None:
        write_model(folder, raw)

    return Case(f"signer-{name}", 4, words, build, options)


def _respelt(signature: bytes, payload: bytes | None = None) -> bytes:
    """Return the honest bundle with another signature, and perhaps another payload."""
    document = bundle()
    document["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    if payload is not None:
        document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    return json.dumps(document).encode()


def _key_cases() -> Iterator[Case]:
    payload, private = encode(honest()), key()
    good = keys.sign(private, dsse.pae(dsse.IN_TOTO, payload))
    yield _case("flipped-bit", _respelt(good[:-1] + bytes([good[-1] ^ 1])))
    yield _case("empty-der", _respelt(b"\x30\x00"))
    yield _case("no-der", _respelt(b"signature"))
    r, s = decode_dss_signature(good)
    yield _case("raw-r-and-s", _respelt(r.to_bytes(32) + s.to_bytes(32)))
    yield _case("changed-payload", _respelt(good, payload.replace(b'"m"', b'"n"')))
    yield _case("payload-signed-without-pae", _respelt(keys.sign(private, payload)))
    other_type = keys.sign(private, dsse.pae("text/plain", payload))
    yield _case("signed-as-another-type", _respelt(other_type))
    legacy = keys.sign(private, dsse.legacy_pae(dsse.IN_TOTO, payload))
    yield _case("an-old-mistake-under-a-new-statement", _respelt(legacy))
    yield _case("a-stranger", signed(honest(), by="stranger"), "Not signed by")
    document = json.loads(signed(honest(), by="stranger"))
    document["verificationMaterial"]["publicKey"]["hint"] = keys.hint(private.public_key())
    yield _case("a-stranger-with-the-wanted-hint", json.dumps(document).encode(), "Not signed by")
    yield _case("nobody-wanted", signed(honest()), "whom to trust", public_key=None)


def _chain(leaf: x509.Certificate, *authorities: Authority) -> bytes:
    signer = CertificateSigner(key("leaf"), leaf, [each.certificate for each in authorities])
    return signer.sign(encode(honest()))


def _certificate_cases() -> Iterator[Case]:
    root, public = Authority("Root"), key("leaf").public_key()
    wanted: dict[str, Any] = {"public_key": None, "certificate_chain": [root.pem], "now": NOW}
    signing = x509.ExtendedKeyUsage([PURPOSES.CODE_SIGNING])
    sign_usage = (key_usage(digital_signature=True), True)

    def leaf(**changes: Any) -> bytes:
        return _chain(root.issue("release", public, **changes), root)

    yield _case("expired", leaf(start=NOW - 9 * DAY, end=NOW - DAY), "not valid at", **wanted)
    yield _case("not-yet-valid", leaf(start=NOW + DAY, end=NOW + 9 * DAY), "not valid at", **wanted)
    yield _case("no-purpose", leaf(extensions=[]), "not for signing", **wanted)
    server = x509.ExtendedKeyUsage([PURPOSES.SERVER_AUTH])
    yield _case("a-web-server", leaf(extensions=[sign_usage, (server, False)]), "codeSigning", **wanted)
    agreement = (key_usage(key_agreement=True), True)
    yield _case("key-agreement-only", leaf(extensions=[agreement, (signing, False)]), "digitalSig", **wanted)
    stranger = Authority("Root")
    yield _case("an-authority-of-the-same-name", _chain(stranger.issue("r", public), stranger), "", **wanted)
    middle = Authority("Middle", issuer=root)
    yield _case("a-missing-intermediate", _lonely(middle.issue("r", public)), "", **wanted)
    no_ca = Authority("No CA", issuer=root, extensions=authority_extensions(ca=False))
    yield _case("issued-by-no-authority", _chain(no_ca.issue("r", public), no_ca, root), "", **wanted)
    short = Authority("Short", issuer=root, extensions=authority_extensions(path_length=0))
    below = Authority("Below", issuer=short)
    yield _case("path-too-long", _chain(below.issue("r", public), below, short, root), "", **wanted)
    old = Authority("Old", issuer=root, start=NOW - 99 * DAY, end=NOW - DAY)
    yield _case("an-expired-intermediate", _chain(old.issue("r", public), old, root), "", **wanted)
    mallory = key("mallory")
    payload = encode(honest())
    forged = keys.sign(mallory, dsse.pae(dsse.IN_TOTO, payload))
    der = [
        each.public_bytes(serialization.Encoding.DER)
        for each in (root.issue("release", public), root.certificate)
    ]
    raw = bundles.encode_certificate_bundle(payload, forged, der)
    yield _case("another-key-than-the-certificate-s", raw, "does not hold", **wanted)
    yield _case("no-certificate", bundles.encode_certificate_bundle(payload, forged, [b"x"]), "", **wanted)


def _lonely(leaf: x509.Certificate) -> bytes:
    return CertificateSigner(key("leaf"), leaf).sign(encode(honest()))
