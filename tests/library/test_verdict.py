# SPDX-License-Identifier: Apache-2.0
"""What a verdict may be called: no path leads to "verified" but steps 1 to 5 and all that was asked."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.verdict import REQUIRED, STEPS, Conclusion, FoundSigner, Result, Step, Verdict

results = st.sampled_from(list(Result))
found_steps = st.dictionaries(st.sampled_from(sorted(STEPS)), results)
asked_sets = st.frozensets(st.integers(6, 11)).map(lambda more: more | REQUIRED)


def verdict_of(found: dict[int, Result], **more: object) -> Verdict:
    return Verdict(tuple(Step.of(n, result, "because") for n, result in found.items()), **more)  # type: ignore[arg-type]  # keyword pass-through


def all_pass() -> dict[int, Result]:
    return dict.fromkeys(STEPS, Result.PASS)


@given(found=found_steps, asked=asked_sets, subset=st.booleans(), named=st.booleans())
def test_exit_0_needs_the_five_and_everything_asked(
    *, found: dict[int, Result], asked: frozenset[int], subset: bool, named: bool
) -> None:
    verdict = verdict_of(found, asked=asked, subset=subset, trust_named=named)
    if verdict.exit_code == 0:
        assert named
        assert Result.FAIL not in found.values()
        assert all(found.get(n) in {Result.PASS, Result.WARN} for n in asked - {9, 10})
        assert all(found.get(n) in {Result.PASS, Result.WARN, Result.REPORTED} for n in asked & {9, 10})


@given(found=found_steps, asked=asked_sets, subset=st.booleans())
def test_any_fail_is_exit_1(*, found: dict[int, Result], asked: frozenset[int], subset: bool) -> None:
    verdict = verdict_of(found, asked=asked, subset=subset)
    assert (verdict.exit_code == 1) == (Result.FAIL in found.values())
    assert verdict.exit_code in {0, 1, 3}


@pytest.mark.parametrize("n", sorted(REQUIRED))
@pytest.mark.parametrize("result", [Result.SKIPPED, Result.UNKNOWN, Result.REPORTED])
def test_a_required_step_without_an_answer_is_undecided(n: int, result: Result) -> None:
    verdict = verdict_of(all_pass() | {n: result})
    assert (verdict.verdict, verdict.exit_code) == (Conclusion.UNDECIDED, 3)


def test_a_step_that_was_forgotten_is_undecided_not_verified() -> None:
    found = all_pass()
    del found[2]
    assert verdict_of(found).exit_code == 3


def test_steps_that_nobody_asked_for_do_not_change_the_exit_code() -> None:
    found = all_pass() | dict.fromkeys(range(6, 12), Result.SKIPPED)
    assert verdict_of(found).exit_code == 0
    assert verdict_of(found | {7: Result.UNKNOWN}).exit_code == 0
    assert verdict_of(found | {7: Result.UNKNOWN}, asked=REQUIRED | {7}).exit_code == 3


def test_a_partial_copy_is_a_subset_and_refused_unless_allowed() -> None:
    refused = verdict_of(all_pass() | {1: Result.FAIL}, subset=True)
    allowed = verdict_of(all_pass() | {1: Result.WARN}, subset=True)
    assert (refused.verdict, refused.exit_code) == (Conclusion.SUBSET, 1)
    assert (allowed.verdict, allowed.exit_code) == (Conclusion.SUBSET, 0)
    assert verdict_of(all_pass() | {1: Result.FAIL, 2: Result.FAIL}, subset=True).verdict == "failed"


def test_no_trust_named_is_never_verified_even_if_all_steps_passed() -> None:
    verdict = verdict_of(all_pass(), trust_named=False)
    assert (verdict.verdict, verdict.exit_code) == (Conclusion.UNTRUSTED, 1)


def test_the_first_failure_is_the_first_executed_not_the_first_shown() -> None:
    verdict = verdict_of(all_pass() | {1: Result.FAIL, 4: Result.FAIL})
    assert verdict.failed is not None
    assert verdict.failed.n == 4


def test_json_is_the_contract() -> None:
    signer = FoundSigner("ab", "a key", authenticated=True, wanted=True, statement="oms", source="model.sig")
    document = Verdict((Step.of(3, Result.PASS, "ok", {"a": 1}),), (signer,)).to_json()
    assert json.loads(json.dumps(document)) == {
        "v": 1,
        "verdict": "undecided",
        "steps": [{"n": 3, "name": "envelope", "result": "pass", "reason": "ok", "evidence": {"a": 1}}],
        "signers": [
            {
                "id": "ab",
                "description": "a key",
                "authenticated": True,
                "wanted": True,
                "statement": "oms",
                "source": "model.sig",
            }
        ],
        "summary": "",
        "next": [],
    }
