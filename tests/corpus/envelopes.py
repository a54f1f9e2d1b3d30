# SPDX-License-Identifier: Apache-2.0
"""Step 3: what is no bundle, or one that could mean two things."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .case import Case, bundle, write_model

__all__ = ["envelope_cases"]

Change = Callable[[dict[str, Any]], object]


def _material(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["verificationMaterial"]
    return found


def _envelope(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["dsseEnvelope"]
    return found


def _signature(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["dsseEnvelope"]["signatures"][0]
    return found


_CHANGES: dict[str, tuple[str, Change]] = {
    "no-media-type": ("mediaType", lambda d: d.pop("mediaType")),
    "media-type-number": ("mediaType", lambda d: d.update(mediaType=3)),
    "media-type-other": ("mediaType", lambda d: d.update(mediaType="application/json")),
    "media-type-v01": (
        "mediaType",
        lambda d: d.update(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.1"),
    ),
    "no-material": ("verificationMaterial", lambda d: d.pop("verificationMaterial")),
    "material-list": ("verificationMaterial", lambda d: d.update(verificationMaterial=[])),
    "material-empty": ("publicKey", lambda d: d.update(verificationMaterial={})),
    "two-materials": (
        "publicKey",
        lambda d: _material(d).update(x509CertificateChain={"certificates": [{"rawBytes": "AAAA"}]}),
    ),
    "material-unknown-member": ("don't have here", lambda d: _material(d).update(comment="trust me")),
    "hint-upper-case": ("hint", lambda d: _material(d)["publicKey"].update(hint="A" * 64)),
    "hint-short": ("hint", lambda d: _material(d)["publicKey"].update(hint="ab")),
    "hint-number": ("hint", lambda d: _material(d)["publicKey"].update(hint=7)),
    "hint-missing": ("hint", lambda d: _material(d)["publicKey"].pop("hint")),
    "key-unknown-member": (
        "don't have here",
        lambda d: _material(d)["publicKey"].update(url="https://evil.example"),
    ),
    "tlog-beside-a-key": ("tlogEntries", lambda d: _material(d).update(tlogEntries=[{"logIndex": "1"}])),
    "chain-empty": (
        "certificates",
        lambda d: d.update(verificationMaterial={"x509CertificateChain": {"certificates": []}}),
    ),
    "chain-too-long": (
        "certificates",
        lambda d: d.update(
            verificationMaterial={"x509CertificateChain": {"certificates": [{"rawBytes": "AAAA"}] * 9}}
        ),
    ),
    "chain-not-base64": (
        "base64",
        lambda d: d.update(
            verificationMaterial={"x509CertificateChain": {"certificates": [{"rawBytes": "*"}]}}
        ),
    ),
    "keyless-without-a-log-entry": (
        "tlogEntries",
        lambda d: d.update(verificationMaterial={"certificate": {"rawBytes": "AAAA"}, "tlogEntries": []}),
    ),
    "too-many-stamps": (
        "rfc3161Timestamps",
        lambda d: _material(d).update(
            timestampVerificationData={"rfc3161Timestamps": [{"signedTimestamp": "AAAA"}] * 9}
        ),
    ),
    "stamp-not-base64": (
        "base64",
        lambda d: _material(d).update(
            timestampVerificationData={"rfc3161Timestamps": [{"signedTimestamp": "%"}]}
        ),
    ),
    "no-envelope": ("dsseEnvelope", lambda d: d.pop("dsseEnvelope")),
    "a-file-signature": (
        "signs a file",
        lambda d: (d.pop("dsseEnvelope"), d.update(messageSignature={"signature": "AAAA"})),
    ),
    "envelope-text": ("dsseEnvelope", lambda d: d.update(dsseEnvelope="AAAA")),
    "envelope-unknown-member": ("don't have here", lambda d: _envelope(d).update(note="x")),
    "payload-type-other": ("payloadType", lambda d: _envelope(d).update(payloadType="text/plain")),
    "payload-not-base64": ("base64", lambda d: _envelope(d).update(payload="{}")),
    "payload-empty": ("payload", lambda d: _envelope(d).update(payload="")),
    "payload-missing": ("payload", lambda d: _envelope(d).pop("payload")),
    "payload-null": ("payload", lambda d: _envelope(d).update(payload=None)),
    "no-signatures": ("0 signatures", lambda d: _envelope(d).update(signatures=[])),
    "two-signatures": ("2 signatures", lambda d: _envelope(d)["signatures"].append(_signature(d))),
    "signatures-object": ("signatures", lambda d: _envelope(d).update(signatures={})),
    "signature-missing": ("sig", lambda d: _signature(d).pop("sig")),
    "signature-too-long": (
        "sig",
        lambda d: _signature(d).update(sig=base64.b64encode(b"x" * 2000).decode()),
    ),
    "signature-unknown-member": ("don't have here", lambda d: _signature(d).update(cert="x")),
    "key-id-says-something": ("keyid", lambda d: _signature(d).update(keyid="acme, verified")),
    "top-unknown-member": ("don't have here", lambda d: d.update(verified=True)),
}

_RAW: dict[str, tuple[str, bytes]] = {
    "empty-file": ("not JSON", b""),
    "a-web-page": ("not JSON", b"<!doctype html><title>404</title>"),
    "a-list": ("not an object", b"[]"),
    "a-number": ("not an object", b"7"),
    "null": ("not an object", b"null"),
    "not-utf-8": ("UTF-8", b'{"mediaType":"\xff"}'),
    "byte-order-mark": ("", b"\xef\xbb\xbf{}"),
    "utf-16": ("", "{}".encode("utf-16")),
    "infinity": ("", b'{"mediaType":Infinity}'),
    "huge-integer": ("", b'{"mediaType":' + b"9" * 400 + b"}"),
    "deep": ("", b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "lone-surrogate": ("", b'{"mediaType":"\\ud800"}'),
    "only-zeros": ("", bytes(1000)),
}


def envelope_cases() -> Iterator[Case]:
    """Yield every case of step 3."""
    for name, (words, change) in _CHANGES.items():
        document = bundle()
        change(document)
        yield _case(name, words, json.dumps(document).encode())
    for name, (words, raw) in _RAW.items():
        yield _case(name, words, raw)
    text = json.dumps(bundle()).encode()
    yield _case("truncated", "not JSON", text[: len(text) // 2])
    yield _case("trailing-garbage", "not JSON", text + b"x")
    doubled = text.replace(b'"mediaType":', b'"mediaType": "x", "mediaType":', 1)
    yield _case("member-twice", "twice", doubled)


def _case(name: str, words: str, raw: bytes) -> Case:
    def build(folder: Path) -> None:
        write_model(folder, raw)

    return Case(f"envelope-{name}", 3, words, build)
