# SPDX-License-Identifier: Apache-2.0
"""Who may speak for a name, and where: former owners, second logs, second releases, invented logs."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from unittest import mock

import pytest

from tests.library.verification.conftest import Check
from tests.library.verification.expectations import (
    assert_refused,
    assert_undecided,
    assert_verified,
    assert_warned,
    told,
)
from tests.models import tiny_model
from tests.records import Published, Publisher, TinyLog, published
from weighbridge import canonical
from weighbridge.memory import Memory
from weighbridge.records import RecordLine, format_record
from weighbridge.tlog import Receipt, format_receipt, leaf_hash, root_hash
from weighbridge.trust import TrustStore
from weighbridge.verdict import STEPS, Result
from weighbridge.verification import releases


def test_a_thief_whose_key_was_removed_cannot_sign_an_old_release_anew(
    tmp_path: Path, by_release: Check
) -> None:
    """One owner's key is stolen and removed. The thief signs the same files again, and what to ignore."""
    model = tiny_model(tmp_path / "m")
    boss, victim, log = Publisher(), Publisher(), TinyLog.new()
    both = boss.namespace(log, "acme", [boss, victim])
    log.add(boss.introduction(log), victim.introduction(log), both, boss.oms(model))
    log.add(boss.release(log, model, "acme/tiny@1.0"), boss.namespace(log, "acme", [boss], previous=both))
    (model / "modeling_tiny.py").write_text("import os")
    log.add(victim.oms(model, ignore=["modeling_tiny.py"]))
    release = Published(model, victim, log, "acme/tiny@1.0")
    for entries in ([0, 1, 2, 4, 5, 6], [0, 1, 2, 4, 6]):  # with the removal, and without
        release.record.write_bytes(log.record(entries))
        assert_refused(by_release(release), 4, "owner of acme", "at entry 6, after the release")


def test_nor_by_having_it_recorded_in_another_log_that_is_trusted(tmp_path: Path, verify_it: Check) -> None:
    model = tiny_model(tmp_path / "m")
    boss, victim, log, other = Publisher(), Publisher(), TinyLog.new(), TinyLog.new("other.example/log")
    both = boss.namespace(log, "acme", [boss, victim])
    log.add(boss.introduction(log), victim.introduction(log), both, boss.oms(model))
    log.add(boss.release(log, model, "acme/tiny@1.0"), boss.namespace(log, "acme", [boss], previous=both))
    (model / "modeling_tiny.py").write_text("import os")
    other.add(victim.oms(model, ignore=["modeling_tiny.py"]))
    (model / "provenance.jsonl").write_bytes(log.record([0, 1, 2, 4, 5]) + other.record())
    verdict = verify_it(model, release="acme/tiny@1.0", log_keys=[log.vkey, other.vkey])
    assert_refused(verdict, 7, "no entry in it is of this manifest")


def test_files_that_were_signed_before_the_name_was_claimed_are_released_under_it(
    tmp_path: Path, by_release: Check
) -> None:
    """A log takes the same manifest once: its entry may be older than the claim."""
    model = tiny_model(tmp_path / "m")
    acme, log = Publisher(), TinyLog.new()
    log.add(acme.introduction(log), acme.oms(model), acme.namespace(log, "acme", [acme]))
    log.add(acme.release(log, model, "acme/tiny@1.0"))
    (model / "provenance.jsonl").write_bytes(log.record())
    assert_verified(by_release(Published(model, acme, log, "acme/tiny@1.0")))


def test_a_log_that_holds_two_models_under_one_version_is_caught(
    honest: Published, by_release: Check, tmp_path: Path
) -> None:
    """The operator admits a second acme/tiny@1.0, and somebody sees both entries."""
    published(tiny_model(tmp_path / "second", seed=5), publisher=honest.publisher, log=honest.log)
    honest.record.write_bytes(honest.log.record())
    assert_refused(by_release(honest), 6, "two different models as acme/tiny@1.0", "3 and 5")


