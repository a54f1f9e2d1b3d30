# SPDX-License-Identifier: Apache-2.0
"""Step 7: forged, foreign, truncated and exchanged proofs of recording."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.library.verification.conftest import Check
from tests.library.verification.expectations import assert_refused, assert_undecided, assert_verified, told
from tests.models import tiny_model
from tests.records import Published, Publisher, TinyLog, published
from weighbridge.bundles import parse_bundle
from weighbridge.leaves import encode_leaf
from weighbridge.records import RecordLine, format_record
from weighbridge.tlog import (
    Checkpoint,
    Receipt,
    Signer,
    format_receipt,
    leaf_hash,
    parse_receipt,
    root_hash,
    sign_note,
)
from weighbridge.verdict import Result


def rewritten(release: Published, index: int, line: RecordLine) -> None:
    """Replace one line of the record beside a model."""
    lines = release.log.lines()
    lines[index] = line
    release.record.write_bytes(format_record(lines))


def test_a_receipt_of_another_log_is_refused_where_one_log_is_named(
    honest: Published, by_key: Check, by_release: Check
) -> None:
    other = TinyLog.new("other.example/log")
    assert_refused(by_key(honest, log_keys=[other.vkey]), 7, "log.example/tiny", "other.example/log")
    assert by_release(honest, log_keys=[other.vkey]).exit_code == 1


def test_a_record_may_hold_receipts_of_several_logs_and_the_named_one_counts(
    honest: Published, by_release: Check
) -> None:
    """Published twice, in two registries: whoever trusts one of them finds what they need."""
    log, second = honest.log, TinyLog.new("second.example")
    publisher = honest.publisher
    second.add(publisher.namespace(second, "acme", [publisher]), log.bundles[2])
    second.add(publisher.release(second, honest.model, honest.title))
    honest.record.write_bytes(format_record([*second.lines(), *log.lines()]))
    for trusted in (log, second):
        verdict = by_release(honest, log_keys=[trusted.vkey])
        assert_verified(verdict)
        assert trusted.origin in verdict.step(7).reason
    assert_verified(by_release(honest, log_keys=[log.vkey, second.vkey]))


def test_a_log_that_nobody_pinned_is_undecided(honest: Published, verify_it: Check) -> None:
    verdict = verify_it(honest.model, public_key=honest.publisher.pem)
    assert_undecided(verdict, 7, "log.example/tiny", "not trusted here", "log trust add")
    assert verdict.step(2).result is Result.PASS


def test_a_log_that_takes_the_pinned_ones_name_is_refused(tmp_path: Path, by_key: Check) -> None:
    """Same origin, another key: the impostor's signature line is not the pinned key's."""
    impostor, genuine = TinyLog.new(), TinyLog.new()
    release = published(tiny_model(tmp_path / "m"), log=impostor)
    assert_refused(by_key(release, log_keys=[genuine.vkey]), 7)


@pytest.mark.parametrize("what", ["size", "root", "origin"])
def test_a_changed_checkpoint_is_refused(honest: Published, by_key: Check, what: str) -> None:
    line = honest.log.line(2)
    receipt = parse_receipt(line.receipt)
    text, rest = receipt.checkpoint.split(b"\n\n", 1)
    lines = text.split(b"\n")
    lines[{"origin": 0, "size": 1, "root": 2}[what]] = {
        "origin": b"log.example/tinY",
        "size": b"5",
        "root": base64.b64encode(bytes(32)),
    }[what]
    forged = replace(receipt, checkpoint=b"\n".join(lines) + b"\n\n" + rest)
    rewritten(honest, 2, replace(line, receipt=format_receipt(forged)))
    assert_refused(by_key(honest), 7)


def test_an_index_at_or_above_the_size_is_refused(honest: Published, by_key: Check) -> None:
    line = honest.log.line(2)
    for index in (4, 5, 2**40):
        changed = line.receipt.replace(b"index 2\n", b"index %d\n" % index)
        rewritten(honest, 2, replace(line, receipt=changed))
        assert_refused(by_key(honest), 7)


def test_another_entrys_proof_proves_nothing_of_this_one(honest: Published, by_key: Check) -> None:
    log = honest.log
    rewritten(honest, 2, replace(log.line(2), receipt=log.line(3).receipt))
    assert_refused(by_key(honest), 7)
    rewritten(honest, 2, replace(log.line(2), leaf=log.line(3).leaf, receipt=log.line(3).receipt))
    assert_refused(by_key(honest), 7, "another bundle")


def test_a_leaf_made_up_for_the_bundle_is_not_in_the_tree(honest: Published, by_key: Check) -> None:
    line = honest.log.line(2)
    rewritten(honest, 2, replace(line, leaf=encode_leaf(parse_bundle(line.bundle).sha256, 1)))
    assert_refused(by_key(honest), 7)


def test_a_bundle_exchanged_under_its_receipt_is_refused(honest: Published, by_key: Check) -> None:
    """The evil manifest is signed by the right key, but what is recorded is another one."""
    line = honest.log.line(2)
    evil = honest.publisher.oms(honest.model, ignore=["config.json"])
    rewritten(honest, 2, replace(line, bundle=evil))
    assert_refused(by_key(honest), 7, "another bundle")


def test_a_genuine_record_of_another_model_is_refused(
    honest: Published, by_key: Check, tmp_path: Path
) -> None:
    other = published(
        tiny_model(tmp_path / "other", seed=3), publisher=honest.publisher, log=honest.log, title="acme/o@1"
    )
    verdict = by_key(honest, signature=honest.signature, record=other.record)
    assert_refused(verdict, 7, "another signature")


def test_a_statement_copied_to_a_log_that_it_was_not_meant_for_is_refused(
    tmp_path: Path, by_release: Check
) -> None:
    model = tiny_model(tmp_path / "m")
    publisher, meant, other = Publisher(), TinyLog.new("meant.example"), TinyLog.new("other.example")
    other.add(publisher.namespace(meant, "acme", [publisher]))
    other.add(publisher.oms(model), publisher.release(meant, model, "acme/tiny@1.0"))
    (model / "provenance.jsonl").write_bytes(other.record())
    release = Published(model, publisher, other, "acme/tiny@1.0")
    verdict = by_release(release)
    assert verdict.exit_code == 1
    assert verdict.step(7).result is Result.FAIL
    assert "did not mean" in verdict.step(7).reason


def test_two_trees_of_one_size_in_one_record_are_a_fork(honest: Published, by_key: Check) -> None:
    """The log key signed a second history; the record happens to hold both."""
    log = honest.log
    forked = TinyLog(log.signer, list(log.leaves), list(log.bundles))
    forked.leaves[3] = encode_leaf("0" * 64, 1)
    lines = log.lines()
    lines[2] = forked.line(2)
    honest.record.write_bytes(format_record(lines))
    verdict = by_key(honest, release=honest.title)
    assert_refused(verdict, 7, "two different trees of size 4")
    assert len(verdict.step(7).evidence["checkpoints"]) == 2


def test_receipts_of_different_ages_are_no_fork(honest: Published, by_key: Check, by_release: Check) -> None:
    log = honest.log
    log.add(Publisher().oms(honest.model))
    lines = [log.line(0, size=2), log.line(1, size=3), log.line(2), log.line(3)]
    honest.record.write_bytes(format_record(lines))
    assert_verified(by_release(honest))
    assert_verified(by_key(honest))


def test_a_checkpoint_signed_by_another_origins_pinned_key_is_refused(
    honest: Published, by_key: Check
) -> None:
    """Both logs are pinned; one of them speaks in the other's name."""
    friend = Signer.generate("friend.example")
    log = honest.log
    line = log.line(2)
    receipt = parse_receipt(line.receipt)
    size = len(log.leaves)
    text = Checkpoint(log.origin, size, root_hash([leaf_hash(leaf) for leaf in log.leaves])).text()
    forged = Receipt(receipt.index, receipt.proof, sign_note(text, [friend]))
    rewritten(honest, 2, replace(line, receipt=format_receipt(forged)))
    assert_refused(by_key(honest, log_keys=[log.vkey, friend.verifier.vkey]), 7)


