# SPDX-License-Identifier: Apache-2.0
"""Step 11 offline: co-signers and freshness that a policy demands, patterns, releases in a record."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.library.verification.conftest import Check
from tests.models import tiny_model
from tests.records import RECEIVED, Published, Publisher, TinyLog, published
from weighbridge.errors import InputError
from weighbridge.identities import SigstoreIdentity
from weighbridge.policy import read_policy
from weighbridge.tlog import Algorithm, Signer
from weighbridge.verdict import Result, Verdict
from weighbridge.verification.demands import caution_check

WITNESS = Signer.generate("w.example", Algorithm.ED25519_COSIGNATURE)
SEEN = datetime.fromtimestamp(RECEIVED, UTC)


def policy(
    one: Published, rule: str = "", *, more: str = "", witnesses: bool = True, key: str | None = None
) -> str:
    """A policy for acme with one co-signer, and some more demands."""
    lines = f"log {one.log.vkey}\nwitness w {WITNESS.verifier.vkey}\nquorum w\n"
    text = f'witness_policy = """\n{lines}"""\n' if witnesses else f'logs = ["{one.log.vkey}"]\n'
    pem = key or one.publisher.pem.decode()
    return (
        f'v = 1\n{text}[signers.acme]\ntype = "key"\npublic_key = """\n{pem}"""\n{more}'
        f'[[rules]]\nreleases = ["acme/*"]\nsigners = ["acme"]\n{rule}\n'
    )


@pytest.fixture
def cosigned(tmp_path: Path) -> Published:
    log = TinyLog.new()
    log.witnesses = [WITNESS]
    return published(tiny_model(tmp_path / "m"), log=log)


@pytest.fixture
def alone(tmp_path: Path) -> Published:
    return published(tiny_model(tmp_path / "m"))


def eleven(verdict: Verdict) -> Result:
    return verdict.step(11).result


def test_co_signers_that_a_policy_demands(cosigned: Published, verify_it: Check) -> None:
    verdict = verify_it(cosigned.model, policy=policy(cosigned, "witnessed = true\nrecorded = true"))
    assert (verdict.exit_code, verdict.step(8).result, eleven(verdict)) == (0, Result.PASS, Result.PASS)


def test_their_absence_fails(alone: Published, verify_it: Check) -> None:
    verdict = verify_it(alone.model, policy=policy(alone, "witnessed = true"))
    assert (verdict.exit_code, verdict.step(8).result, eleven(verdict)) == (1, Result.FAIL, Result.FAIL)


@pytest.mark.parametrize(
    ("age", "result"), [(timedelta(days=6), Result.PASS), (timedelta(days=8), Result.FAIL)]
)
def test_how_old_the_record_may_be(
    cosigned: Published, verify_it: Check, age: timedelta, result: Result
) -> None:
    verdict = verify_it(cosigned.model, policy=policy(cosigned, "fresh_within_days = 7"), now=SEEN + age)
    assert eleven(verdict) is result


def test_a_witness_in_the_future_makes_nothing_fresh(cosigned: Published, verify_it: Check) -> None:
    early = SEEN - timedelta(days=1)
    verdict = verify_it(cosigned.model, policy=policy(cosigned, "fresh_within_days = 7"), now=early)
    assert (verdict.exit_code, eleven(verdict)) == (3, Result.UNKNOWN)


def test_another_log_than_the_policys_is_refused(alone: Published, verify_it: Check) -> None:
    other = TinyLog.new("other.example/log")
    text = policy(alone, "recorded = true", witnesses=False).replace(alone.log.vkey, other.vkey)
    verdict = verify_it(alone.model, policy=text)
    assert (verdict.exit_code, verdict.step(7).result, eleven(verdict)) == (1, Result.FAIL, Result.FAIL)


def test_the_release_in_the_record_decides_which_rule_counts(
    alone: Published, verify_it: Check, tmp_path: Path
) -> None:
    """Files that are recorded under two names are neither, until somebody says which."""
    verdict = verify_it(alone.model, policy=policy(alone, witnesses=False))
    assert (verdict.exit_code, eleven(verdict)) == (0, Result.PASS)
    twice = alone.publisher.release(alone.log, alone.model, "acme/other@1.0")
    entries = [0, 1, 2, 3, *alone.log.add(twice)]
    alone.record.write_bytes(alone.log.record(entries))
    both = verify_it(alone.model, policy=policy(alone, witnesses=False))
    assert both.exit_code == 1
    assert "say which this is" in both.step(11).reason or both.step(4).result is Result.FAIL
    named = verify_it(alone.model, policy=policy(alone, witnesses=False), release="acme/other@1.0")
    assert (named.exit_code, eleven(named)) == (0, Result.PASS)


def test_a_release_by_somebody_whom_the_rule_does_not_name(tmp_path: Path, verify_it: Check) -> None:
    """The manifest is by the rule's signer, the release by another owner: both must be named."""
    model, log, first, second = tiny_model(tmp_path / "m"), TinyLog.new(), Publisher(), Publisher()
    oms, release = first.oms(model), second.release(log, model, "acme/tiny@1.0")
    log.add(
        first.introduction(log),
        second.introduction(log),
        first.namespace(log, "acme", [first, second]),
        oms,
        release,
    )
    (model / "model.sig").write_bytes(oms)
    (model / "provenance.jsonl").write_bytes(log.record())
    one = Published(model, first, log, "acme/tiny@1.0")
    verdict = verify_it(model, policy=policy(one, witnesses=False), release=one.title)
    assert (verdict.step(6).result, eleven(verdict)) == (Result.PASS, Result.FAIL)
    assert "not by" in verdict.step(11).reason


