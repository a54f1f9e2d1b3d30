# SPDX-License-Identifier: Apache-2.0
"""Step 4 with Sigstore: attacks on a keyless bundle, and what is said of each.

A bundle that a real client got from the local Sigstore is changed one part at a time; for the
attacks that need a lying log, the local Rekor's own key signs the lie.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from sigstore.models import Bundle as ForeignBundle
from sigstore.models import ClientTrustConfig
from sigstore.verify import Verifier, policy

from tests.authorities import Authority, signer_extensions
from tests.local_sigstore import LocalSigstore, start
from tests.local_sigstore.forgery import (
    TimeStamper,
    entry_of,
    hashedrekord,
    in_tree,
    rewrap,
    sign_time,
)
from weighbridge import bundles, keys
from weighbridge.authentication import Authenticated, authenticate
from weighbridge.bundles import Bundle, LogEntry
from weighbridge.errors import BundleError, ConfigurationError, SignerError
from weighbridge.signing import KeySigner
from weighbridge.sigstore_signing import SigstoreSigner
from weighbridge.sigstore_trust import SigstoreTrust, identity_of

pytestmark = pytest.mark.needs("node", "npm")


def statement(name: str) -> bytes:
    subject = [{"digest": {"sha256": "0" * 64}, "name": name}]
    return json.dumps(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "predicate": {},
            "predicateType": "https://example.org/x",
            "subject": subject,
        }
    ).encode()


@pytest.fixture(scope="module")
def signed(local_sigstore: LocalSigstore) -> dict[str, Bundle]:
    """Two statements of Alice in one login, the first one once more, and one of Bob."""
    alice = SigstoreSigner(token=local_sigstore.email_token(), trust_config=local_sigstore.trust_config)
    bob = SigstoreSigner(
        token=local_sigstore.email_token("bob@example.org"), trust_config=local_sigstore.trust_config
    )
    return {
        "one": bundles.parse_bundle(alice.sign(statement("one")), strict=True),
        "again": bundles.parse_bundle(alice.sign(statement("one")), strict=True),
        "other": bundles.parse_bundle(alice.sign(statement("other")), strict=True),
        "bob": bundles.parse_bundle(bob.sign(statement("one")), strict=True),
    }


@pytest.fixture(scope="module")
def trust(local_sigstore: LocalSigstore) -> SigstoreTrust:
    return SigstoreTrust.from_config(local_sigstore.trust_config)


def check(bundle: Bundle, trust: SigstoreTrust, now: datetime | None = None) -> Authenticated:
    return authenticate(bundle, sigstore=[trust], now=now or datetime.now(UTC))


def leaves_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all strings in a JSON document."""
    if isinstance(value, dict):
        return [found for name, item in value.items() for found in leaves_of(item, (*path, name))]
    if isinstance(value, list):
        return [found for number, item in enumerate(value) for found in leaves_of(item, (*path, number))]
    return [path] if isinstance(value, str) else []


def flipped(text: str, name: str) -> str:
    """Another value of the same form: a bit flipped in binary, a number one higher, a letter changed."""
    if name in {"mediaType", "payloadType", "kind", "version", "envelope"}:
        return text[:-3] + chr(ord(text[-3]) ^ 1) + text[-2:]
    if text.isdecimal():
        return str(int(text) + 1)
    data = bytearray(base64.b64decode(text))
    data[len(data) // 2] ^= 1
    return base64.b64encode(data).decode()


def test_each_member_of_a_bundle_is_bound_by_a_signature(
    signed: dict[str, Bundle], trust: SigstoreTrust
) -> None:
    document = json.loads(signed["one"].raw)
    paths = [path for path in leaves_of(document) if path[-1] != "keyid"]
    assert len(paths) == 16
    survivors = []
    for path in paths:
        copy = json.loads(signed["one"].raw)
        inner = copy
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = flipped(inner[path[-1]], str(path[-1]))
        try:
            check(bundles.parse_bundle(json.dumps(copy).encode(), strict=True), trust)
        except (BundleError, SignerError):
            continue
        survivors.append(path)
    assert survivors == []


@given(data=st.data())
@settings(max_examples=200)
def test_damaged_bytes_are_refused_in_words_or_change_nothing(
    signed: dict[str, Bundle], trust: SigstoreTrust, data: st.DataObject
) -> None:
    damaged = bytearray(signed["one"].raw)
    for position, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(damaged) - 1), st.integers(0, 255)), min_size=1, max_size=3)
    ):
        damaged[position] = byte
    try:
        proved = check(bundles.parse_bundle(bytes(damaged)), trust)
    except (BundleError, SignerError):
        return
    assert proved == check(signed["one"], trust)


