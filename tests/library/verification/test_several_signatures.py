# SPDX-License-Identifier: Apache-2.0
"""Several signers of one model: each signature is counted and named, none decides unasked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.library.verification.conftest import Check
from tests.library.verification.expectations import assert_refused, assert_verified, assert_warned, told
from tests.models import tiny_model
from tests.records import Published, Publisher, TinyLog, published
from weighbridge.bundle_files import MAX_BUNDLES, split_bundles
from weighbridge.errors import BundleError, InputError
from weighbridge.memory import Memory
from weighbridge.oms import manifest_of, oms_statement
from weighbridge.verdict import Conclusion, Result
from weighbridge.weighing import weigh


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "m")


@pytest.fixture
def alice() -> Publisher:
    return Publisher()


@pytest.fixture
def bob() -> Publisher:
    return Publisher()


def write(model: Path, *bundles: bytes) -> Path:
    """Write several bundles as one signature file, one a line."""
    path = model / "model.sig"
    path.write_bytes(b"".join(bundle + b"\n" for bundle in bundles))
    return path


def test_whichever_of_the_signers_is_wanted_the_others_are_named(
    model: Path, alice: Publisher, bob: Publisher, verify_it: Check
) -> None:
    write(model, alice.oms(model), bob.oms(model))
    for publisher, source in ((alice, "model.sig:1"), (bob, "model.sig:2")):
        verdict = verify_it(model, public_key=publisher.pem)
        assert_verified(verdict)
        assert verdict.step(4).evidence["source"] == source
        assert [(each.source, each.wanted) for each in verdict.signers] == [
            ("model.sig:1", publisher is alice),
            ("model.sig:2", publisher is bob),
        ]
        assert "said to be signed by" in verdict.step(4).reason
    both = verify_it(model, public_key=[alice.pem, bob.pem])
    assert_verified(both)
    assert [each.wanted for each in both.signers] == [True, True]
    assert "Also here: model.sig:2, signed by the holder of the key" in both.step(4).reason


def test_a_stranger_s_line_changes_nothing_and_is_named(
    model: Path, alice: Publisher, bob: Publisher, verify_it: Check
) -> None:
    """Mallory may write to the mirror, and puts her signature first."""
    write(model, bob.oms(model), alice.oms(model))
    verdict = verify_it(model, public_key=alice.pem)
    assert_verified(verdict)
    assert verdict.step(4).result is Result.PASS
    assert "Also here: model.sig:1, " in verdict.step(4).reason


def test_taking_the_wanted_line_away_refuses(
    model: Path, alice: Publisher, bob: Publisher, verify_it: Check
) -> None:
    write(model, bob.oms(model), bob.oms(model))
    assert_refused(verify_it(model, public_key=alice.pem), 4, "Not signed by")


def test_a_line_with_the_wanted_signer_s_name_and_another_signature_is_no_signature(
    model: Path, alice: Publisher, verify_it: Check
) -> None:
    """The hint is copied from Alice's bundle, the signature is over other files."""
    good = json.loads(alice.oms(model))
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xee")
    forged = json.loads(Publisher().oms(model))
    forged["verificationMaterial"] = good["verificationMaterial"]
    write(model, json.dumps(forged).encode())
    assert_refused(verify_it(model, public_key=alice.pem), 4, "does not hold")
    write(model, json.dumps(forged).encode(), json.dumps(good).encode())
    verdict = verify_it(model, public_key=alice.pem)
    assert_refused(verdict, 2)
    assert [each.authenticated for each in verdict.signers] == [False, True]


def test_bare_verify_lists_all_and_gives_a_command_for_each(
    model: Path, alice: Publisher, bob: Publisher, verify_it: Check
) -> None:
    write(model, alice.oms(model), bob.oms(model))
    verdict = verify_it(model)
    assert (verdict.verdict, verdict.exit_code) == (Conclusion.UNTRUSTED, 1)
    assert "model.sig:1" in verdict.step(4).reason
    assert "model.sig:2" in verdict.step(4).reason
    assert verdict.next_commands


# --- what is no bundle ---------------------------------------------------------------------------


@pytest.mark.parametrize("spoilt", [b"{}", b"not json", b'{"mediaType": "x"}', b"null", b"{" * 5000])
def test_a_spoilt_line_is_a_warning_beside_a_good_one(
    model: Path, alice: Publisher, verify_it: Check, spoilt: bytes
) -> None:
    for lines, where in (([spoilt, alice.oms(model)], 1), ([alice.oms(model), spoilt], 2)):
        path = write(model, *lines)
        assert_warned(verify_it(model, public_key=alice.pem), 3, f"model.sig:{where} is spoilt")
        named = verify_it(model, public_key=alice.pem, signature=path)
        assert_refused(named, 3, f"model.sig:{where}: ")


def test_every_spoilt_line_is_told(model: Path, alice: Publisher, verify_it: Check) -> None:
    write(model, b"{}", alice.oms(model), b"[]", b"x")
    verdict = verify_it(model, public_key=alice.pem)
    assert_warned(verdict, 3, "model.sig:1", "model.sig:3", "model.sig:4")
    assert [each["source"] for each in verdict.step(3).evidence["spoilt"]] == [
        "model.sig:1",
        "model.sig:3",
        "model.sig:4",
    ]


