# SPDX-License-Identifier: Apache-2.0
"""Step 7: bundle ↔ leaf ↔ receipt ↔ checkpoint ↔ what this client saw of the log before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from weighbridge.errors import ForkError, LogError, UnavailableError, WeighbridgeError
from weighbridge.identities import signer_id
from weighbridge.verdict import Result

from .case import Case
from .entries import Entry, Proof
from .signatures import Candidate
from .witnesses import freshness

if TYPE_CHECKING:
    from weighbridge.memory import Memory, Prove
    from weighbridge.tlog import SignedCheckpoint

__all__ = ["entry_of", "judge_recorded"]

PIN = (
    "Get the fingerprint of its key from the people who run it, not from this record, then: "
    "weighbridge log trust add URL|VKEY"
)


def entry_of(case: Case, candidate: Candidate) -> Entry | None:
    """Find where a manifest is recorded: the same statement by the same signer, proved if any is.

    The bundle may differ in bytes (nobody signs its white space); the statement digest and the signer
    are what an entry is about. Beside a proved release only an entry of its own log counts: there its
    owners were judged (step 4).
    """
    same = [each for each in case.reading.entries if _says_the_same(case, each, candidate)]
    if case.release is not None and case.release.entry.proved:
        same = [each for each in same if each.origin == case.release.entry.origin]
    return max(same, key=lambda each: (each.proved, each.proof is Proof.OPEN), default=None)


def judge_recorded(case: Case) -> bool:
    """Conclude step 7."""
    logged = _remembered_as_logged(case)
    case.memory_asks = bool(logged)
    if 7 not in case.asked:  # noqa: PLR2004  the step's number
        return case.put(7, Result.SKIPPED, "nothing here says that this model is recorded")
    refutation = _refutation(case)
    if refutation is not None:
        return case.put_error(7, refutation)
    if case.chosen is None:
        return _without_manifest(case)
    needed = _needed(case, case.chosen)
    absent = [what for what, entry in needed if entry is None]
    if absent:
        return _absent(case, absent, logged)
    return _judge_entries(case, [entry for _, entry in needed if entry is not None])


def _refutation(case: Case) -> WeighbridgeError | None:
    """Return what is wrong with any part of the record: one false line spoils it all."""
    for entry in case.reading.entries:
        if entry.proof is Proof.REFUTED:
            return entry.problem
    for spoilt in case.reading.spoilt:
        if spoilt.record:
            return spoilt.error
    problem = case.word.problem if case.word is not None else None
    return problem if isinstance(problem, LogError) else None


def _judge_entries(case: Case, entries: Sequence[Entry]) -> bool:
    unproved = [each for each in entries if not each.proved]
    if unproved:
        return _unproved(case, unproved)
    try:
        checkpoints = _checkpoints(entries)
        warnings = _relate(case, checkpoints)
    except LogError as error:
        return case.put_error(7, error)
    case.used = tuple(entries)
    heads = {each.origin: each for each in checkpoints}  # the largest of each log: they come smallest first
    told = [
        f"{_indices(entries, log)} of {log}, proved against its checkpoint of size {head.size}"
        for log, head in heads.items()
    ]
    evidence: dict[str, Any] = {
        "entries": [
            {"log": e.origin, "index": e.index, "kind": e.kind, "received": e.received} for e in entries
        ],
        "checkpoints": [{"log": c.origin, "size": c.size, "root": c.root.hex()} for c in checkpoints],
    }
    fresh = freshness(case, list(heads.values()))
    return case.put(
        7, Result.WARN if warnings else Result.PASS, "; ".join([*told, *warnings, fresh]), evidence
    )


def _needed(case: Case, chosen: Candidate) -> list[tuple[str, Entry | None]]:
    """List which statements must be recorded: the manifest, the release and the owner lists relied on."""
    needed: list[tuple[str, Entry | None]] = [("manifest", entry_of(case, chosen))]
    if case.request.release is not None:
        needed.append(("release", case.release.entry if case.release is not None else None))
    needed.extend(("owner list", entry) for entry in case.owner_entries)
    return needed


def _says_the_same(case: Case, entry: Entry, candidate: Candidate) -> bool:
    return (
        case.signer is not None
        and entry.bundle.statement_digest == candidate.bundle.statement_digest
        and case.authenticator.signer_id(entry.bundle) == signer_id(case.signer)
    )


def _checkpoints(entries: Sequence[Entry]) -> list[SignedCheckpoint]:
    """Return the distinct checkpoints that were relied on, smallest first.

    Raises `ForkError` if two of one log have the same size and different roots.
    """
    distinct: dict[tuple[str, bytes, int], SignedCheckpoint] = {}
    for entry in entries:
        if entry.checkpoint is None:
            continue
        one = entry.checkpoint
        other = distinct.setdefault((one.origin, one.verifier.key_id, one.size), one)
        if other.root != one.root:
            raise ForkError(
                f"The log {one.origin} signed two different trees of size {one.size}.",
                hint="This is proof of misbehaviour: keep both checkpoints and tell others.",
                evidence={
                    "checkpoints": [other.data.decode(errors="replace"), one.data.decode(errors="replace")]
                },
            )
    return [distinct[key] for key in sorted(distinct)]


def _absent(case: Case, absent: Sequence[str], logged: str) -> bool:
    """Say what is missing: another bundle's record is refused, no record at all is unknown."""
    what = " and ".join(dict.fromkeys(absent))
    if case.evidence.has_record and "manifest" in absent and case.reading.entries:
        return case.put(
            7,
            Result.FAIL,
            "The record is of another signature: no entry in it is of this manifest. Get the record that "
            "belongs to these files from the publisher.",
        )
    if case.word is not None and case.word.problem is not None:
        return case.put(
            7,
            Result.UNKNOWN,
            f"The {what} is not recorded here, and {case.word.url} did not help: {case.word.problem.message}",
        )
    if case.word is not None:
        return case.put(7, Result.UNKNOWN, f"{case.word.url} gave no entry of the {what}.")
    if logged and "manifest" in absent:
        return case.put(7, Result.UNKNOWN, logged)
    return case.put(
        7, Result.UNKNOWN, f"No record of the {what} is here: give --record FILE or --registry URL."
    )