@pytest.mark.filterwarnings("ignore::UserWarning")  # cryptography warns of odd names before they are refused
@given(data=st.data())
@settings(max_examples=200)
def test_a_damaged_certificate_is_refused_in_words(
    signed: dict[str, Bundle], trust: SigstoreTrust, data: st.DataObject
) -> None:
    whole = _certificate(signed["one"])
    damaged = bytearray(whole)
    position = data.draw(st.integers(0, len(damaged) - 1))
    damaged[position] ^= data.draw(st.integers(1, 255))

    with pytest.raises(SignerError):
        check(rewrap(signed["one"], certificate=bytes(damaged)), trust)


GRAFTS: dict[str, tuple[Callable[[dict[str, Bundle]], Bundle], str]] = {
    "the entry of another statement": (  # CVE-2026-22703
        lambda b: _graft(b["one"], entry_of(b["other"])),
        "payload hash does not match",
    ),
    "the entry of another signature of the same statement": (
        lambda b: _graft(b["one"], entry_of(b["again"])),
        "signatures do not match",
    ),
    "the entry of another signer": (
        lambda b: _graft(b["one"], entry_of(b["bob"])),
        "signatures do not match",
    ),
    "another statement": (
        lambda b: rewrap(b["one"], payload=b["other"].payload),
        "invalid signature",
    ),
    "another signer's certificate": (
        lambda b: rewrap(b["one"], certificate=_certificate(b["bob"])),
        "invalid signature",
    ),
    "another entry's promise": (
        lambda b: rewrap(b["one"], promise=entry_of(b["other"]).promise),
        "invalid inclusion promise",
    ),
    "an index of the log that is not promised": (
        lambda b: rewrap(b["one"], log_index=entry_of(b["one"]).log_index + 1),
        "invalid inclusion promise",
    ),
    "another entry's proof": (
        lambda b: rewrap(b["one"], proof=entry_of(b["other"]).proof),
        "is not in Sigstore's log",
    ),
    "an index outside the tree": (
        lambda b: rewrap(b["one"], proof=replace(entry_of(b["one"]).proof, log_index=1)),
        "entry 1 is not in a tree of 1 entries",
    ),
    "a proof that is too long": (
        lambda b: rewrap(b["one"], proof=replace(entry_of(b["one"]).proof, hashes=(b"x" * 32,))),
        "is not in Sigstore's log",
    ),
    "a checkpoint of another tree": (
        lambda b: rewrap(
            b["one"],
            proof=replace(entry_of(b["one"]).proof, checkpoint=entry_of(b["other"]).proof.checkpoint),
        ),
        "checkpoint of Sigstore's log is of another tree",
    ),
    "a checkpoint that is no checkpoint": (
        lambda b: rewrap(b["one"], proof=replace(entry_of(b["one"]).proof, checkpoint="hello")),
        "checkpoint of Sigstore's log is of another tree",
    ),
    "a log that nobody knows": (
        lambda b: rewrap(b["one"], log_id=b"x" * 32),
        "a log that the trusted root does not have",
    ),
    "a body that is no JSON": (
        lambda b: rewrap(b["one"], body=b"x"),
        "is not in Sigstore's log",
    ),
}


def _graft(bundle: Bundle, entry: LogEntry) -> Bundle:
    fields = ("log_index", "log_id", "integrated_time", "promise", "proof", "body")
    return rewrap(bundle, **{name: getattr(entry, name) for name in fields})


def _certificate(bundle: Bundle) -> bytes:
    assert isinstance(bundle.material, bundles.SigstoreMaterial)
    return bundle.material.certificate


@pytest.mark.parametrize("what", GRAFTS)
def test_parts_of_true_bundles_put_together_are_refused(
    what: str, signed: dict[str, Bundle], trust: SigstoreTrust
) -> None:
    make, message = GRAFTS[what]

    with pytest.raises(SignerError) as caught:
        check(make(signed), trust)
    assert message in caught.value.message
    assert caught.value.step == 4


