# SPDX-License-Identifier: Apache-2.0
"""Step 8: do enough independent co-signers of the caller's policy stand behind the checkpoints used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from weighbridge.errors import LogError, WitnessError
from weighbridge.verdict import Result

from .case import Case

if TYPE_CHECKING:
    from weighbridge.tlog import Cosignature, SignedCheckpoint

__all__ = ["freshness", "judge_witnesses"]

_CLOCK_SECONDS: Final = 300
"""How far a witness's clock may be ahead of the one here."""


def judge_witnesses(case: Case) -> bool:
    """Conclude step 8: every checkpoint that step 7 relied on satisfies the quorum."""
    policy = case.request.witness_policy
    if policy is None:
        return case.put(8, Result.SKIPPED, "no witness policy was given")
    if not policy.demands_witnesses:
        return case.put(8, Result.SKIPPED, "the witness policy asks for no witness (quorum none)")
    checkpoints = {
        entry.checkpoint.data: entry.checkpoint for entry in case.used if entry.checkpoint is not None
    }
    if not checkpoints:
        return case.put(8, Result.UNKNOWN, "there is no checkpoint to look at: step 7 did not pass")
    try:
        found = [one for checkpoint in checkpoints.values() for one in policy.satisfied(checkpoint.note)]
    except (WitnessError, LogError) as error:
        return case.put_error(8, error)
    newest: dict[str, Cosignature] = {}
    for one in found:
        if one.name not in newest or newest[one.name].time < one.time:
            newest[one.name] = one
    latest, ahead = _latest(case, found)
    evidence: dict[str, Any] = {
        "cosigned": [{"witness": name, "time": one.time} for name, one in sorted(newest.items())],
        "fresh": latest,
    }
    reason = f"co-signed by {', '.join(sorted(newest))}; {_words(latest)}"
    if not ahead:
        return case.put(8, Result.PASS, reason, evidence)
    evidence["ahead"] = ahead
    reason += (
        f"; {', '.join(ahead)} names a time that is still to come: its clock, or the one here, is wrong, "
        "and it doesn't count for how fresh the record is"
    )
    return case.put(8, Result.WARN, reason, evidence)


def freshness(case: Case, checkpoints: list[SignedCheckpoint]) -> str:
    """Say how fresh the record is: a checkpoint carries no time, only a policy witness's cosignature does."""
    policy = case.request.witness_policy
    if policy is None:
        return "freshness unknown: no witness policy"
    try:
        found = [one for each in checkpoints for one in policy.satisfied(each.note)]
    except (WitnessError, LogError):
        found = []
    return _words(_latest(case, found)[0])


def _latest(case: Case, found: Sequence[Cosignature]) -> tuple[int | None, list[str]]:
    """Give the newest time of the cosignatures, and who names times that are still to come.

    A witness can't have seen anything in the future: such a time says nothing about freshness, and
    one lying witness must not make an old record look new.
    """
    limit = case.request.now.timestamp() + _CLOCK_SECONDS
    times = [one.time for one in found if one.time <= limit]
    return max(times, default=None), sorted({one.name for one in found if one.time > limit})


def _words(latest: int | None) -> str:
    if latest is None:
        return "freshness unknown: no cosignature of the policy's witnesses that tells it"
    return f"the record is as fresh as {_when(latest)}"


def _when(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"