def test_evidence_tells_each_check(alone: Published, verify_it: Check) -> None:
    verdict = verify_it(alone.model, policy=policy(alone, "openness = 1\nwhole = true", witnesses=False))
    evidence = json.loads(json.dumps(verdict.step(11).to_json()))["evidence"]
    assert {one["what"]: one["result"] for one in evidence["checks"]} == {
        "signer": "pass",
        "release": "pass",
        "whole": "pass",
        "openness": "fail",
    }
    assert evidence["rule"] == "rule 1"


def test_nothing_is_judged_where_no_signature_was_accepted(alone: Published, verify_it: Check) -> None:
    other = Publisher().pem.decode()
    verdict = verify_it(alone.model, policy=policy(alone, witnesses=False, key=other))
    assert (verdict.exit_code, verdict.step(4).result, eleven(verdict)) == (1, Result.FAIL, Result.UNKNOWN)


def test_a_pattern_that_strangers_fit_is_a_warning() -> None:
    domain, issuer = "d" * 64, "https://login.example"
    text = (
        "v = 1\n[signers.{name}]\ntype = 'pattern'\ntrust_domain = 'sha256:{domain}'\nissuer = '{issuer}'\n"
    )
    signer = SigstoreIdentity(domain, issuer, "release@acme.example")
    for pattern, result in ((".*", Result.WARN), (r"release@acme\.example", Result.PASS)):
        more = f"pattern = '{pattern}'\n[[rules]]\nsigners = ['all']\n"
        loaded = read_policy(text.format(name="all", domain=domain, issuer=issuer) + more)
        wanted = loaded.everybody
        assert wanted is not None
        assert wanted.accepts(signer)
        assert not wanted.accepts(SigstoreIdentity("e" * 64, issuer, signer.subject))
        assert caution_check("signer", wanted, [signer]).result is result


def test_what_contradicts_a_policy_is_a_wrong_command(alone: Published, verify_it: Check) -> None:
    with pytest.raises(InputError, match="witness policy of its own"):
        verify_it(alone.model, policy=policy(alone), witness_policy="quorum none\n")
    with pytest.raises(InputError, match="does not trust the log"):
        verify_it(
            alone.model, policy=policy(alone, witnesses=False), log_keys=[TinyLog.new("x.example/y").vkey]
        )