def test_a_cut_file_loses_its_last_line_and_says_so(
    model: Path, alice: Publisher, bob: Publisher, verify_it: Check
) -> None:
    path = write(model, alice.oms(model), bob.oms(model))
    path.write_bytes(path.read_bytes()[:-100])
    assert_warned(verify_it(model, public_key=alice.pem), 3, "model.sig:2 is spoilt")
    assert_refused(verify_it(model, public_key=bob.pem), 3, "model.sig:2")


def test_too_many_lines_are_refused(model: Path, alice: Publisher, verify_it: Check) -> None:
    write(model, *[alice.oms(model)] * (MAX_BUNDLES + 1))
    assert_refused(verify_it(model, public_key=alice.pem), 3, "at most 32")
    write(model, *[alice.oms(model)] * MAX_BUNDLES)
    assert_verified(verify_it(model, public_key=alice.pem))


def test_one_bundle_stays_one_however_it_is_laid_out(model: Path, alice: Publisher, verify_it: Check) -> None:
    bundle = alice.oms(model)
    document = json.loads(bundle)
    inner = b'{"mediaType": "x",\n"dsseEnvelope":\n{"sig": "a"}}'
    layouts = [
        bundle,
        bundle + b"\n\n",
        json.dumps(document, indent=2).encode(),
        json.dumps(document, indent=0).encode(),
        json.dumps(document, indent=2).replace("\n", "\r\n").encode(),
    ]
    for layout in layouts:
        assert split_bundles(layout) == [(0, layout)]
        (model / "model.sig").write_bytes(layout)
        verdict = verify_it(model, public_key=alice.pem)
        assert_verified(verdict)
        assert verdict.signers[0].source == "model.sig"
    assert split_bundles(inner) == [(0, inner)]
    assert split_bundles(b"\n\r\n" + bundle + b"\r\n\n" + bundle) == [(3, bundle), (5, bundle)]


def test_millions_of_lines_are_not_looked_at_one_by_one() -> None:
    data = b"{}\n" * 2_000_000
    assert split_bundles(data) == [(0, data)]
    with pytest.raises(BundleError, match="at most 32"):
        split_bundles(b'{"mediaType": 1}\n' * 100)


@given(
    st.lists(
        st.binary(max_size=40)
        | st.sampled_from([b'{"mediaType": 1}', b'{"dsseEnvelope": {}}', b"{", b"}", b""]),
        max_size=12,
    )
)
def test_no_line_of_a_signature_file_is_silently_dropped(lines: list[bytes]) -> None:
    data = b"\n".join(lines)
    found = split_bundles(data)
    if found == [(0, data)]:
        return
    physical = data.split(b"\n")
    assert [n for n, _ in found] == [n for n, line in enumerate(physical, start=1) if line.strip()]
    assert all(physical[n - 1].strip() == bundle for n, bundle in found)


def test_an_envelope_with_two_signatures_is_refused_and_says_what_to_do(
    model: Path, alice: Publisher, bob: Publisher, verify_it: Check
) -> None:
    """Signatures are over one payload, and yet nobody could tell whose key each is under."""
    document = json.loads(alice.oms(model))
    document["dsseEnvelope"]["signatures"] += json.loads(bob.oms(model))["dsseEnvelope"]["signatures"]
    write(model, json.dumps(document).encode())
    for publisher in (alice, bob):
        assert_refused(verify_it(model, public_key=publisher.pem), 3, "has 2 signatures", "exactly one")


# --- several files -------------------------------------------------------------------------------


def test_several_signature_files_are_named(
    model: Path, alice: Publisher, bob: Publisher, verify_it: Check, tmp_path: Path
) -> None:
    files = []
    for name, publisher in (("alice", alice), ("bob", bob)):
        files.append(tmp_path / f"{name}.sig")
        files[-1].write_bytes(publisher.oms(model))
    verdict = verify_it(model, public_key=bob.pem, signature=files)
    assert_verified(verdict)
    assert [each.source for each in verdict.signers] == [str(each) for each in files]
    files[0].write_bytes(b"{}")
    assert_refused(verify_it(model, public_key=bob.pem, signature=files), 3, "alice.sig")
    files[0].unlink()
    with pytest.raises(InputError, match="alice"):
        verify_it(model, public_key=bob.pem, signature=files)
    with pytest.raises(InputError, match="at most 32"):
        verify_it(model, public_key=bob.pem, signature=[files[1]] * 33)
    files[0].write_bytes(b"\n".join([bob.oms(model)] * MAX_BUNDLES))
    assert_verified(verify_it(model, public_key=bob.pem, signature=files[:1]))
    assert_refused(verify_it(model, public_key=bob.pem, signature=files), 3, "bob.sig", "together")


def test_named_signature_files_inside_the_model_are_not_weighed(
    model: Path, alice: Publisher, bob: Publisher, verify_it: Check
) -> None:
    bundles = [alice.oms(model), bob.oms(model)]
    files = [model / "alice.sig", model / "bob.sig"]
    for file, bundle in zip(files, bundles, strict=True):
        file.write_bytes(bundle)
    assert_verified(verify_it(model, public_key=alice.pem, signature=files))
    assert_refused(verify_it(model, public_key=alice.pem, signature=files[0]), 1, "bob.sig")


