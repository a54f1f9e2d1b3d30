# SPDX-License-Identifier: Apache-2.0
"""Step 9: a yank that lies beside the model counts offline; nobody else can yank, nor lift a yank."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.library.verification.conftest import Check
from tests.library.verification.expectations import assert_refused, assert_verified, assert_warned, told
from tests.records import Published, Publisher, TinyLog
from weighbridge.verdict import Result

RELEASE = 3


def record(honest: Published, *bundles: bytes, without: Sequence[int] = ()) -> None:
    """Record bundles in the log, and write the record of all but some entries beside the model."""
    honest.log.add(*bundles)
    entries = [index for index in range(len(honest.log.leaves)) if index not in without]
    honest.record.write_bytes(honest.log.record(entries))


def yank(honest: Published, **content: object) -> bytes:
    return honest.publisher.status(honest.log, honest.log.bundles[RELEASE], "yanked", **content)  # type: ignore[arg-type]  # members of a predicate


def test_a_yank_in_the_record_fails_offline(honest: Published, by_release: Check) -> None:
    record(honest, yank(honest, reason="poisoned data", security=True))
    verdict = by_release(honest)
    assert_refused(
        verdict, 9, "withdrew this release as dangerous: poisoned data", "entry 4 of log.example/tiny"
    )
    assert verdict.step(9).evidence["status"]["index"] == 4
    assert_warned(by_release(honest, allow_yanked=True), 9, "poisoned data", "You allowed that")


def test_a_restoration_lifts_it_and_a_later_yank_counts_again(honest: Published, by_release: Check) -> None:
    release, first = honest.log.bundles[RELEASE], yank(honest)
    restored = honest.publisher.status(honest.log, release, "restored", previous=first)
    record(honest, first, restored)
    verdict = by_release(honest)
    assert_verified(verdict)
    assert verdict.step(9).result is Result.REPORTED
    assert "restored by its publisher (entry 5" in verdict.step(9).reason
    record(honest, honest.publisher.status(honest.log, release, "yanked", previous=restored))
    assert_refused(by_release(honest), 9, "entry 6")
    record(honest, without=[5])
    assert_refused(by_release(honest), 9, "entry 6")


@pytest.mark.parametrize("state", ["deprecated", "superseded"])
def test_an_old_release_is_warned_of(honest: Published, by_release: Check, state: str) -> None:
    by = {"superseded_by": {"kind": "release", "sha256": "6" * 64}} if state == "superseded" else {}
    record(honest, honest.publisher.status(honest.log, honest.log.bundles[RELEASE], state, **by))
    assert_warned(by_release(honest), 9, f"{state} by its publisher: it is {state}")


def test_without_a_status_nothing_is_said(honest: Published, by_release: Check) -> None:
    verdict = by_release(honest)
    assert (verdict.step(9).result, verdict.exit_code) == (Result.SKIPPED, 0), told(verdict)


def test_a_stranger_neither_yanks_nor_restores(honest: Published, by_release: Check) -> None:
    """A log that admits what it must not: the statement is told of, and does nothing."""
    stranger, release = Publisher(), honest.log.bundles[RELEASE]
    record(honest, stranger.introduction(honest.log), stranger.status(honest.log, release, "yanked"))
    assert_warned(by_release(honest), 9, "is not shown to be an owner")
    mine = yank(honest)
    record(honest, mine, stranger.status(honest.log, release, "restored", previous=mine))
    assert_refused(by_release(honest), 9, "it is yanked")


def test_who_was_removed_as_an_owner_yanks_no_more(honest: Published, by_release: Check) -> None:
    other = Publisher()
    handed = honest.publisher.namespace(
        honest.log, "acme", [honest.publisher, other], previous=honest.log.bundles[1]
    )
    change = other.namespace(honest.log, "acme", [other], previous=handed)
    record(honest, other.introduction(honest.log), handed, change, yank(honest))
    assert_warned(by_release(honest), 9, "is not shown to be an owner")
    record(honest, other.status(honest.log, honest.log.bundles[RELEASE], "yanked"))
    assert_refused(by_release(honest), 9, "it is yanked")


def test_a_yank_of_another_release_or_log_or_with_a_false_receipt(
    honest: Published, by_release: Check
) -> None:
    other = TinyLog.new("log.example/other")
    elsewhere = honest.publisher.status(other, honest.log.bundles[RELEASE], "yanked")
    of_oms = honest.publisher.status(honest.log, honest.log.bundles[2], "yanked")
    other.add(elsewhere)
    record(honest, of_oms)
    honest.record.write_bytes(honest.record.read_bytes() + other.record([0]))
    verdict = by_release(honest)
    assert verdict.step(9).result is Result.SKIPPED, told(verdict)


def test_a_yank_counts_where_the_log_is_not_pinned_but_the_signer_is(
    honest: Published, by_key: Check
) -> None:
    record(honest, yank(honest))
    verdict = by_key(honest, log_keys=[], release=honest.title)
    assert verdict.exit_code == 1, told(verdict)
    assert verdict.step(9).result is Result.FAIL
    assert "as the record says" in verdict.step(9).reason
