# SPDX-License-Identifier: Apache-2.0
"""Steps 3, 4 and 5: forged, foreign, broken and oversized signatures."""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.authorities import NOW, Authority
from tests.library.verification.conftest import Check
from tests.library.verification.expectations import assert_refused, assert_verified, assert_warned, told
from tests.local_sigstore import EMAIL_ISSUER, LocalSigstore
from tests.models import tiny_model
from tests.records import RECEIVED, Published, Publisher, TinyLog
from weighbridge import keys
from weighbridge.errors import InputError, NotVerifiedError, UndecidedError
from weighbridge.oms import manifest_of, oms_statement
from weighbridge.signing import CertificateSigner
from weighbridge.sigstore_signing import SigstoreSigner
from weighbridge.tlog import Algorithm, Signer
from weighbridge.verdict import Conclusion, Result, Verdict
from weighbridge.verification import verify
from weighbridge.weighing import weigh

DAY = timedelta(days=1)


def edited(bundle: bytes, **envelope: Any) -> bytes:
    """Change members of a bundle's DSSE envelope."""
    document = json.loads(bundle)
    document["dsseEnvelope"] |= envelope
    return json.dumps(document).encode()


# --- step 3 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", ""),
        (b"{", ""),
        (b"not json", ""),
        (b"[]", "an array"),
        (b'{"mediaType": "text/html"}', ""),
        (b"\xff\xfe{}", ""),
        (b'{"a": 1, "a": 2}', ""),
        (b"[" * 10_000, ""),
        (b"<!doctype html><title>404</title>", ""),
    ],
    ids=["empty", "cut", "text", "array", "other", "utf-16", "twice", "deep", "html"],
)
def test_what_is_no_bundle_is_refused_at_step_3(
    honest: Published, by_key: Check, tmp_path: Path, content: bytes, word: str
) -> None:
    signature = tmp_path / "broken.sig"
    signature.write_bytes(content)
    verdict = by_key(honest, signature=signature)
    assert_refused(verdict, 3, word)
    assert verdict.step(1).result is Result.SKIPPED


