# SPDX-License-Identifier: Apache-2.0
"""Bundles: what is read, what is refused, and why nothing unsigned can hold a stranger's text."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge import bundles, dsse, keys
from weighbridge.bundles import CertificateChain, PublicKeyHint
from weighbridge.errors import BundleError
from weighbridge.signing import KeySigner

PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1"}'
KEY = keys.generate_private_key()
RAW = KeySigner(KEY).sign(PAYLOAD)

Document = dict[str, Any]
Change = Callable[[Document], object]


def changed(change: Change, raw: bytes = RAW) -> bytes:
    document = json.loads(raw)
    change(document)
    return json.dumps(document).encode()


def envelope(document: Document) -> Document:
    inner: Document = document["dsseEnvelope"]
    return inner


def material(document: Document) -> Document:
    inner: Document = document["verificationMaterial"]
    return inner


def test_pae_is_the_specification_s_own_example() -> None:
    # secure-systems-lab/dsse v1.0.0, protocol.md
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert dsse.pae("é", b"") == "DSSEv1 2 é 0 ".encode()


def test_a_key_bundle_is_read_back_strictly() -> None:
    bundle = bundles.parse_bundle(RAW, strict=True)

    assert bundle.payload == PAYLOAD
    assert bundle.material == PublicKeyHint(keys.hint(KEY.public_key()))
    assert bundle.sha256 == hashlib.sha256(RAW).hexdigest()
    assert bundle.statement_digest == hashlib.sha256(dsse.pae(dsse.IN_TOTO, PAYLOAD)).hexdigest()


@given(payload=st.binary(min_size=1, max_size=300), signature=st.binary(min_size=1, max_size=150))
def test_what_is_encoded_is_parsed_to_the_same(payload: bytes, signature: bytes) -> None:
    chain = CertificateChain((b"leaf", b"issuer"))
    bundle = bundles.parse_bundle(
        bundles.encode_bundle(payload, signature, chain, timestamps=[b"stamp"]), strict=True
    )

    assert (bundle.payload, bundle.signature, bundle.material) == (payload, signature, chain)
    assert bundle.timestamps == (b"stamp",)


@given(data=st.binary(max_size=200))
def test_no_bytes_make_the_parser_stumble(data: bytes) -> None:
    with pytest.raises(BundleError):
        bundles.parse_bundle(data)


@given(cut=st.integers(min_value=0, max_value=len(RAW) - 1))
def test_a_truncated_bundle_is_refused(cut: int) -> None:
    with pytest.raises(BundleError):
        bundles.parse_bundle(RAW[:cut])


def test_fifty_megabytes_are_refused_before_they_are_parsed() -> None:
    with pytest.raises(BundleError, match="at most 16777216") as caught:
        bundles.parse_bundle(b" " * 50_000_000)
    assert caught.value.step == 3


def test_a_deeply_nested_bundle_is_refused() -> None:
    with pytest.raises(BundleError, match="nested deeper"):
        bundles.parse_bundle(b'{"mediaType":' + b"[" * 5000 + b"]" * 5000 + b"}")


BOTH_MODES: list[tuple[str, Change, str]] = [
    ("no media type", lambda d: d.pop("mediaType"), "no mediaType"),
    ("media type of another version", lambda d: d.update(mediaType=_version("0.9")), "newer bundle version"),
    ("media type of something else", lambda d: d.update(mediaType="text/plain"), "no Sigstore bundle"),
    ("a member of nobody's", lambda d: d.update(note="hello"), "bundles don't have here: note"),
    ("a member deep inside", lambda d: envelope(d).update(note=1), "here: dsseEnvelope.note"),
    ("a member beside the hint", lambda d: material(d)["publicKey"].update(note=1), "publicKey.note"),
    (
        "a signed file, no statement",
        lambda d: d.update(messageSignature=d.pop("dsseEnvelope")),
        "signs a file",
    ),
    ("no material", lambda d: material(d).pop("publicKey"), "found none"),
    ("two materials", lambda d: material(d).update(certificate={"rawBytes": "AA=="}), "and certificate"),
    ("a hint of other form", lambda d: material(d)["publicKey"].update(hint="my key"), "publicKey.hint"),
    ("a number for a hint", lambda d: material(d)["publicKey"].update(hint=7), "not a string"),
    ("a log entry beside a key", lambda d: material(d).update(tlogEntries=[{}]), "tlogEntries must be empty"),
    (
        "another payload type",
        lambda d: envelope(d).update(payloadType="text/plain"),
        "payloadType is text/plain",
    ),
    ("no payload", lambda d: envelope(d).update(payload=""), "payload holds 0 bytes"),
    ("payload not base64", lambda d: envelope(d).update(payload="%%%%"), "payload is not base64"),
    ("no signature", lambda d: envelope(d).update(signatures=[]), "0 signatures"),
    ("two signatures", lambda d: envelope(d)["signatures"].append({"sig": "AA=="}), "2 signatures"),
    (
        "text in the unsigned keyid",
        lambda d: envelope(d)["signatures"][0].update(keyid="hi"),
        "keyid is not empty",
    ),
    ("a huge signature", lambda d: envelope(d)["signatures"][0].update(sig="A" * 4000), "sig holds 3000"),
    ("an envelope that is a list", lambda d: d.update(dsseEnvelope=[]), "an array, not an object"),
]


def _version(number: str) -> str:
    return f"application/vnd.dev.sigstore.bundle.v{number}+json"


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("change", "reason"), [row[1:] for row in BOTH_MODES], ids=[r[0] for r in BOTH_MODES]
)
def test_each_malformed_member_has_its_own_refusal(change: Change, reason: str, strict: bool) -> None:  # noqa: FBT001 - a pytest parameter
    with pytest.raises(BundleError) as caught:
        bundles.parse_bundle(changed(change), strict=strict)
    assert reason in caught.value.message
    assert caught.value.step == 3


def _url_safe(document: Document) -> None:
    payload = base64.b64decode(envelope(document)["payload"]) + b'"?>?>?>'
    envelope(document)["payload"] = base64.urlsafe_b64encode(payload).decode()


def _unpadded(document: Document) -> None:
    envelope(document)["payload"] = envelope(document)["payload"].rstrip("=")


def _key_itself(document: Document) -> None:
    material(document)["publicKey"] = {"rawBytes": "AAAA", "keyDetails": "PKIX_ECDSA_P256_SHA_256"}


def _older_spelling(document: Document) -> None:
    document["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.3"


ADMISSION_ONLY: list[tuple[str, Change, str]] = [
    ("URL-safe base64", _url_safe, "payload is not base64"),
    ("unpadded base64", _unpadded, "payload is not base64"),
    ("spare bits in base64", lambda d: envelope(d).update(payload="AB=="), "spare bits"),
    ("the key itself", _key_itself, "no verificationMaterial.publicKey.hint"),
    ("a null member", lambda d: d.update(messageSignature=None), "here: messageSignature"),
    ("the older spelling of the media type", _older_spelling, "mediaType"),
]


@pytest.mark.parametrize(
    ("change", "reason"), [row[1:] for row in ADMISSION_ONLY], ids=[r[0] for r in ADMISSION_ONLY]
)
def test_admission_refuses_what_a_verifier_tolerates(change: Change, reason: str) -> None:
    raw = changed(change)

    bundles.parse_bundle(raw)
    with pytest.raises(BundleError) as caught:
        bundles.parse_bundle(raw, strict=True)
    assert reason in caught.value.message


def test_a_duplicate_member_is_refused_in_both_modes() -> None:
    raw = RAW.replace(b'"keyid":""', b'"keyid":"","keyid":""')
    for strict in (False, True):
        with pytest.raises(BundleError, match="twice"):
            bundles.parse_bundle(raw, strict=strict)


def test_megabytes_of_white_space_are_not_admitted() -> None:
    raw = RAW[:-1] + b" " * 10_000 + b"}"

    bundles.parse_bundle(raw)
    with pytest.raises(BundleError, match="white space"):
        bundles.parse_bundle(raw, strict=True)


@pytest.mark.parametrize("keyid", ["absent", "", None])
def test_an_empty_keyid_is_fine_however_it_is_spelt(keyid: str | None) -> None:
    def change(document: Document) -> None:
        signature = envelope(document)["signatures"][0]
        signature.pop("keyid") if keyid == "absent" else signature.update(keyid=keyid)

    for strict in (False, True):
        assert bundles.parse_bundle(changed(change), strict=strict).payload == PAYLOAD


def test_an_indented_bundle_says_the_same_and_has_the_same_statement_digest() -> None:
    indented = json.dumps(json.loads(RAW), indent=2).encode()
    one, other = bundles.parse_bundle(RAW, strict=True), bundles.parse_bundle(indented, strict=True)

    assert one.statement_digest == other.statement_digest
    assert one.sha256 != other.sha256