def test_without_promise_and_stamp_nobody_vouches_for_the_time(
    signed: dict[str, Bundle], trust: SigstoreTrust
) -> None:
    bundle = rewrap(signed["one"], promise=None, integrated_time=None, strict=False)

    with pytest.raises(SignerError, match="inclusion promise or signed timestamp"):
        check(bundle, trust)


def test_a_time_without_a_promise_is_not_admitted(signed: dict[str, Bundle]) -> None:
    with pytest.raises(BundleError, match="one without the other"):
        rewrap(signed["one"], promise=None)
    with pytest.raises(BundleError, match="one without the other"):
        rewrap(signed["one"], integrated_time=None)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\N{EM DASH} ", "\N{EM DASH} buy-my-coins."),
        lambda text: text[:-10] + ":" + text[-10:],
        lambda text: text + text[text.index("\N{EM DASH}") :],
        lambda text: text + "hello\n",
    ],
    ids=["another name", "odd base64", "the signature twice", "a line of text"],
)
def test_free_text_beside_a_checkpoint_s_signature_is_not_admitted(
    change: Callable[[str], str], signed: dict[str, Bundle], trust: SigstoreTrust
) -> None:
    proof = entry_of(signed["one"]).proof
    bundle = rewrap(signed["one"], proof=replace(proof, checkpoint=change(proof.checkpoint)))

    with pytest.raises(SignerError, match="checkpoint of Sigstore's log is"):
        check(bundle, trust)


def test_an_entry_in_a_larger_tree_is_found(
    signed: dict[str, Bundle], trust: SigstoreTrust, local_sigstore: LocalSigstore
) -> None:
    body = entry_of(signed["one"]).body
    for index, size in ((0, 2), (5, 8), (6, 7), (99, 100)):
        bundle = rewrap(signed["one"], proof=in_tree(local_sigstore, body, index, size))
        assert check(bundle, trust).payload == signed["one"].payload


def test_an_index_beyond_the_tree_is_caught(
    signed: dict[str, Bundle], trust: SigstoreTrust, local_sigstore: LocalSigstore
) -> None:
    """Entry 5 of a log of 8, shown as entry 5 of 4: root and checkpoint still agree."""
    honest = in_tree(local_sigstore, entry_of(signed["one"]).body, 5, 8)

    with pytest.raises(SignerError, match="entry 5 is not in a tree of 4 entries"):
        check(rewrap(signed["one"], proof=replace(honest, tree_size=4)), trust)


def test_a_tree_size_that_the_checkpoint_does_not_sign_is_caught_here_and_not_by_sigstore_python(
    signed: dict[str, Bundle], trust: SigstoreTrust, local_sigstore: LocalSigstore
) -> None:
    honest = in_tree(local_sigstore, entry_of(signed["one"]).body, 5, 8)
    bundle = rewrap(signed["one"], proof=replace(honest, tree_size=7))

    foreign = Verifier(
        trusted_root=ClientTrustConfig.from_json(local_sigstore.trust_config.decode()).trusted_root
    )
    foreign.verify_dsse(ForeignBundle.from_json(bundle.raw), policy.UnsafeNoOp())
    with pytest.raises(SignerError, match="of another tree than the proof") as caught:
        check(bundle, trust)
    assert caught.value.evidence == {"checkpoint": "8", "proof": "7"}


def test_an_entry_after_the_certificate_expired_is_refused(
    signed: dict[str, Bundle], trust: SigstoreTrust, local_sigstore: LocalSigstore
) -> None:
    entry = entry_of(signed["one"])
    assert entry.integrated_time is not None
    late = sign_time(local_sigstore, entry, entry.integrated_time + 3600)
    changed = rewrap(signed["one"], integrated_time=late.integrated_time, promise=late.promise)

    with pytest.raises(SignerError, match=r"not valid at validation time|expired"):
        check(changed, trust, now=datetime.now(UTC) + timedelta(days=1))


def test_a_signature_from_the_future_is_refused(signed: dict[str, Bundle], trust: SigstoreTrust) -> None:
    with pytest.raises(SignerError, match="in the future") as caught:
        check(signed["one"], trust, now=datetime.now(UTC) - timedelta(hours=2))
    assert "clock" in caught.value.hint


def test_years_later_the_signature_still_holds(signed: dict[str, Bundle], trust: SigstoreTrust) -> None:
    later = datetime.now(UTC) + timedelta(days=3650)
    assert check(signed["one"], trust, now=later).payload == signed["one"].payload