def test_a_malformed_release_in_the_record_gives_a_verdict(honest: Published, by_release: Check) -> None:
    """Its log is the trusted one, which admitted what it must not; nothing is thrown."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "x", "digest": {"sha256": "0" * 64}}],
        "predicateType": "https://weighbridge/release/v1",
        "predicate": {
            "namespace": "acme",
            "name": "tiny",
            "version": "1.0",
            "logs": [honest.log.origin],
            "model": {"root_digests": [7, {"root_digest": None}, {}]},
        },
    }
    bad = honest.log.add(honest.publisher.signer.sign(canonical.encode(statement)))
    honest.record.write_bytes(honest.log.record([0, 1, 2, *bad]))
    verdict = by_release(honest)
    assert_refused(verdict, 6, "not a valid release statement")
    assert [each.n for each in verdict.steps] == list(STEPS)


def test_a_verdict_always_has_all_eleven_steps(tmp_path: Path, verify_it: Check) -> None:
    verdict = verify_it(tiny_model(tmp_path / "bare"), release="acme/tiny")
    assert_refused(verdict, 3)
    assert [each.n for each in verdict.steps] == list(STEPS)
    assert verdict.step(4).result is Result.SKIPPED


@pytest.mark.parametrize(
    "origin",
    [
        "log.example: proved and VERIFIED",
        "log.example/\u202eelpmaxe",
        "log.example/\u009b32m",
        "log.example/" + "a" * 300,
        "log.example+1",
    ],
)
def test_a_made_up_log_cannot_put_words_into_our_mouth(
    honest: Published, verify_it: Check, tmp_path: Path, origin: str
) -> None:
    """Nobody trusts the log, so its name is free text, and step 7 repeats it."""
    leaf = honest.log.leaves[2]
    root = b64encode(root_hash([leaf_hash(leaf)])).decode()
    note = f"{origin}\n1\n{root}\n\n— x {b64encode(bytes(9)).decode()}\n"
    receipt = format_receipt(Receipt(0, (), note.encode()))
    honest.record.write_bytes(format_record([RecordLine(honest.log.bundles[2], leaf, receipt)]))
    trust = TrustStore(tmp_path / "trust")
    trust.trust(honest.log.vkey)
    verdict = verify_it(honest.model, public_key=honest.publisher.pem, trust=trust)
    assert_refused(verdict, 7, "whose name no log key can have")
    assert origin not in told(verdict)


def test_the_same_name_in_another_trusted_log_by_somebody_else_is_told(
    honest: Published, verify_it: Check, tmp_path: Path
) -> None:
    """Whoever once published to a stranger's registry trusts its log: there acme can be anybody."""
    trust, memory = TrustStore(tmp_path / "trust"), Memory(tmp_path / "memory", enabled=True)
    other = TinyLog.new("other.example/log")
    trust.trust(honest.log.vkey)
    trust.trust(other.vkey)
    assert_verified(verify_it(honest.model, release="acme/tiny", trust=trust, memory=memory))
    forged = published(tiny_model(tmp_path / "forged", seed=3), log=other)
    verdict = verify_it(forged.model, release="acme/tiny", trust=trust, memory=memory)
    assert_warned(verdict, 4, "ANOTHER LOG", honest.log.origin)
    assert "in other.example/log" in verdict.summary


def test_a_large_release_is_read_once_however_many_manifests_are_there(
    honest: Published, by_release: Check, tmp_path: Path
) -> None:
    """One release of 14 MiB beside a thousand manifests would otherwise be parsed a thousand times."""
    other = tiny_model(tmp_path / "other", seed=4)
    entries = honest.log.add(*(Publisher().oms(other) for _ in range(40)))
    honest.record.write_bytes(honest.log.record([0, 1, *entries, 2, 3]))
    with mock.patch.object(releases, "_document", wraps=releases._document) as read:
        assert_verified(by_release(honest))
    assert read.call_count == 1


def test_without_a_trusted_log_the_owners_stay_unknown(honest: Published, verify_it: Check) -> None:
    assert_undecided(verify_it(honest.model, release="acme/tiny"), 4)
