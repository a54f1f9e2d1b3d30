# SPDX-License-Identifier: Apache-2.0
"""What a client saw before: deleted records, new signers, forks and rollbacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.library.verification.conftest import Check
from tests.library.verification.expectations import (
    assert_refused,
    assert_undecided,
    assert_verified,
    assert_warned,
)
from tests.models import tiny_model
from tests.records import Published, Publisher, TinyLog, published
from weighbridge.leaves import encode_leaf
from weighbridge.memory import Memory
from weighbridge.trust import TrustStore
from weighbridge.verdict import Result


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "remembers", enabled=True)


def test_a_deleted_record_is_noticed_where_the_model_was_seen_recorded(
    honest: Published, by_release: Check, by_key: Check, memory: Memory
) -> None:
    assert_verified(by_release(honest, memory=memory))
    honest.record.unlink()
    verdict = by_key(honest, memory=memory)
    assert_undecided(verdict, 7, "acme/tiny@1.0", "log.example/tiny", "--registry")
    assert_verified(by_key(honest))  # elsewhere nobody can know


def test_a_verification_that_failed_is_not_remembered(
    honest: Published, by_release: Check, by_key: Check, memory: Memory
) -> None:
    (honest.model / "config.json").write_text("{}")
    assert by_release(honest, memory=memory).exit_code == 1
    assert memory.signers(honest.log.origin, "acme") == frozenset()


def test_a_new_signer_of_a_known_name_is_warned_of_loudly(
    tmp_path: Path, by_release: Check, memory: Memory
) -> None:
    """The namespace changed hands in the log, all by its rules; this computer knew the former owner."""
    log, old, new = TinyLog.new(), Publisher(), Publisher()
    first = published(tiny_model(tmp_path / "one"), publisher=old, log=log)
    assert_verified(by_release(first, memory=memory))
    claim = log.bundles[1]
    log.add(old.namespace(log, "acme", [new], previous=claim))
    second = tiny_model(tmp_path / "two", seed=2)
    log.add(new.oms(second), new.release(log, second, "acme/tiny@2.0"))
    (second / "provenance.jsonl").write_bytes(log.record())
    verdict = by_release(Published(second, new, log, "acme/tiny@2.0"), memory=memory)
    assert_warned(verdict, 4, "NEW SIGNER", "acme")
    assert verdict.step(4).result is Result.WARN


def test_the_same_signer_again_is_no_news(tmp_path: Path, by_release: Check, memory: Memory) -> None:
    first = published(tiny_model(tmp_path / "one"))
    assert_verified(by_release(first, memory=memory))
    again = published(
        tiny_model(tmp_path / "two", seed=2), publisher=first.publisher, log=first.log, title="acme/tiny@2.0"
    )
    verdict = by_release(again, memory=memory)
    assert verdict.step(4).result is Result.PASS


def test_a_log_that_shows_another_tree_of_a_size_seen_before_is_a_fork(
    honest: Published, by_release: Check, memory: Memory, tmp_path: Path
) -> None:
    assert_verified(by_release(honest, memory=memory))
    log = honest.log
    forked = TinyLog(log.signer, list(log.leaves), list(log.bundles))
    forked.leaves[0] = encode_leaf(forked.leaves[0][18:82].decode(), 1)
    honest.record.write_bytes(forked.record())
    verdict = by_release(honest, memory=memory)
    assert_refused(verdict, 7, "two different trees", "evidence")
    assert len(list((tmp_path / "remembers" / "evidence").glob("fork-*.json"))) == 1


def test_an_older_receipt_than_remembered_is_no_rollback(
    honest: Published, by_release: Check, memory: Memory, tmp_path: Path
) -> None:
    old = honest.record.read_bytes()
    published(
        tiny_model(tmp_path / "two", seed=2),
        publisher=honest.publisher,
        log=honest.log,
        title="acme/tiny@2.0",
    )
    honest.record.write_bytes(honest.log.record([0, 1, 2, 3]))
    assert_verified(by_release(honest, memory=memory))
    honest.record.write_bytes(old)
    assert_verified(by_release(honest, memory=memory))


def test_pinned_once_is_trusted_again(honest: Published, verify_it: Check, tmp_path: Path) -> None:
    trust = TrustStore(tmp_path / "pins")
    trust.trust(honest.log.vkey)
    assert_verified(verify_it(honest.model, release=honest.title, trust=trust))


def test_verify_never_pins(honest: Published, by_release: Check, verify_it: Check, tmp_path: Path) -> None:
    trust = TrustStore(tmp_path / "pins")
    assert_verified(by_release(honest, trust=trust))
    assert verify_it(honest.model, release=honest.title, trust=trust).exit_code == 3
    assert trust.logs() == ()


def test_a_home_that_cannot_be_written_is_a_warning_not_the_end(
    honest: Published, by_release: Check, tmp_path: Path
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    verdict = by_release(honest, memory=Memory(blocked, enabled=True))
    assert_warned(verdict, 7, "nothing is remembered")
