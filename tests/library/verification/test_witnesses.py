# SPDX-License-Identifier: Apache-2.0
"""Step 8: independent co-signers, as the verifier's own policy demands them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.library.verification.conftest import Check
from tests.library.verification.expectations import assert_refused, assert_verified
from tests.models import tiny_model
from tests.records import Published, TinyLog, published
from weighbridge.tlog import Algorithm, Signer
from weighbridge.verdict import Result


def witness(name: str) -> Signer:
    return Signer.generate(name, Algorithm.ED25519_COSIGNATURE)


WITNESSES = [witness(f"w{number}.example") for number in range(3)]


def policy(log: TinyLog, quorum: str = "quorum two") -> str:
    """Two of three."""
    lines = [f"log {log.vkey}"]
    lines += [f"witness w{number} {each.verifier.vkey}" for number, each in enumerate(WITNESSES)]
    lines += ["group two 2 w0 w1 w2", quorum]
    return "".join(line + "\n" for line in lines)


@pytest.fixture
def cosigned(tmp_path: Path) -> Published:
    log = TinyLog.new()
    log.witnesses = WITNESSES[:2]
    return published(tiny_model(tmp_path / "m"), log=log)


def test_enough_co_signers_pass_and_tell_how_fresh_the_record_is(
    cosigned: Published, verify_it: Check
) -> None:
    verdict = verify_it(cosigned.model, release=cosigned.title, witness_policy=policy(cosigned.log))
    assert_verified(verdict)
    assert verdict.step(8).result is Result.PASS
    assert "w0.example" in verdict.step(8).reason
    assert "2026-11-23" in verdict.step(8).reason


def test_too_few_co_signers_fail(tmp_path: Path, verify_it: Check) -> None:
    log = TinyLog.new()
    log.witnesses = WITNESSES[:1]
    release = published(tiny_model(tmp_path / "m"), log=log)
    verdict = verify_it(release.model, release=release.title, witness_policy=policy(log))
    assert_refused(verdict, 8, "co-signers")


def test_strangers_and_impostors_do_not_count(tmp_path: Path, verify_it: Check) -> None:
    """Names of the policy's witnesses, other keys."""
    log = TinyLog.new()
    log.witnesses = [witness("w0.example"), witness("w1.example"), witness("w9.example")]
    release = published(tiny_model(tmp_path / "m"), log=log)
    verdict = verify_it(release.model, release=release.title, witness_policy=policy(log))
    assert_refused(verdict, 8)


def test_a_policy_without_a_quorum_asks_for_nothing_but_names_its_log(
    cosigned: Published, verify_it: Check
) -> None:
    verdict = verify_it(
        cosigned.model, release=cosigned.title, witness_policy=policy(cosigned.log, "quorum none")
    )
    assert_verified(verdict)
    assert verdict.step(8).result is Result.SKIPPED
    assert "as fresh as 2026-11-23" in verdict.step(7).reason


def test_a_policy_of_another_log_refuses_this_one(cosigned: Published, verify_it: Check) -> None:
    other = policy(TinyLog.new("other.example"))
    assert_refused(verify_it(cosigned.model, public_key=cosigned.publisher.pem, witness_policy=other), 7)


def test_without_a_policy_freshness_is_said_to_be_unknown(cosigned: Published, by_release: Check) -> None:
    verdict = by_release(cosigned)
    assert verdict.step(8).result is Result.SKIPPED
    assert "freshness unknown" in verdict.step(7).reason


def test_co_signers_are_asked_for_even_where_the_record_is_gone(
    cosigned: Published, verify_it: Check
) -> None:
    cosigned.record.unlink()
    verdict = verify_it(
        cosigned.model, public_key=cosigned.publisher.pem, witness_policy=policy(cosigned.log)
    )
    assert verdict.exit_code == 3
    assert verdict.step(8).result is Result.UNKNOWN
