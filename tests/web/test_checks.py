# SPDX-License-Identifier: Apache-2.0
"""What a registry's page says of each verification step, and what it must never say."""

from __future__ import annotations

import pytest

from tests.web.documents import MemoryRecords, lineage, release, sha, signer
from weighbridge_schemas.api import ReleaseStatus, WitnessDocument
from weighbridge_web.checks import Check, release_checks
from weighbridge_web.words import GLOSSARY


def _checks(**changes: object) -> dict[int, Check]:
    return {check.n: check for check in release_checks(release(**changes), MemoryRecords().log())}


def test_the_eleven_steps_come_in_order_under_their_names() -> None:
    assert [(check.n, check.name) for check in release_checks(release(), MemoryRecords().log())] == [
        (1, "Files"),
        (2, "Digests"),
        (3, "Envelope"),
        (4, "Signer"),
        (5, "Statement binds this model"),
        (6, "Release"),
        (7, "Recorded"),
        (8, "Witnesses"),
        (9, "Status"),
        (10, "Lineage"),
        (11, "Policy"),
    ]


def test_files_and_digests_are_for_the_reader_alone() -> None:
    checks = _checks()
    for n in (1, 2):
        assert (checks[n].state, checks[n].label) == ("yours", "only you can check this, on your copy")


def test_every_label_of_a_step_is_explained() -> None:
    for changes in ({}, {"lineage": None}, {"oms_signer": None, "oms_statement": None}):
        for check in _checks(**changes).values():
            assert check.anchor in GLOSSARY


def test_no_step_ever_claims_to_be_verified_or_safe() -> None:
    for check in _checks().values():
        words = f"{check.label} {check.reason}".lower()
        assert "verified" not in words
        assert "safe" not in words


def test_another_signer_of_the_model_signature_is_a_warning() -> None:
    check = _checks(oms_signer=signer("somebody else"))[5]
    assert (check.state, check.label) == ("warn", "two signers")
    assert "somebody else" in check.reason


def test_a_missing_model_signature_is_a_warning() -> None:
    assert _checks(oms_signer=None, oms_statement=None)[5].state == "warn"


def test_a_log_without_co_signers_says_so() -> None:
    assert _checks()[8].label == "no co-signer"


def test_co_signers_are_counted_and_named_but_not_believed_for_the_reader() -> None:
    records = MemoryRecords(
        witnesses=(WitnessDocument(name="w.example", vkey="w.example+0a0b0c0d+BA==", time=1_795_423_680),)
    )
    check = {check.n: check for check in release_checks(release(), records.log())}[8]
    assert (check.state, check.label) == ("reported", "1 co-signer")
    assert "w.example" in check.reason


def test_absence_of_a_withdrawal_is_reported_never_proved() -> None:
    check = _checks()[9]
    assert (check.state, check.label) == ("reported", "none reported")
    assert "as of entry 8" in check.reason


@pytest.mark.parametrize(
    ("state", "shown", "label"),
    [
        ("yanked", "bad", "withdrawn"),
        ("deprecated", "warn", "deprecated"),
        ("superseded", "warn", "superseded"),
    ],
)
def test_what_owners_say_of_a_release_is_shown_with_their_reason(state: str, shown: str, label: str) -> None:
    status = ReleaseStatus.model_validate({"state": state, "reason": "wrong tokenizer"})
    check = _checks(status=status)[9]
    assert (check.state, check.label) == (shown, label)
    assert "wrong tokenizer" in check.reason


def test_lineage_is_as_stated_with_its_evidence() -> None:
    check = _checks()[10]
    assert (check.state, check.label) == ("reported", "as stated")
    assert "1 parent model (parent is registered here)" in check.reason
    assert "1 data set (names the exact data set)" in check.reason


def test_lineage_that_nobody_stated_is_no_claim_of_there_being_none() -> None:
    assert _checks(lineage=None)[10].label == "not stated"
    empty = lineage().model_copy(update={"parents": (), "datasets": ()})
    assert _checks(lineage=empty)[10].label == "not stated"


def test_text_of_others_cannot_hide_or_reorder_anything() -> None:
    hostile = signer("ada").model_copy(update={"label": "\u202eada", "id": sha("ada")})
    assert "⟨U+202E⟩ada" in _checks(signer=hostile)[4].reason