def test_a_truncated_signature_is_refused(honest: Published, by_key: Check) -> None:
    honest.record.unlink()
    data = honest.signature.read_bytes()
    for cut in (1, len(data) // 2, len(data) - 1):
        honest.signature.write_bytes(data[:cut])
        assert_refused(by_key(honest), 3)


def test_fifty_megabytes_are_refused_unread(honest: Published, by_key: Check, tmp_path: Path) -> None:
    huge = tmp_path / "huge.sig"
    with huge.open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    assert_refused(by_key(honest, signature=huge), 3, "at most")


def test_a_signature_that_is_a_pipe_does_not_hang(
    honest: Published, verify_it: Check, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe.sig"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="not a regular file"):
        verify_it(honest.model, signature=pipe, public_key=honest.publisher.pem)


def test_a_file_that_is_not_there_is_a_wrong_command(
    honest: Published, verify_it: Check, tmp_path: Path
) -> None:
    for options in ({"signature": tmp_path / "none"}, {"record": tmp_path / "none"}):
        with pytest.raises(InputError) as caught:
            verify_it(honest.model, **options)
        assert caught.value.exit_code == 2
    with pytest.raises(InputError, match="no file or folder"):
        verify_it(tmp_path / "nothing")


def test_a_model_without_any_signature_is_refused_and_told_where_was_looked(
    tmp_path: Path, verify_it: Check
) -> None:
    model = tiny_model(tmp_path / "bare")
    verdict = verify_it(model, public_key=Publisher().pem)
    assert_refused(verdict, 3, "model.sig", "provenance.jsonl", "--registry")


def test_a_spoilt_signature_beside_a_good_record_is_a_warning(honest: Published, by_key: Check) -> None:
    honest.signature.write_bytes(b"{}")
    assert_warned(by_key(honest), 3, "model.sig is spoilt")


# --- step 4 ------------------------------------------------------------------------------------


def test_bare_verify_says_who_signed_and_what_to_type_and_ends_with_1(
    honest: Published, verify_it: Check
) -> None:
    verdict = verify_it(honest.model)
    assert (verdict.verdict, verdict.exit_code) == (Conclusion.UNTRUSTED, 1)
    assert verdict.summary == "Not verified: you have not said whom to trust."
    assert "the holder of the key sha256:" in verdict.step(4).reason
    assert any("--release acme/tiny@1.0" in each for each in verdict.next_commands)
    assert any("--public-key" in each for each in verdict.next_commands)
    assert verdict.step(2).result is Result.SKIPPED


def test_bare_verify_without_a_record_can_only_show_a_hint(honest: Published, verify_it: Check) -> None:
    honest.record.unlink()
    verdict = verify_it(honest.model)
    assert verdict.exit_code == 1
    assert "no key to check it with is known" in verdict.step(4).reason
    assert not verdict.signers[0].authenticated


def test_another_key_is_refused(honest: Published, by_key: Check) -> None:
    verdict = by_key(honest, public_key=Publisher().pem)
    assert_refused(verdict, 4, "Not signed by the holder of the key sha256:", "Found:")
    assert not any(each.wanted for each in verdict.signers)


def test_a_changed_payload_under_the_old_signature_is_refused(honest: Published, by_key: Check) -> None:
    honest.record.unlink()
    bundle = honest.signature.read_bytes()
    payload = base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"])
    forged = payload.replace(b'"config.json"', b'"c0nfig.json"')
    assert forged != payload
    honest.signature.write_bytes(edited(bundle, payload=base64.b64encode(forged).decode()))
    assert_refused(by_key(honest), 4, "does not hold")


def test_a_thief_puts_his_own_hint_on_a_bundle(honest: Published, by_key: Check) -> None:
    """The hint names the wanted key, the signature is by another one."""
    honest.record.unlink()
    thief = json.loads(Publisher().oms(honest.model))
    victim = json.loads(honest.signature.read_bytes())
    thief["verificationMaterial"] = victim["verificationMaterial"]
    honest.signature.write_text(json.dumps(thief))
    assert_refused(by_key(honest), 4, "does not hold")


def test_of_several_signatures_the_wanted_one_counts_and_all_are_listed(
    honest: Published, by_key: Check
) -> None:
    honest.signature.write_bytes(Publisher().oms(honest.model))
    verdict = by_key(honest)
    assert_verified(verdict)
    assert [each.wanted for each in verdict.signers] == [True, False]


def test_a_named_signature_is_the_only_one_that_counts(
    honest: Published, by_key: Check, tmp_path: Path
) -> None:
    other = tmp_path / "other.sig"
    other.write_bytes(Publisher().oms(honest.model))
    assert_refused(by_key(honest, signature=other), 4)


def test_whitespace_and_an_alphabet_do_not_break_a_signature(honest: Published, by_key: Check) -> None:
    """Nobody signs the layout: the record's entry is found by what was signed."""
    document = json.loads(honest.signature.read_bytes())
    honest.signature.write_text(json.dumps(document, indent=4))
    assert_verified(by_key(honest, signature=honest.signature))


# --- certificates ------------------------------------------------------------------------------


def certified(
    folder: Path, authority: Authority, start: datetime = NOW - DAY, end: datetime = NOW + DAY
) -> Path:
    """Make a model signed with a certificate that is valid for a while."""
    model = tiny_model(folder)
    weighed = weigh(model)
    key = keys.generate_private_key()
    leaf = authority.issue("Release engineering", key.public_key(), start=start, end=end)
    signer = CertificateSigner(key, leaf, [authority.certificate])
    (model / "model.sig").write_bytes(signer.sign(oms_statement(manifest_of(weighed), weighed.name)))
    return model


def test_a_certificate_below_the_wanted_anchor_passes_and_below_another_fails(
    tmp_path: Path, verify_it: Check
) -> None:
    acme, evil = Authority("Acme Root"), Authority("Acme Root")
    model = certified(tmp_path / "m", acme)
    assert_verified(verify_it(model, certificate_chain=[acme.pem], now=NOW))
    refused = verify_it(model, certificate_chain=[evil.pem], now=NOW)
    assert_refused(refused, 4, "Not signed by a certificate issued below")
    assert_refused(verify_it(model, public_key=Publisher().pem, now=NOW), 4)


def test_an_expired_certificate_without_evidence_of_time_fails(tmp_path: Path, verify_it: Check) -> None:
    acme = Authority("Acme Root")
    model = certified(tmp_path / "m", acme, NOW - 20 * DAY, NOW - 10 * DAY)
    assert_refused(verify_it(model, certificate_chain=[acme.pem], now=NOW), 4)
    assert_verified(verify_it(model, certificate_chain=[acme.pem], now=NOW - 15 * DAY))


def test_a_witness_who_saw_it_recorded_in_time_is_evidence_for_an_expired_certificate(
    tmp_path: Path, verify_it: Check
) -> None:
    """The operator's own clock is none; a co-signer of the verifier's policy is."""
    acme, log = Authority("Acme Root"), TinyLog.new()
    recorded = datetime.fromtimestamp(RECEIVED, UTC)
    model = certified(tmp_path / "m", acme, recorded - DAY, recorded + DAY)
    log.add((model / "model.sig").read_bytes())
    witness = Signer.generate("w.example", Algorithm.ED25519_COSIGNATURE)
    policy = f"log {log.vkey}\nwitness w {witness.verifier.vkey}\nquorum w\n"
    options: dict[str, Any] = {"certificate_chain": [acme.pem], "now": recorded + 30 * DAY}
    (model / "provenance.jsonl").write_bytes(log.record())
    assert_refused(verify_it(model, log_keys=[log.vkey], **options), 4)
    log.witnesses = [witness]
    (model / "provenance.jsonl").write_bytes(log.record())
    assert_refused(verify_it(model, log_keys=[log.vkey], **options), 4)
    assert_verified(verify_it(model, witness_policy=policy, **options))


def test_bare_verify_of_a_certified_model_asks_for_its_anchor(tmp_path: Path, verify_it: Check) -> None:
    verdict = verify_it(certified(tmp_path / "m", Authority("Acme Root")))
    assert verdict.verdict is Conclusion.UNTRUSTED
    assert any("--certificate-chain" in each for each in verdict.next_commands), told(verdict)


# --- online accounts ---------------------------------------------------------------------------


@pytest.mark.needs("node", "npm")
def test_an_online_account_is_compared_exactly_with_its_issuer_in_its_own_sigstore(
    tmp_path: Path, verify_it: Check, local_sigstore: LocalSigstore
) -> None:
    config = local_sigstore.trust_config
    model = tiny_model(tmp_path / "m")
    weighed = weigh(model)
    signer = SigstoreSigner(token=local_sigstore.email_token("alice@example.org"), trust_config=config)
    (model / "model.sig").write_bytes(signer.sign(oms_statement(manifest_of(weighed), weighed.name)))

    def by_account(identity: str, issuer: str, trust: bytes | None = config) -> Verdict:
        return verify_it(model, identity=identity, issuer=issuer, trust_config=trust)

    assert_verified(by_account("alice@example.org", EMAIL_ISSUER))
    for identity, issuer in (
        ("mallory@example.org", EMAIL_ISSUER),
        ("Alice@example.org", EMAIL_ISSUER),
        ("alice@example.or", EMAIL_ISSUER),
        ("alice@example.org", f"{EMAIL_ISSUER}/"),
        ("alice@example.org", "https://accounts.example"),
    ):
        assert_refused(by_account(identity, issuer), 4, "Not signed by", "alice@example.org")
    assert_refused(by_account("alice@example.org", EMAIL_ISSUER, None), 4, "not trusted here")
    bare = verify_it(model, trust_config=config)
    assert bare.exit_code == 1
    assert any(f"--identity alice@example.org --issuer {EMAIL_ISSUER}" in each for each in bare.next_commands)


@pytest.mark.needs("node", "npm")
def test_an_account_owns_a_namespace_and_releases(
    tmp_path: Path, verify_it: Check, local_sigstore: LocalSigstore
) -> None:
    config = local_sigstore.trust_config
    model, log, alice = tiny_model(tmp_path / "m"), TinyLog.new(), Publisher()
    alice.signer = SigstoreSigner(token=local_sigstore.email_token("alice@example.org"), trust_config=config)
    owner = {
        "type": "sigstore",
        "trust_domain": f"sha256:{local_sigstore.trust_domain}",
        "issuer": EMAIL_ISSUER,
        "subject": "alice@example.org",
    }
    log.add(alice.namespace(log, "acme", [owner]), alice.oms(model), alice.release(log, model, "acme/tiny@1"))
    (model / "provenance.jsonl").write_bytes(log.record())
    options: dict[str, Any] = {"release": "acme/tiny@1", "log_keys": [log.vkey]}
    assert_verified(verify_it(model, trust_config=config, **options))
    assert_refused(verify_it(model, **options), 4)


# --- step 5 ------------------------------------------------------------------------------------


def manifest(publisher: Publisher, model: Path, **changes: Any) -> bytes:
    """Sign a manifest of a model with members of its predicate or statement replaced."""
    weighed = weigh(model)
    statement = json.loads(oms_statement(manifest_of(weighed), weighed.name))
    for key, value in changes.items():
        target = statement if key in statement else statement["predicate"]
        target[key] = value
    return publisher.signer.sign(json.dumps(statement).encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"predicateType": "https://weighbridge/release/v1"},
        {"predicateType": "https://slsa.dev/provenance/v1"},
        {"resources": []},
        {"resources": [{"name": "../x", "algorithm": "sha256", "digest": "0" * 64}]},
        {"resources": [{"name": "/etc/passwd", "algorithm": "sha256", "digest": "0" * 64}]},
        {"resources": [{"name": "a", "algorithm": "sha256", "digest": "0" * 64}] * 2},
        {"resources": [{"name": "a", "algorithm": "md5", "digest": "0" * 32}]},
        {"subject": [{"name": "x", "digest": {"sha256": "0" * 64}}]},
        {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": ["."],
            }
        },
    ],
    ids=["release", "slsa", "empty", "climbs", "absolute", "twice", "md5", "root", "ignores-all"],
)
def test_a_signed_but_unsound_manifest_is_refused_at_step_5(
    honest: Published, by_key: Check, changes: dict[str, Any], tmp_path: Path
) -> None:
    signature = tmp_path / "odd.sig"
    signature.write_bytes(manifest(honest.publisher, honest.model, **changes))
    verdict = by_key(honest, signature=signature)
    assert_refused(verdict, 5)
    assert verdict.step(1).result is Result.SKIPPED


