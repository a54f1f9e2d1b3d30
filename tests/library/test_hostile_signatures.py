# SPDX-License-Identifier: Apache-2.0
"""Whatever stands in a signature file, the parsers of bundles and manifests answer with errors of ours.

And nothing that they let through is accepted as the honest signer's unless it says exactly what was signed.
"""

from __future__ import annotations

import contextlib
import json

from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.authorities import NOW, Authority
from tests.corpus.case import FILES, bundle, honest, key, signed
from tests.fuzzing import examples, mutations
from tests.library.oms.test_manifest import resource, value
from weighbridge import dsse, keys
from weighbridge.authentication import authenticate
from weighbridge.bundles import encode_certificate_bundle, parse_bundle
from weighbridge.canonical import encode
from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.hub import HubName
from weighbridge.oms import parse_manifest
from weighbridge.statements import LEGACY_PREDICATE_TYPE, parse_statement
from weighbridge.timestamps import TimestampAuthority

PUBLIC = key().public_key()
ROOT = Authority("Root")
LEAF = ROOT.issue("release", PUBLIC)
PAYLOAD = encode(honest())
SHARDS = value(resource("a.txt:0:2"), resource("a.txt:2:3"), method="shards", shard_size=2)
LEGACY = {
    "_type": "https://in-toto.io/Statement/v1",
    "predicateType": LEGACY_PREDICATE_TYPE,
    "predicate": {"unused": "x"},
    "subject": [{"name": "a.txt", "digest": {"sha256": "0" * 64}}],
}
CERTIFICATE = LEAF.public_bytes(serialization.Encoding.DER)
CERTIFIED = encode_certificate_bundle(
    PAYLOAD, keys.sign(key(), dsse.pae(dsse.IN_TOTO, PAYLOAD)), [CERTIFICATE]
)
BUNDLES = [
    CERTIFIED,
    signed(honest()),
    signed(SHARDS),
    signed(LEGACY),
    json.dumps(bundle(), indent=1).encode(),
]
STATEMENTS = [PAYLOAD, encode(SHARDS), encode(LEGACY)]
PIECES = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"0",
    b"-1",
    b"1e9",
    b"\\ud800",
    b"\xff",
    b"..",
    b"/",
]


@settings(max_examples=examples(300))
@given(st.one_of(mutations(BUNDLES, PIECES), st.binary(max_size=200)))
def test_no_changed_bundle_says_something_else_in_the_signers_name(data: bytes) -> None:
    for strict in (False, True):
        with contextlib.suppress(WeighbridgeError):
            parsed = parse_bundle(data, strict=strict)
            proved = authenticate(parsed, keys=[PUBLIC], anchors=[ROOT.certificate], now=NOW)
            assert proved.payload in STATEMENTS
            parse_manifest(parse_statement(proved.payload))


@settings(max_examples=examples(300))
@given(mutations(STATEMENTS, PIECES))
def test_any_statement_is_a_sound_manifest_or_refused(data: bytes) -> None:
    with contextlib.suppress(WeighbridgeError):
        manifest, _ = parse_manifest(parse_statement(data))
        assert manifest.resources
        for path, signed_file in manifest.files().items():
            assert path == "." or (".." not in path.split("/") and not path.startswith("/"))
            assert signed_file.digests


@settings(max_examples=examples(100))
@given(st.binary(max_size=300))
def test_no_bytes_are_a_time_stamp(data: bytes) -> None:
    assert TimestampAuthority.of_pem(ROOT.pem).time_of(data, b"signature") is None


@settings(max_examples=examples(300))
@given(st.one_of(st.text(max_size=80), st.from_regex(r"hf:[a-z./@-]{1,30}", fullmatch=True)))
def test_a_hubs_name_never_leaves_its_folder(text: str) -> None:
    for candidate in (text, f"hf:{text}", f"hf:acme/{text}", f"hf:acme/tiny@{text}"):
        with contextlib.suppress(InputError):
            name = HubName.parse(candidate)
            assert ".." not in name.repo.split("/")
            assert not name.repo.startswith(("/", "."))
            assert "\n" not in candidate


def test_what_is_genuine_is_accepted() -> None:
    for data in BUNDLES:
        assert (
            authenticate(parse_bundle(data), keys=[PUBLIC], anchors=[ROOT.certificate], now=NOW).payload
            in STATEMENTS
        )
    assert set(FILES) == set(parse_manifest(parse_statement(PAYLOAD))[0].files())
