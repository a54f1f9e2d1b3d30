# SPDX-License-Identifier: Apache-2.0
"""Step 4 with keys and certificates: who attacks, how, and what is said."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from tests.authorities import NOW, Authority, authority_extensions, key_usage, signer_extensions
from weighbridge import bundles, certificates, dsse, keys
from weighbridge.authentication import Authenticated, TimeEvidence, authenticate
from weighbridge.bundles import Bundle, PublicKeyHint
from weighbridge.errors import BundleError, InputError, SignerError
from weighbridge.identities import CertificateIdentity, KeyIdentity
from weighbridge.signing import CertificateSigner, KeySigner

PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1"}'
KEY = keys.generate_private_key()
PUBLIC = KEY.public_key()
RAW = KeySigner(KEY).sign(PAYLOAD)
BUNDLE = bundles.parse_bundle(RAW, strict=True)

ROOT = Authority("Acme Root")
MIDDLE = Authority("Acme Models", issuer=ROOT)
LEAF = MIDDLE.issue("release", PUBLIC)
CERTIFIED = CertificateSigner(KEY, LEAF, [MIDDLE.certificate]).sign(PAYLOAD)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def certified(*chain: x509.Certificate, strict: bool = False) -> Bundle:
    """A bundle that KEY signed, with any certificates in it."""
    signature = keys.sign(KEY, dsse.pae(dsse.IN_TOTO, PAYLOAD))
    raw = bundles.encode_certificate_bundle(PAYLOAD, signature, [der(item) for item in chain])
    return bundles.parse_bundle(raw, strict=strict)


def with_anchor(bundle: Bundle, *anchors: x509.Certificate) -> Authenticated:
    return authenticate(bundle, anchors=anchors or [ROOT.certificate], now=NOW)


# --- keys


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])
def test_the_signer_s_key_proves_who_signed_what(curve: str) -> None:
    key = keys.generate_private_key(curve)
    bundle = bundles.parse_bundle(KeySigner(key).sign(PAYLOAD), strict=True)

    proved = authenticate(bundle, keys=[PUBLIC, key.public_key()], now=NOW)

    assert proved.identity == KeyIdentity(keys.spki_sha256(key.public_key()))
    assert (proved.payload, proved.payload_type) == (PAYLOAD, dsse.IN_TOTO)
    assert proved.statement_digest == bundle.statement_digest
    assert proved.times == ()


def test_keys_may_be_given_by_their_hints() -> None:
    proved = authenticate(BUNDLE, keys={keys.hint(PUBLIC): PUBLIC}, now=NOW)
    assert proved.identity == KeyIdentity(keys.spki_sha256(PUBLIC))


@pytest.mark.parametrize("curve", ["P-256", "P-384"])
def test_another_key_is_not_the_signer(curve: str) -> None:
    other = keys.generate_private_key(curve).public_key()

    with pytest.raises(SignerError, match="signed with another key") as caught:
        authenticate(BUNDLE, keys=[other], now=NOW)
    assert caught.value.step == 4
    assert caught.value.evidence == {"hint": keys.hint(PUBLIC), "tried": [keys.hint(other)]}


def test_a_thief_who_writes_the_victim_s_hint_into_their_own_bundle_is_caught() -> None:
    thief = keys.generate_private_key()
    forged = bundles.encode_key_bundle(
        PAYLOAD, keys.sign(thief, dsse.pae(dsse.IN_TOTO, PAYLOAD)), keys.hint(PUBLIC)
    )

    with pytest.raises(SignerError, match="signature does not hold"):
        authenticate(bundles.parse_bundle(forged), keys=[PUBLIC], now=NOW)


def test_without_a_key_nothing_is_authenticated() -> None:
    with pytest.raises(SignerError, match="no key to check it with") as caught:
        authenticate(BUNDLE, anchors=[ROOT.certificate], now=NOW)
    assert "--public-key" in caught.value.hint


@given(position=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_any_flipped_bit_of_statement_or_signature_is_caught(position: int, bit: int) -> None:
    signed = bytearray(BUNDLE.payload + BUNDLE.signature)
    signed[position % len(signed)] ^= 1 << bit
    payload, signature = bytes(signed[: len(PAYLOAD)]), bytes(signed[len(PAYLOAD) :])
    changed = bundles.encode_key_bundle(payload, signature, keys.hint(PUBLIC))

    with pytest.raises(SignerError, match="signature does not hold"):
        authenticate(bundles.parse_bundle(changed, strict=True), keys=[PUBLIC], now=NOW)


def test_a_signature_over_the_bare_statement_is_none() -> None:
    naked = bundles.encode_key_bundle(PAYLOAD, keys.sign(KEY, PAYLOAD), keys.hint(PUBLIC))

    with pytest.raises(SignerError, match="signature does not hold"):
        authenticate(bundles.parse_bundle(naked), keys=[PUBLIC], now=NOW)


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_an_old_bundle_that_holds_its_key_is_checked_with_the_wanted_key_only(form: str) -> None:
    raw = keys.public_pem(PUBLIC) if form == "PEM" else keys.public_der(PUBLIC)
    text = RAW.replace(
        b'{"hint":"' + keys.hint(PUBLIC).encode() + b'"}',
        b'{"rawBytes":"' + base64.b64encode(raw) + b'","keyDetails":"PKIX_ECDSA_P256_SHA_256"}',
    )
    bundle = bundles.parse_bundle(text)
    assert bundle.material == PublicKeyHint(None, raw)

    assert authenticate(bundle, keys=[PUBLIC], now=NOW).payload == PAYLOAD
    with pytest.raises(SignerError, match="another key"):
        authenticate(bundle, keys=[keys.generate_private_key().public_key()], now=NOW)
    with pytest.raises(SignerError, match="no key to check it with"):
        authenticate(bundle, now=NOW)


# --- certificates


def test_a_chain_to_the_given_anchor_proves_the_subject() -> None:
    proved = with_anchor(bundles.parse_bundle(CERTIFIED, strict=True))

    assert proved.identity == CertificateIdentity(ROOT.sha256, "CN=release")
    assert proved.payload == PAYLOAD


def test_the_root_may_be_in_the_bundle_too() -> None:
    bundle = certified(LEAF, MIDDLE.certificate, ROOT.certificate, strict=True)
    assert with_anchor(bundle).identity == CertificateIdentity(ROOT.sha256, "CN=release")


def test_an_intermediate_or_the_certificate_itself_can_be_the_anchor() -> None:
    assert with_anchor(certified(LEAF), MIDDLE.certificate).identity == CertificateIdentity(
        MIDDLE.sha256, "CN=release"
    )
    assert with_anchor(certified(LEAF), LEAF).identity == CertificateIdentity(
        certificates.anchor_sha256(LEAF), "CN=release"
    )


def test_an_authority_that_only_the_bundle_names_is_not_trusted() -> None:
    impostor = Authority("Acme Root")
    leaf = impostor.issue("release", PUBLIC)

    with pytest.raises(SignerError, match="does not lead to a certificate that you trust"):
        with_anchor(certified(leaf, impostor.certificate))
    with pytest.raises(SignerError, match="no authority to check it with"):
        authenticate(certified(leaf, impostor.certificate), keys=[PUBLIC], now=NOW)


def _without(*remaining: tuple[x509.ExtensionType, bool]) -> x509.Certificate:
    return MIDDLE.issue("release", PUBLIC, extensions=list(remaining))


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
USAGE = (key_usage(digital_signature=True), True)
TLS_SERVER = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
ANY_USE = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)
DAY = timedelta(days=1)

BAD_LEAVES: dict[str, tuple[Callable[[], x509.Certificate], str]] = {
    "expired": (
        lambda: MIDDLE.issue("release", PUBLIC, start=NOW - 3 * DAY, end=NOW - DAY),
        "was not valid at 2026-06-01 12:00:00 UTC: it is for 2026-05-29 to 2026-05-31",
    ),
    "not yet valid": (
        lambda: MIDDLE.issue("release", PUBLIC, start=NOW + DAY, end=NOW + 3 * DAY),
        "was not valid at",
    ),
    "for key agreement": (
        lambda: _without((key_usage(key_agreement=True), True)),
        "key usage has no digitalSignature",
    ),
    "of a web server": (lambda: _without(USAGE, TLS_SERVER), "extended key usage has no codeSigning"),
    "for nothing": (lambda: _without(), "neither key usage nor extended key usage"),  # noqa: PLW0108
    "with an unknown critical extension": (
        lambda: _without(*signer_extensions(), (UNKNOWN, True)),
        "unaccounted-for critical extensions",
    ),
}


@pytest.mark.parametrize("what", BAD_LEAVES)
def test_a_certificate_that_must_not_sign_now_is_refused(what: str) -> None:
    make, message = BAD_LEAVES[what]

    with pytest.raises(SignerError) as caught:
        with_anchor(certified(make(), MIDDLE.certificate))
    assert message in caught.value.message


@pytest.mark.parametrize("extensions", [[USAGE], [USAGE, ANY_USE], [ANY_USE]])
def test_a_certificate_that_may_sign_needs_no_more_than_that(
    extensions: list[tuple[x509.ExtensionType, bool]],
) -> None:
    assert with_anchor(certified(_without(*extensions), MIDDLE.certificate)).payload == PAYLOAD


BAD_ISSUERS: dict[str, Callable[[], Authority]] = {
    "no authority": lambda: Authority("x", issuer=ROOT, extensions=authority_extensions(ca=False)),
    "without basic constraints": lambda: Authority("x", issuer=ROOT, extensions=[]),
    "may not sign certificates": lambda: Authority(
        "x",
        issuer=ROOT,
        extensions=[(x509.BasicConstraints(ca=True, path_length=None), True), USAGE],
    ),
    "expired": lambda: Authority("x", issuer=ROOT, end=NOW - DAY),
    "below an authority that may have none below it": lambda: Authority(
        "x", issuer=Authority("y", issuer=ROOT, extensions=authority_extensions(path_length=0))
    ),
    "signed by nobody known": lambda: Authority("x", issuer=Authority("Acme Root")),
}


@pytest.mark.parametrize("what", BAD_ISSUERS)
def test_a_bad_issuer_breaks_the_chain(what: str) -> None:
    issuer = BAD_ISSUERS[what]()

    with pytest.raises(SignerError, match="does not lead to a certificate that you trust"):
        with_anchor(certified(issuer.issue("release", PUBLIC), issuer.certificate))


def test_a_model_signing_certificate_can_t_be_used_to_issue_another() -> None:
    """A thief of one release key must not become an authority with it."""
    thief = keys.generate_private_key()
    owner = Authority("release", issuer=MIDDLE, extensions=signer_extensions())
    forged = owner.issue("ceo", thief.public_key())
    signature = keys.sign(thief, dsse.pae(dsse.IN_TOTO, PAYLOAD))
    chain = [der(item) for item in (forged, owner.certificate, MIDDLE.certificate)]

    with pytest.raises(SignerError, match="does not lead"):
        with_anchor(bundles.parse_bundle(bundles.encode_certificate_bundle(PAYLOAD, signature, chain)))


def test_a_missing_intermediate_is_not_guessed() -> None:
    with pytest.raises(SignerError, match="does not lead"):
        with_anchor(certified(LEAF))


def test_a_signature_by_another_key_than_the_certificate_s_is_caught() -> None:
    other = MIDDLE.issue("release", keys.generate_private_key().public_key())

    with pytest.raises(SignerError, match="signature does not hold"):
        with_anchor(certified(other, MIDDLE.certificate))


def test_an_expired_certificate_passes_only_with_evidence_of_time() -> None:
    leaf = MIDDLE.issue("release", PUBLIC, start=NOW - 3 * DAY, end=NOW - DAY)
    bundle = certified(leaf, MIDDLE.certificate)
    seen = TimeEvidence("timestamp", NOW - 2 * DAY)
    too_late = TimeEvidence("timestamp", NOW - DAY / 2)

    proved = authenticate(bundle, anchors=[ROOT.certificate], now=NOW, times=[too_late, seen])

    assert proved.identity == CertificateIdentity(ROOT.sha256, "CN=release")
    with pytest.raises(SignerError, match="was not valid at") as caught:
        authenticate(bundle, anchors=[ROOT.certificate], now=NOW, times=[too_late])
    assert "evidence" in caught.value.hint


def test_admission_refuses_a_certificate_that_plays_no_part() -> None:
    """It could hold anything in its names and extensions, and would be kept for ever."""
    stowaway = Authority("buy my coins")
    chain = (LEAF, MIDDLE.certificate, stowaway.certificate)

    assert with_anchor(certified(*chain)).payload == PAYLOAD
    with pytest.raises(SignerError, match="no part of the signer's chain"):
        with_anchor(certified(*chain, strict=True))


def test_a_certificate_with_a_key_that_oms_does_not_know_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    builder = x509.CertificateBuilder().subject_name(MIDDLE.name).issuer_name(MIDDLE.name)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    for extension, critical in signer_extensions():
        builder = builder.add_extension(extension, critical=critical)
    leaf = builder.sign(MIDDLE.key, keys.hash_of(MIDDLE.key.public_key()))

    with pytest.raises(SignerError, match="key of a kind that OMS does not know"):
        with_anchor(certified(leaf, MIDDLE.certificate))


@pytest.mark.parametrize("junk", [b"junk", der(LEAF)[:-1], der(LEAF) + b"x"])
def test_a_certificate_that_can_t_be_read_is_refused(junk: bytes) -> None:
    raw = bundles.encode_certificate_bundle(PAYLOAD, b"x", [junk])

    with pytest.raises(SignerError, match="can't be read"):
        with_anchor(bundles.parse_bundle(raw))


def test_a_chain_of_a_hundred_certificates_is_not_looked_at() -> None:
    with pytest.raises(BundleError, match="at most 8"):
        certified(*[LEAF] * 100)


@pytest.mark.parametrize("pem", [b"", b"hello", keys.public_pem(PUBLIC)])
def test_anchors_that_are_none_are_an_input_error(pem: bytes) -> None:
    with pytest.raises(InputError):
        certificates.load_certificates(pem)


def test_several_anchors_are_read_from_one_file() -> None:
    assert certificates.load_certificates(ROOT.pem + MIDDLE.pem) == (ROOT.certificate, MIDDLE.certificate)


def test_a_certificate_on_a_foreign_curve_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256K1())
    leaf = MIDDLE.issue("release", key.public_key())

    with pytest.raises(SignerError):
        with_anchor(certified(leaf, MIDDLE.certificate))
