# SPDX-License-Identifier: Apache-2.0
"""Step 8: do enough independent co-signers of the caller's policy stand behind the checkpoints used."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weighbridge.errors import LogError, WitnessError
from weighbridge.verdict import Result

from .case import Case

if TYPE_CHECKING:
    from weighbridge.tlog import Cosignature, SignedCheckpoint

__all__ = ["judge_witnesses"]


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
    newest: dict[str, Cosignature] = {}
    try:
        for checkpoint in checkpoints.values():
            for one in policy.satisfied(checkpoint.note):
                if one.name not in newest or newest[one.name].time < one.time:
                    newest[one.name] = one
    except (WitnessError, LogError) as error:
        return case.put_error(8, error)
    evidence = {"cosigned": [{"witness": name, "time": one.time} for name, one in sorted(newest.items())]}
    latest = max(one.time for one in newest.values())
    return case.put(
        8,
        Result.PASS,
        f"co-signed by {', '.join(sorted(newest))}; the record is as fresh as {_when(latest)}",
        evidence,
    )


def freshness(case: Case, checkpoints: list[SignedCheckpoint]) -> str:
    """Say how fresh the record is: a checkpoint carries no time, only a policy witness's cosignature does."""
    policy = case.request.witness_policy
    if policy is None:
        return "freshness unknown: no witness policy"
    try:
        times = [one.time for each in checkpoints for one in policy.satisfied(each.note)]
    except (WitnessError, LogError):
        times = []
    return (
        f"as fresh as {_when(max(times))}"
        if times
        else "freshness unknown: no cosignature of the policy's witnesses"
    )


def _when(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"