# --- the file itself ---------------------------------------------------------------------------


def test_a_truncated_record_is_refused(honest: Published, by_key: Check) -> None:
    data = honest.record.read_bytes()
    for cut in (0, 1, len(data) // 3, len(data) - 2):
        honest.record.write_bytes(data[:cut])
        verdict = by_key(honest)
        assert verdict.exit_code == 1, told(verdict)
        assert verdict.step(7).result is Result.FAIL
        assert verdict.step(3).result is Result.WARN


def test_a_record_of_fifty_megabytes_of_rubbish_is_refused(honest: Published, by_key: Check) -> None:
    with honest.record.open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    assert_refused(by_key(honest), 7)
    with honest.record.open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    assert_refused(by_key(honest), 7, "at most")


@pytest.mark.parametrize(
    "content",
    [b"<!doctype html>", b"{}\n", b"[]\n", b"null\n", b'{"v":2}\n', b"\n\n", b"\x00" * 100, b"{" * 5000],
    ids=["html", "object", "array", "null", "version", "blank", "zeros", "deep"],
)
def test_a_record_that_is_something_else_is_refused_and_names_the_line(
    honest: Published, by_key: Check, content: bytes
) -> None:
    honest.record.write_bytes(content)
    assert_refused(by_key(honest), 7, "line 1")


def test_a_record_alone_is_enough(honest: Published, by_release: Check) -> None:
    honest.signature.unlink()
    assert_verified(by_release(honest))


def members(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the paths of all leaves of a JSON value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from members(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from members(item, (*path, number))
    else:
        yield path


def changed(value: Any, path: tuple[Any, ...]) -> Any:
    """Change one leaf a little: one character of text, one more of a number."""
    copy = json.loads(json.dumps(value))
    target = copy
    for part in path[:-1]:
        target = target[part]
    old = target[path[-1]]
    if isinstance(old, str):
        middle = len(old) // 2
        target[path[-1]] = (
            old[:middle] + ("A" if old[middle : middle + 1] != "A" else "B") + old[middle + 1 :]
        )
    else:
        target[path[-1]] = old + 1
    return copy


def test_no_field_of_a_record_can_be_changed_unnoticed(honest: Published, by_release: Check) -> None:
    """Every member of every line, and every member of the bundle inside, one at a time."""
    lines = [json.loads(line) for line in honest.record.read_bytes().splitlines()]
    honest.signature.unlink()
    tried = 0
    for number, line in enumerate(lines):
        bundle = json.loads(base64.b64decode(line["bundle"]))
        forged = [changed(line, path) for path in members(line)]
        for path in members(bundle):
            inner = base64.b64encode(
                json.dumps(changed(bundle, path), separators=(",", ":")).encode()
            ).decode()
            forged.append(line | {"bundle": inner})
        for each in forged:
            tampered = [*lines[:number], each, *lines[number + 1 :]]
            honest.record.write_text("".join(json.dumps(one) + "\n" for one in tampered))
            verdict = by_release(honest)
            assert verdict.exit_code == 1, f"{each}\n{told(verdict)}"
            tried += 1
    assert tried >= 40


def test_no_line_of_a_receipt_can_be_changed_unnoticed(honest: Published, by_release: Check) -> None:
    for number in range(4):
        line = honest.log.line(number)
        parts = line.receipt.split(b"\n")
        for position, part in enumerate(parts):
            if not part:
                continue
            middle = len(part) // 2
            flipped = part[:middle] + bytes([part[middle] ^ 1]) + part[middle + 1 :]
            forged = b"\n".join([*parts[:position], flipped, *parts[position + 1 :]])
            rewritten(honest, number, replace(line, receipt=forged))
            verdict = by_release(honest)
            assert verdict.exit_code == 1, f"{part!r} → {flipped!r}\n{told(verdict)}"


def test_what_nobody_signs_in_a_receipt_changes_nothing(honest: Published, by_release: Check) -> None:
    """`extra` and unknown signature lines are allowed by the formats, and worth nothing."""
    line = honest.log.line(2)
    receipt = parse_receipt(line.receipt)
    stranger = Signer.generate("stranger.example")
    note = (
        receipt.checkpoint
        + stranger.sign(receipt.checkpoint.split(b"\n\n")[0].decode() + "\n").line().encode()
    )
    rewritten(
        honest, 2, replace(line, receipt=format_receipt(replace(receipt, extra=b"hello", checkpoint=note)))
    )
    assert_verified(by_release(honest))