def _without_manifest(case: Case) -> bool:
    """Say what can be said where no manifest is by the wanted signer: whether the log is trusted at all."""
    unproved = [each for each in case.reading.entries if not each.proved]
    if unproved:
        return _unproved(case, unproved)
    return case.put(7, Result.UNKNOWN, "not checked: no signature by the wanted signer was found (step 4)")


def _unproved(case: Case, entries: Sequence[Entry]) -> bool:
    """Refuse receipts of another log than the named one; else say whose key would have to be trusted."""
    for each in entries:
        if each.problem is not None:
            return case.put_error(7, each.problem)
    logs = sorted({each.origin for each in entries})
    reason = f"Recorded in {', '.join(logs)}, but that log's key is not trusted here. {PIN}"
    return case.put(7, Result.UNKNOWN, reason, {"logs": logs})


def _remembered_as_logged(case: Case) -> str:
    """Say since when and where this computer knows the model to be recorded; "" if it does not."""
    root = case.root_sha256
    known = case.request.memory.known_logged(root) if root is not None and case.manifest is not None else ()
    if not known:
        return ""
    first = known[0]
    return (
        f"This computer saw these files recorded as {first.release} in {first.origin} on {first.seen[:10]} "
        f"({_when(first.received)} by the log's own clock), and now their record is not here. Get "
        "provenance.jsonl again from the publisher, or ask with --registry URL."
    )


def _relate(case: Case, checkpoints: Sequence[SignedCheckpoint]) -> list[str]:
    """Hold the checkpoints against the registry's, or the copy's, and against memory; returns warnings.

    Raises `ForkError` with both checkpoints if the log shows two histories. A copy may be smaller than what
    is known otherwise, which is no second history: steps 9 and 10 then have no answer.
    """
    memory, word = case.request.memory, case.word
    live = word.checkpoint if word is not None else None
    warnings: list[str] = []
    for each in (*checkpoints, *([live] if live is not None else ())):
        same_log = live is not None and live.verifier == each.verifier
        prove = word.prove if word is not None and same_log else None
        try:
            if live is not None and prove is not None and each is not live:
                _require_grown(memory, each, live, prove, may_be_old=word is not None and not word.live)
            asked = word.asked if word is not None else None
            memory.remember_checkpoint(
                each, prove=prove, live=each is live and word is not None and word.live, asked=asked
            )
        except UnavailableError as error:
            warnings.append(f"not compared with the log's current tree: {error.message}")
    if memory.problem is not None:
        warnings.append(memory.problem)
    return list(dict.fromkeys(warnings))


def _require_grown(
    memory: Memory, old: SignedCheckpoint, live: SignedCheckpoint, prove: Prove, *, may_be_old: bool
) -> None:
    """Demand that the log's current tree contains the one that a receipt was made from."""
    if old.size > live.size and may_be_old:
        return
    if old.size > live.size:
        why = f"signed a tree of size {old.size} before, and shows one of size {live.size} now"
        raise memory.fork(old, live, why)
    if old.size == live.size and old.root != live.root:
        raise memory.fork(old, live, f"signed two different trees of size {old.size}")
    if old.size == live.size:
        return
    try:
        prove(old, live)
    except ForkError as error:
        why = f"has a tree of size {live.size} that does not begin with that of size {old.size}"
        raise memory.fork(old, live, why) from error


def _indices(entries: Sequence[Entry], origin: str) -> str:
    numbers = sorted({each.index for each in entries if each.origin == origin})
    return ("entry " if len(numbers) == 1 else "entries ") + ", ".join(map(str, numbers))


def _when(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"
