# SPDX-License-Identifier: Apache-2.0
"""Steps 1 and 2: a hub, a mirror or a stick hands over other files than those that were signed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.library.verification.conftest import Check
from tests.library.verification.expectations import assert_refused, assert_verified, assert_warned
from tests.models import single_file, tiny_model
from tests.records import Published, Publisher, TinyLog, published
from weighbridge.verdict import Conclusion, Result


def test_an_honest_model_verifies_by_key_and_by_release(
    honest: Published, by_key: Check, by_release: Check
) -> None:
    assert_verified(by_key(honest))
    verdict = by_release(honest)
    assert_verified(verdict)
    assert [each.result for each in verdict.steps[:8]] == [*["pass"] * 7, "skipped"]
    assert "acme/tiny@1.0" in verdict.summary


def test_one_flipped_byte_in_the_weights_is_caught(
    honest: Published, by_key: Check, by_release: Check
) -> None:
    weights = honest.model / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    for verdict in (by_key(honest), by_release(honest)):
        assert_refused(verdict, 2, "model.safetensors", "Do not use")


def test_a_missing_file_is_a_subset_and_refused_unless_allowed(honest: Published, by_release: Check) -> None:
    (honest.model / "tokenizer.json").unlink()
    verdict = by_release(honest)
    assert_refused(verdict, 1, "tokenizer.json", "--allow-subset")
    assert verdict.verdict is Conclusion.SUBSET
    allowed = by_release(honest, allow_subset=True)
    assert_warned(allowed, 1, "missing: tokenizer.json")
    assert allowed.verdict is Conclusion.SUBSET
    assert "5 files that are here, of 6" in allowed.summary


def test_a_partial_copy_with_a_changed_file_is_refused_even_if_subsets_are_allowed(
    honest: Published, by_release: Check
) -> None:
    (honest.model / "tokenizer.json").unlink()
    (honest.model / "config.json").write_text("{}")
    verdict = by_release(honest, allow_subset=True)
    assert_refused(verdict, 2, "config.json")
    assert verdict.verdict is Conclusion.FAILED


def test_nothing_left_of_the_model_is_no_subset(honest: Published, by_key: Check) -> None:
    for each in honest.model.rglob("*"):
        if each.is_file() and each.name not in {"model.sig", "provenance.jsonl"}:
            each.unlink()
    assert by_key(honest, allow_subset=True).exit_code == 1


def test_an_extra_file_is_refused(honest: Published, by_key: Check) -> None:
    (honest.model / "modeling_evil.py").write_text("import os")
    assert_refused(by_key(honest), 1, "modeling_evil.py", "--ignore")


@pytest.mark.parametrize("option", [{"ignore": ["evil.py"]}, {"ignore_unsigned_files": True}])
def test_an_unsigned_file_that_is_let_through_is_named_and_warned_of(
    honest: Published, by_key: Check, option: dict[str, object]
) -> None:
    (honest.model / "evil.py").write_text("import os")
    verdict = by_key(honest, **option)
    assert_warned(verdict, 1, "NOT SIGNED", "evil.py")
    assert "evil.py" in verdict.step(1).evidence["unsigned"]


def test_what_tools_leave_beside_a_model_does_not_break_it(honest: Published, by_release: Check) -> None:
    for name in (
        ".cache/huggingface/download/config.json.lock",
        ".git/HEAD",
        ".gitattributes",
        ".github/x.yml",
    ):
        path = honest.model / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    verdict = by_release(honest)
    assert_verified(verdict)
    assert verdict.step(1).result is Result.PASS


def test_evidence_inside_the_folder_under_another_name_is_not_an_extra_file(
    honest: Published, by_key: Check
) -> None:
    signature = honest.signature.rename(honest.model / "acme.sig")
    record = honest.record.rename(honest.model / "acme.jsonl")
    assert_verified(by_key(honest, signature=signature, record=record))


def test_a_link_to_a_file_outside_is_not_followed(honest: Published, by_key: Check, tmp_path: Path) -> None:
    config = honest.model / "config.json"
    outside = tmp_path / "config.json"
    outside.write_bytes(config.read_bytes())
    config.unlink()
    config.symlink_to(outside)
    assert_refused(by_key(honest), 1, "config.json")


def test_a_pipe_in_place_of_a_file_does_not_hang(honest: Published, by_key: Check) -> None:
    (honest.model / "config.json").unlink()
    os.mkfifo(honest.model / "config.json")
    assert_refused(by_key(honest), 1, "config.json")


def test_a_bundle_of_another_model_is_refused_even_by_the_right_signer(
    honest: Published, by_key: Check, tmp_path: Path
) -> None:
    other = published(
        tiny_model(tmp_path / "other", seed=7), publisher=honest.publisher, title="acme/other@1.0"
    )
    honest.signature.write_bytes(other.signature.read_bytes())
    honest.record.unlink()
    assert_refused(by_key(honest), 2, "model.safetensors")


def test_files_renamed_so_that_the_root_digest_stays_are_caught_by_their_names(
    tmp_path: Path, by_key: Check
) -> None:
    """The root digest holds no names: two files renamed in step keep it."""
    model = tmp_path / "m"
    model.mkdir()
    (model / "safe.json").write_text('{"safe": true}')
    (model / "unsafe.json").write_text('{"safe": false}')
    release = published(model, title="acme/m@1")
    (model / "safe.json").rename(model / "a.json")
    (model / "unsafe.json").rename(model / "safe.json")
    verdict = by_key(release)
    assert verdict.exit_code == 1
    assert verdict.step(1).result is Result.FAIL
    assert verdict.step(2).result is Result.FAIL


def test_nothing_is_read_before_the_signature_is_accepted(honest: Published, by_key: Check) -> None:
    """An unauthenticated manifest must not say which files to open."""
    os.mkfifo(honest.model / "trap")
    verdict = by_key(honest, public_key=Publisher().pem)
    assert_refused(verdict, 4)
    for n in (1, 2):
        assert verdict.step(n).result is Result.SKIPPED
        assert "not read" in verdict.step(n).reason


def test_a_single_file_verifies_with_its_evidence_beside_it(tmp_path: Path, verify_it: Check) -> None:
    publisher, log = Publisher(), TinyLog.new()
    path = single_file(tmp_path / "tiny.safetensors")
    oms, release = publisher.oms(path), publisher.release(log, path, "acme/tiny@1")
    log.add(publisher.introduction(log), publisher.namespace(log, "acme", [publisher]), oms, release)
    (tmp_path / "tiny.safetensors.sig").write_bytes(oms)
    (tmp_path / "tiny.safetensors.provenance.jsonl").write_bytes(log.record())
    assert_verified(verify_it(path, release="acme/tiny@1", log_keys=[log.vkey]))
    path.write_bytes(path.read_bytes() + b"\0")
    assert verify_it(path, release="acme/tiny@1", log_keys=[log.vkey]).exit_code == 1


def test_the_json_of_a_refusal_names_the_files(honest: Published, by_key: Check) -> None:
    (honest.model / "config.json").write_text("{}")
    document = json.loads(json.dumps(by_key(honest).to_json()))
    assert document["verdict"] == "failed"
    assert document["steps"][1]["evidence"]["changed"][0]["path"] == "config.json"
    assert [step["n"] for step in document["steps"]] == list(range(1, 12))
