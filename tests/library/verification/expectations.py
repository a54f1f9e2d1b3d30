# SPDX-License-Identifier: Apache-2.0
"""What a test expects of a verdict, in one line each."""

from __future__ import annotations

import json

from weighbridge.verdict import Result, Verdict


def assert_verified(verdict: Verdict) -> None:
    """Expect exit 0; on failure show every step."""
    assert verdict.exit_code == 0, told(verdict)


def assert_refused(verdict: Verdict, step: int, *words: str) -> None:
    """Expect exit 1, this step to be the first that failed, and its reason to hold these words."""
    assert verdict.exit_code == 1, told(verdict)
    json.dumps(verdict.to_json())
    assert verdict.failed is not None
    assert verdict.failed.n == step, told(verdict)
    for word in words:
        assert word in verdict.failed.reason, told(verdict)


def assert_undecided(verdict: Verdict, step: int, *words: str) -> None:
    """Expect exit 3 because of this step, and its reason to hold these words."""
    assert verdict.exit_code == 3, told(verdict)
    assert verdict.undecided is not None
    assert verdict.undecided.n == step, told(verdict)
    for word in words:
        assert word in verdict.undecided.reason, told(verdict)


def assert_warned(verdict: Verdict, step: int, *words: str) -> None:
    """Expect exit 0 with a warning in this step."""
    assert_verified(verdict)
    assert verdict.step(step).result is Result.WARN, told(verdict)
    for word in words:
        assert word in verdict.step(step).reason, told(verdict)


def told(verdict: Verdict) -> str:
    """Show a verdict, one line a step."""
    return "\n".join(f"{each.n} {each.name}: {each.result}: {each.reason}" for each in verdict.steps)