# --- one signer, two stories ---------------------------------------------------------------------


def signed(publisher: Publisher, model: Path, *ignore: str) -> bytes:
    weighed = weigh(model, ignore=ignore)
    return publisher.signer.sign(oms_statement(manifest_of(weighed), weighed.name))


def test_two_manifests_of_the_wanted_signer_that_contradict_each_other_are_told(
    model: Path, alice: Publisher, bob: Publisher, verify_it: Check
) -> None:
    good = alice.oms(model)
    config = (model / "config.json").read_bytes()
    (model / "config.json").write_text("{}")
    other, stranger = alice.oms(model), bob.oms(model)
    (model / "config.json").write_bytes(config)
    write(model, good, other)
    verdict = verify_it(model, public_key=alice.pem)
    assert_warned(verdict, 4, "SIGNED DIFFERENTLY", "model.sig:2", "config.json")
    assert verdict.step(4).evidence["disagreements"][0]["source"] == "model.sig:2"
    write(model, good, stranger)  # what somebody else says contradicts nothing
    assert verify_it(model, public_key=alice.pem).step(4).result is Result.PASS
    assert_warned(verify_it(model, public_key=[alice.pem, bob.pem]), 4, "SIGNED DIFFERENTLY")


def test_an_old_manifest_that_ignores_more_is_told_when_it_comes_first(
    model: Path, alice: Publisher, verify_it: Check
) -> None:
    """Mallory has a signature of Alice's that leaves a file out, and moves it to the front."""
    strict, loose = alice.oms(model), signed(alice, model, "data_config.json")
    (model / "data_config.json").write_text("[]")
    write(model, loose, strict)
    verdict = verify_it(model, public_key=alice.pem)
    assert_warned(verdict, 4, "SIGNED DIFFERENTLY", "data_config.json", "other ignored paths")
    assert_warned(verdict, 1, "data_config.json")


def test_the_same_statement_signed_twice_or_in_another_algorithm_contradicts_nothing(
    model: Path, alice: Publisher, verify_it: Check
) -> None:
    weighed = weigh(model, algorithms=("sha256", "blake2b"))
    by_blake = alice.signer.sign(oms_statement(manifest_of(weighed, algorithm="blake2b"), weighed.name))
    write(model, alice.oms(model), alice.oms(model), by_blake)
    verdict = verify_it(model, public_key=alice.pem)
    assert verdict.step(4).result is Result.PASS, told(verdict)
    assert len(verdict.signers) == 3


def test_manifests_of_other_releases_in_the_record_contradict_nothing(tmp_path: Path, by_key: Check) -> None:
    first = published(tiny_model(tmp_path / "one"))
    again = published(
        tiny_model(tmp_path / "two", seed=2), publisher=first.publisher, log=first.log, title="acme/tiny@2.0"
    )
    again.record.write_bytes(first.log.record([0, 1, 4, 5, 2, 3]))
    verdict = by_key(again)
    assert_verified(verdict)
    assert verdict.step(4).result is Result.PASS, told(verdict)


# --- who it is, for programs ---------------------------------------------------------------------


def test_a_signer_is_told_in_its_canonical_members(honest: Published, by_key: Check) -> None:
    document: dict[str, Any] = by_key(honest).to_json()
    signer, spki = document["signers"][0], document["steps"][3]["evidence"]["spki_sha256"]
    assert (signer["type"], signer["spki_sha256"], signer["times"]) == ("key", spki, [])
    assert spki in signer["description"]
    stranger = Publisher()
    honest.signature.write_bytes(stranger.oms(honest.model))
    unknown = by_key(honest).to_json()["signers"][-1]
    assert (unknown["type"], unknown["id"], unknown["authenticated"]) == ("key", None, False)
    assert "spki_sha256" not in unknown


def test_a_new_signer_is_warned_of_when_named_by_key_too(
    tmp_path: Path, by_release: Check, by_key: Check
) -> None:
    """The namespace changed hands by the log's rules; whoever pins the new key hears of the old one."""
    memory = Memory(tmp_path / "remembers", enabled=True)
    log, old, new = TinyLog.new(), Publisher(), Publisher()
    first = published(tiny_model(tmp_path / "one"), publisher=old, log=log)
    assert_verified(by_release(first, memory=memory))
    log.add(old.namespace(log, "acme", [new], previous=log.bundles[1]))
    second = tiny_model(tmp_path / "two", seed=2)
    log.add(new.oms(second), new.release(log, second, "acme/tiny@2.0"))
    (second / "provenance.jsonl").write_bytes(log.record())
    release = Published(second, new, log, "acme/tiny@2.0")
    assert_warned(by_key(release, memory=memory), 4, "NEW SIGNER", "acme")
    assert by_key(first, memory=memory).step(4).result is Result.PASS
    assert by_key(release).step(4).result is Result.PASS, "nothing is remembered elsewhere"
