# SPDX-License-Identifier: Apache-2.0
"""Step 8: independent co-signers, as the verifier's own policy demands them."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.library.verification.conftest import Check
from tests.library.verification.expectations import assert_refused, assert_verified, assert_warned
from tests.models import tiny_model
from tests.records import RECEIVED, Published, TinyLog, published
from weighbridge.records import format_record, parse_record
from weighbridge.tlog import (
    Algorithm,
    Signer,
    add_signatures,
    cosign,
    format_note,
    format_receipt,
    parse_receipt,
    split_note,
)
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


def signed_ahead(tmp_path: Path, *times: int) -> Published:
    """A record whose first witnesses name these times."""
    log = TinyLog.new()
    honest = TinyLog.checkpoint

    def checkpoint(size: int | None = None) -> bytes:
        note = honest(log, size)
        lines = [cosign(note, each, time) for each, time in zip(WITNESSES, times, strict=False)]
        return add_signatures(note, lines)

    log.checkpoint = checkpoint  # type: ignore[method-assign]  # this log's witnesses have odd clocks
    return published(tiny_model(tmp_path / "m"), log=log)


YEAR_2100 = 4_102_444_800


def test_a_witness_from_the_future_does_not_make_an_old_record_fresh(
    tmp_path: Path, verify_it: Check
) -> None:
    """An old receipt, kept by somebody who hides what came later, with one lying witness among two."""
    release = signed_ahead(tmp_path, RECEIVED, YEAR_2100)
    verdict = verify_it(release.model, release=release.title, witness_policy=policy(release.log))
    assert_warned(verdict, 8, "as fresh as 2026-11-23", "w1.example names a time that is still to come")
    assert "2100" not in verdict.step(7).reason
    assert verdict.step(8).evidence["fresh"] == RECEIVED
    assert verdict.step(8).evidence["ahead"] == ["w1.example"]


def test_only_times_to_come_tell_nothing(tmp_path: Path, verify_it: Check) -> None:
    release = signed_ahead(tmp_path, YEAR_2100, 2**62)
    verdict = verify_it(release.model, release=release.title, witness_policy=policy(release.log))
    assert_warned(verdict, 8, "freshness unknown")
    assert "freshness unknown" in verdict.step(7).reason


def test_a_slightly_fast_clock_is_no_lie(tmp_path: Path, verify_it: Check) -> None:
    release = signed_ahead(tmp_path, RECEIVED + 200, RECEIVED + 200)
    now = datetime.fromtimestamp(RECEIVED, UTC)
    verdict = verify_it(release.model, release=release.title, witness_policy=policy(release.log), now=now)
    assert verdict.step(8).result is Result.PASS, verdict.step(8)


def test_the_whole_record_is_checked_without_any_network(
    cosigned: Published, verify_it: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pinned log key and policy, record beside the model: not one socket is opened or name resolved."""

    def forbidden(*_arguments: object, **_more: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "create_connection", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    verdict = verify_it(cosigned.model, release=cosigned.title, witness_policy=policy(cosigned.log))
    assert_verified(verdict)
    assert [verdict.step(n).result for n in (7, 8)] == [Result.PASS, Result.PASS]
    pinned = policy(cosigned.log).replace(f"log {cosigned.log.vkey}\n", "")
    verdict = verify_it(
        cosigned.model, release=cosigned.title, witness_policy=pinned, log_keys=[cosigned.log.vkey]
    )
    assert_verified(verdict)
    assert verdict.step(8).result is Result.PASS


def test_a_cosignature_moved_from_another_checkpoint_refuses_the_record(
    cosigned: Published, verify_it: Check
) -> None:
    """Somebody makes up for a missing witness with its line from an older tree: a known key that fails."""
    older = cosigned.log.checkpoint(2).decode().splitlines()[-1]
    lines = []
    for one in parse_record(cosigned.record.read_bytes()):
        receipt = parse_receipt(one.receipt)
        text, signatures = split_note(receipt.checkpoint)
        kept = [line for line in signatures if line.name != "w1.example"]
        forged = format_note(text, kept) + f"{older}\n".encode()
        lines.append(replace(one, receipt=format_receipt(replace(receipt, checkpoint=forged))))
    cosigned.record.write_bytes(format_record(lines))
    verdict = verify_it(cosigned.model, release=cosigned.title, witness_policy=policy(cosigned.log))
    assert_refused(verdict, 8, "does not hold")