def test_another_sigstore_s_signature_is_not_trusted_here(signed: dict[str, Bundle]) -> None:
    with start() as other:
        stranger = SigstoreTrust.from_config(other.trust_config)

        with pytest.raises(SignerError, match="instance that is not trusted here") as caught:
            check(signed["one"], stranger)
        assert "--trust-config" in caught.value.hint
    with pytest.raises(SignerError, match="no Sigstore instance to check it with"):
        authenticate(signed["one"], now=datetime.now(UTC))


def test_the_right_one_of_several_instances_is_taken(
    signed: dict[str, Bundle], trust: SigstoreTrust, local_sigstore: LocalSigstore
) -> None:
    public = SigstoreTrust.production()

    proved = authenticate(signed["one"], sigstore=[public, trust], now=datetime.now(UTC))

    assert public.trust_domain != trust.trust_domain == local_sigstore.trust_domain
    assert proved.identity == trust.verify(signed["one"], now=datetime.now(UTC))[0]


def _period(kind: str, **bounds: str) -> Callable[[dict[str, Any]], None]:
    def change(root: dict[str, Any]) -> None:
        service = root[kind][0]
        (service["publicKey"] if kind == "tlogs" else service)["validFor"] = {
            "start": "2020-01-01T00:00:00Z",
            **bounds,
        }

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_period("certificateAuthorities", end="2021-01-01T00:00:00Z"), "authority was not in service"),
        (_period("tlogs", end="2021-01-01T00:00:00Z"), "log was not in service"),
    ],
)
def test_a_retired_service_can_t_vouch_for_what_came_after(
    change: Callable[[dict[str, Any]], None],
    message: str,
    signed: dict[str, Bundle],
    local_sigstore: LocalSigstore,
) -> None:
    """Keys of retired services leak; sigstore-python takes them for ever."""
    document = local_sigstore.trust_document()
    change(document["trustedRoot"])

    with pytest.raises(SignerError, match=message):
        check(signed["one"], SigstoreTrust.from_config(json.dumps(document).encode()))


def test_a_trusted_root_without_the_certificate_log_s_key_refuses(
    signed: dict[str, Bundle], local_sigstore: LocalSigstore
) -> None:
    document = local_sigstore.trust_document()
    document["trustedRoot"]["ctlogs"] = document["trustedRoot"]["tlogs"]

    with pytest.raises(SignerError, match="SCT"):
        check(signed["one"], SigstoreTrust.from_config(json.dumps(document).encode()))


@pytest.mark.parametrize("member", ["certificateAuthorities", "tlogs"])
def test_a_trusted_root_with_a_part_missing_is_a_configuration_error(
    member: str, local_sigstore: LocalSigstore
) -> None:
    document = local_sigstore.trust_document()
    del document["trustedRoot"][member]

    with pytest.raises(ConfigurationError, match="not complete"):
        SigstoreTrust.from_config(json.dumps(document).encode())


def test_a_key_s_statement_is_no_sigstore_statement(trust: SigstoreTrust) -> None:
    bundle = bundles.parse_bundle(KeySigner(keys.generate_private_key()).sign(b"x"))
    assert not trust.issued(bundle)
    with pytest.raises(SignerError, match="not signed through Sigstore"):
        trust.verify(bundle, now=datetime.now(UTC))


def test_the_public_sigstore_has_its_two_roots() -> None:
    public, staging = SigstoreTrust.production(), SigstoreTrust.staging()

    assert len(public.trust_domains) == 2
    assert public.trust_domain == public.trust_domains[0]
    assert staging.trust_domain not in public.trust_domains
    assert len(public.sha256) == 64


# --- Rekor v2: no promise of a time, an entry over the PAE, time-stamp authorities


@pytest.fixture
def stamper(tmp_path: Path) -> TimeStamper:
    return TimeStamper.make(tmp_path)


def second_version(bundle: Bundle, sigstore: LocalSigstore, *stamps: bytes, **changes: Any) -> Bundle:
    body = hashedrekord(bundle)
    entry = {
        "kind": "hashedrekord",
        "version": "0.0.2",
        "integrated_time": None,
        "promise": None,
        "body": body,
        "log_index": 3,
        "proof": in_tree(sigstore, body, 3, 6),
    }
    return rewrap(bundle, timestamps=stamps, **{**entry, **changes})