# --- the library's own face --------------------------------------------------------------------


def test_verify_raises_what_check_returns(honest: Published) -> None:
    with pytest.raises(NotVerifiedError, match="whom to trust") as refused:
        verify(honest.model)
    assert refused.value.exit_code == 1
    assert refused.value.verdict.verdict is Conclusion.UNTRUSTED
    with pytest.raises(UndecidedError) as undecided:
        verify(honest.model, public_key=honest.publisher.pem)
    assert undecided.value.exit_code == 3
    assert undecided.value.step == 7
    honest.record.unlink()
    assert verify(honest.model, public_key=honest.publisher.pem).exit_code == 0


def test_text_and_paths_are_taken_in_the_forms_that_programs_have(honest: Published, tmp_path: Path) -> None:
    told = verify(
        str(honest.model),
        public_key=honest.publisher.pem.decode(),
        signature=str(honest.signature),
        record=str(honest.record),
        log_keys=[honest.log.vkey],
    )
    assert told.exit_code == 0
    with pytest.raises(UndecidedError, match=r"127\.0\.0\.1:9"):
        verify(
            honest.model,
            public_key=honest.publisher.pem,
            log_keys=[honest.log.vkey],
            registry="http://127.0.0.1:9",
        )


@pytest.mark.parametrize(
    "options",
    [
        {"now": datetime(2026, 1, 1)},  # noqa: DTZ001 - what is refused
        {"identity": "a@example.org"},
        {"issuer": "https://issuer.example"},
        {"identity": "", "issuer": ""},
        {"identity": ["a", "b", "c"], "issuer": ["https://i.example", "https://j.example"]},
        {"identity_regex": ".*"},
        {"identity_regex": "(?=a)", "issuer": "https://i.example"},
        {"identity_regex": "(" * 2000, "issuer": "https://i.example"},
        {"identity_regex": "", "issuer": "https://i.example"},
        {"identity_regex": "((a{1,100}){1,100}){1,100}", "issuer": "https://i.example"},
        {"ci_repository_id": "1"},
        {"ci_ref": "refs/tags/*", "issuer": "https://i.example"},
        {"staging": True, "trust_config": b"{}"},
        {"public_key": b"-----BEGIN PUBLIC KEY-----\n"},
        {"certificate_chain": [b"nothing"]},
        {"release": "acme"},
        {"release": "acme/tiny@"},
        {"release": "../tiny@1"},
        {"log_keys": ["not a key"]},
        {"witness_policy": "quorum nobody\n"},
        {"all_digests": True},
        {"ignore": ["../x"]},
    ],
)
def test_contradictory_or_malformed_options_are_a_wrong_command(
    honest: Published, verify_it: Check, options: dict[str, Any]
) -> None:
    given = {"public_key": honest.publisher.pem} if "ignore" in options else {}
    honest.record.unlink()
    with pytest.raises(InputError) as caught:
        verify_it(honest.model, **(given | options))
    assert caught.value.exit_code == 2