@pytest.mark.needs("openssl")
def test_a_rekor_v2_entry_with_a_time_stamp_is_verified(
    signed: dict[str, Bundle], local_sigstore: LocalSigstore, stamper: TimeStamper
) -> None:
    trust = SigstoreTrust.from_config(stamper.trusted(local_sigstore))
    stamp = stamper.stamp(signed["one"].signature)

    proved = check(second_version(signed["one"], local_sigstore, stamp), trust)

    assert proved.payload == signed["one"].payload
    (evidence,) = proved.times
    assert evidence.source == "timestamp"
    assert abs(evidence.time - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.needs("openssl")
def test_a_rekor_v2_entry_of_another_statement_is_refused(
    signed: dict[str, Bundle], local_sigstore: LocalSigstore, stamper: TimeStamper
) -> None:
    trust = SigstoreTrust.from_config(stamper.trusted(local_sigstore))
    body = hashedrekord(signed["other"])
    bundle = second_version(
        signed["one"],
        local_sigstore,
        stamper.stamp(signed["one"].signature),
        body=body,
        proof=in_tree(local_sigstore, body, 3, 6),
    )

    with pytest.raises(SignerError, match="inconsistent with other materials"):
        check(bundle, trust)


@pytest.mark.needs("openssl")
def test_an_index_that_nothing_binds_is_not_admitted(
    signed: dict[str, Bundle], local_sigstore: LocalSigstore, stamper: TimeStamper
) -> None:
    trust = SigstoreTrust.from_config(stamper.trusted(local_sigstore))
    bundle = second_version(
        signed["one"], local_sigstore, stamper.stamp(signed["one"].signature), log_index=31337
    )

    with pytest.raises(SignerError, match="index is not the one that its proof is for"):
        check(bundle, trust)


@pytest.mark.needs("openssl")
def test_a_stamp_over_something_else_proves_no_time(
    signed: dict[str, Bundle], local_sigstore: LocalSigstore, stamper: TimeStamper
) -> None:
    trust = SigstoreTrust.from_config(stamper.trusted(local_sigstore))
    foreign = stamper.stamp(signed["other"].signature)

    with pytest.raises(SignerError, match="not enough sources of verified time"):
        check(second_version(signed["one"], local_sigstore, foreign), trust)
    assert trust.stampers[0].time_of(b"no stamp", signed["one"].signature) is None


@pytest.mark.needs("openssl")
def test_a_stamp_that_proves_nothing_is_not_admitted_beside_one_that_does(
    signed: dict[str, Bundle], local_sigstore: LocalSigstore, stamper: TimeStamper
) -> None:
    trust = SigstoreTrust.from_config(stamper.trusted(local_sigstore))
    stamps = [stamper.stamp(signed[name].signature) for name in ("one", "other")]
    bundle = second_version(signed["one"], local_sigstore, *stamps)

    with pytest.raises(SignerError, match="time stamp that no trusted authority made"):
        check(bundle, trust)
    lenient = bundles.parse_bundle(bundle.raw)
    assert len(check(lenient, trust).times) == 1


# --- identities out of certificates


def test_a_certificate_that_names_nobody_or_two_is_refused() -> None:
    authority = Authority("Fulcio")
    key = keys.generate_private_key().public_key()
    issuer = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1"), b"https://i")
    other = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8"), b"\x0c\x01j")
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8"), b"\x0c\x7fj")
    one = x509.SubjectAlternativeName([x509.RFC822Name("a@example.org")])
    two = x509.SubjectAlternativeName([x509.RFC822Name("a@example.org"), x509.RFC822Name("b@example.org")])
    dns = x509.SubjectAlternativeName([x509.DNSName("example.org")])
    user = x509.SubjectAlternativeName(
        [x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7"), b"\x0c\x04user")]
    )

    def read(*extensions: x509.ExtensionType) -> str:
        chosen = [*signer_extensions(), *((item, False) for item in extensions)]
        return identity_of(authority.issue("x", key, extensions=chosen), "d" * 64).subject

    assert read(one, issuer) == "a@example.org"
    assert read(user, issuer) == "user"
    for extensions, message in (
        ([issuer], "names nobody"),
        ([two, issuer], "names 2 subjects"),
        ([dns, issuer], "names no e-mail address"),
        ([one], "names no issuer"),
        ([one, issuer, other], "or two"),
        ([one, broken], "unreadable issuer"),
    ):
        with pytest.raises(SignerError, match=message):
            read(*extensions)
