# SPDX-License-Identifier: Apache-2.0
"""The course of a verification: steps 3, 4, 5, then 1, 2, then the rest (docs/spec/verification.md).

This module gathers and orders; what a step concludes is decided by the modules beside it. Nothing of
the model is opened before the manifest's envelope, signer and form are accepted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from weighbridge.errors import InputError, NotVerifiedError, SignerError, StatementError, UndecidedError
from weighbridge.hub import HubName, located, snapshot_at
from weighbridge.identities import lasting_id, signer_id
from weighbridge.verdict import STEPS, Result, Verdict

from . import registries
from .advice import next_commands, summary
from .case import Case
from .evidence import Evidence, Spoilt, gather, gather_remote
from .manifests import judge_files, judge_statement
from .ownership import read_ownership
from .recorded import judge_recorded
from .releases import FoundRelease, Releases, claimed_roots
from .request import Options, Request, WantedRelease
from .signatures import Authenticator, Candidate, Reading, read_found
from .signers import judge_signer
from .standing import judge_lineage, judge_release
from .statuses import judge_status
from .witnesses import judge_witnesses

if TYPE_CHECKING:
    from weighbridge.tlog import SignedCheckpoint

    from .registries import RegistryWord

__all__ = ["check", "draft_policy", "verify"]


def verify(path: str | os.PathLike[str], **options: Unpack[Options]) -> Verdict:
    """Check a model and return the verdict only if it is good; a bad one is raised, not returned.

    Raises `NotVerifiedError` (exit 1; `.verdict` has every step), `UndecidedError` (exit 3; the
    verdict's JSON is in `.evidence`) or `InputError` (exit 2). See `Options` for what can be asked.
    """
    verdict = check(path, **options)
    if verdict.exit_code == 0:
        return verdict
    culprit = verdict.failed or verdict.undecided
    hint = "; ".join(verdict.next_commands)
    message = verdict.summary if culprit is None else f"{verdict.summary} {culprit.reason}"
    step = None if culprit is None else culprit.n
    if verdict.exit_code == UndecidedError.exit_code:
        raise UndecidedError(message, hint=hint, evidence=verdict.to_json(), step=step)
    raise NotVerifiedError(message, verdict=verdict, hint=hint, evidence=verdict.to_json(), step=step)


def check(path: str | os.PathLike[str], **options: Unpack[Options]) -> Verdict:
    """Check a model and return the verdict, good or bad. The caller must look at it: prefer `verify`.

    Raises `InputError` (exit 2) only: wrong options, or a model or a named file that is not there.
    """
    request = Request.read(options)
    case = _open(path, request)
    if request.copy_to is None:
        return _judge(case)
    from weighbridge.weighing.copying import ModelCopy

    with ModelCopy(request.copy_to) as copy:
        case.copy = copy
        verdict = _judge(case)
        if verdict.exit_code == 0:
            copy.keep()
        return verdict


def draft_policy(path: str | os.PathLike[str], **options: Unpack[Options]) -> tuple[Verdict, str | None]:
    """Check a model, and write a policy file that accepts just that: its signer, its log, its namespace.

    None in place of the text if the verdict is not good, or not of the files themselves: nothing is pinned
    that was not verified. Raises `InputError` as `check` does.
    """
    from weighbridge.policy import draft

    request = Request.read(options)
    case = _open(path, request)
    verdict = _judge(case)
    if verdict.exit_code != 0 or case.signer is None or case.remote is not None:
        return verdict, None
    witnesses = options.get("witness_policy")
    text = draft(
        case.signer,
        release=case.release.title if case.release is not None else None,
        vkeys=list(dict.fromkeys(e.checkpoint.verifier.vkey for e in case.used if e.checkpoint is not None)),
        witness_policy=witnesses.decode() if isinstance(witnesses, bytes) else witnesses,
        replayed=case.steps[9].result is Result.PASS,
        public_keys=case.authenticator.known_keys,
        anchors=case.authenticator.known_anchors,
    )
    return verdict, text


def _judge(case: Case) -> Verdict:
    """Run the steps in their order and draw the conclusion."""
    if _judge_envelope(case) and judge_signer(case):
        judge_statement(case)
    judge_files(case)
    judge_release(case)
    judge_recorded(case)
    judge_witnesses(case)
    judge_status(case)
    judge_lineage(case)
    _judge_policy(case)
    _settle_envelope(case)
    verdict = _conclude(case)
    if verdict.exit_code == 0:
        _remember(case)
    return verdict


def _judge_policy(case: Case) -> bool:
    """Conclude step 11; what judges loads only where there is a policy."""
    if case.request.policy is None:
        return case.put(11, Result.SKIPPED, "no policy was given")
    from .demands import judge_policy

    return judge_policy(case, case.request.policy)


def _open(given: str | os.PathLike[str], request: Request) -> Case:
    """Gather all evidence: first what lies beside the model, or on the hub, then what the registry adds."""
    remote = None
    if request.remote:
        from weighbridge.hub.remote import ask

        path, remote = Path(given), ask(HubName.parse(os.fspath(given)))
        evidence = gather_remote(remote, signatures=request.signatures, record=request.record)
    else:
        path = located(given)
        evidence = gather(path, signatures=request.signatures, record=request.record)
    reading = read_found(evidence, request.pins)
    request = _claimed(request, reading)
    word = None
    if request.registry is not None or request.mirror is not None:
        word = _ask(request, reading)
        evidence = evidence._replace(found=(*evidence.found, *word.found))
        reading = read_found(evidence, request.pins)
        word = registries.outdated(word, _checkpoints_known(request, reading, word))
    return Case(
        path=path,
        request=request,
        evidence=evidence,
        reading=reading,
        authenticator=_authenticator(request, reading),
        releases=None if request.release is None else Releases(reading.entries, request.release),
        word=word,
        snapshot=None if remote is not None else snapshot_at(path),
        remote=remote,
    )


def _claimed(request: Request, reading: Reading) -> Request:
    """Take the release that the record says this is, if a policy is to judge it and nobody named one."""
    if request.policy is None or request.release is not None:
        return request
    roots = {each.statement.subjects[0].sha256 for each in reading.candidates}
    members = ("namespace", "name", "version")
    named = {
        "{}/{}@{}".format(*(str(each.statement.predicate.get(member)) for member in members))
        for each in reading.entries
        if each.kind == "release" and roots & claimed_roots(each)
    }
    readable = [title for title in named if WantedRelease.reads(title)]
    return request.claiming(WantedRelease.parse(readable[0])) if len(named) == len(readable) == 1 else request


def _ask(request: Request, reading: Reading) -> RegistryWord:
    """Ask the registry, or the copy of its log, for the release or for the manifests that were found."""
    authenticator = _authenticator(request, reading)
    sought = [registries.Sought(*_sought(authenticator, each)) for each in reading.candidates]
    if request.mirror is not None:
        keep = request.memory.enabled
        return registries.consult(request.mirror, request.release, sought, request.pins, keep=keep)
    if request.registry is None:
        raise InputError("neither a registry nor a copy of its log was named")
    return registries.ask(request.registry, request.release, sought, request.pins)


def _checkpoints_known(request: Request, reading: Reading, word: RegistryWord) -> list[SignedCheckpoint]:
    """List what else is known of how far the log goes: what was remembered, and what receipts are of."""
    known = [each.checkpoint for each in reading.entries if each.checkpoint is not None]
    mine = word.checkpoint
    seen = None if mine is None else request.memory.checkpoint(mine.origin, mine.verifier.key_id)
    return known if seen is None else [*known, seen]


def _authenticator(request: Request, reading: Reading) -> Authenticator:
    return Authenticator(
        now=request.now,
        public_keys=request.public_keys,
        anchors=request.anchors,
        sigstore=request.sigstores,
        stampers=request.stampers,
        entries=reading.entries,
        policy=request.witness_policy,
    )


def _sought(authenticator: Authenticator, candidate: Candidate) -> tuple[str, str, str | None]:
    found = authenticator.found(candidate)
    root = candidate.statement.subjects[0].sha256
    return root, candidate.bundle.statement_digest, found.id or None


def _judge_envelope(case: Case) -> bool:
    """Conclude step 3 for now: is there anything that could be a signature."""
    reading = case.reading
    named = [each for each in reading.spoilt if each.named]
    if named:
        return _put_spoilt(case, named)
    if not reading.candidates:
        if reading.spoilt:
            return _put_spoilt(case, reading.spoilt)
        return case.put(3, Result.FAIL, _unsigned(case.evidence))
    count = len(reading.candidates)
    found = "1 signature" if count == 1 else f"{count} signatures"
    sources = [each.source for each in reading.candidates]
    return case.put(3, Result.PASS, f"{found} found: {', '.join(sources[:5])}", {"sources": sources[:100]})


def _settle_envelope(case: Case) -> None:
    """Count spoilt evidence that nobody named: a warning if another signature satisfied 3 to 5."""
    spoilt = case.reading.spoilt
    if not spoilt or not case.passed(3):
        return
    if case.passed(4, 5):
        told = "; ".join(f"{each.source} is spoilt: {each.error.message.rstrip('.')}" for each in spoilt[:5])
        more = f"; and {len(spoilt) - 5} more are" if len(spoilt) > 5 else ""  # noqa: PLR2004 - as many as are told
        case.put(3, Result.WARN, f"{case.steps[3].reason}; {told}{more}", _spoilt_evidence(spoilt))
    else:
        _put_spoilt(case, spoilt)


def _put_spoilt(case: Case, spoilt: Sequence[Spoilt]) -> bool:
    """Conclude that step 3 failed, in the words of the first error, with all of them in the evidence."""
    first, more = spoilt[0], len(spoilt) - 1
    others = f" Spoilt as well: {', '.join(each.source for each in spoilt[1:5])}." if more else ""
    hint = f" {first.error.hint.rstrip('.')}." if first.error.hint else ""
    reason = f"{first.source}: {first.error.message.rstrip('.')}.{hint}{others}"
    return case.put(3, Result.FAIL, reason, _spoilt_evidence(spoilt))


def _spoilt_evidence(spoilt: Sequence[Spoilt]) -> dict[str, Any]:
    each = [{"source": one.source, "error": one.error.message} for one in spoilt[:100]]
    return {**spoilt[0].error.evidence, "spoilt": each}


def _unsigned(evidence: Evidence) -> str:
    looked = ", ".join(evidence.looked_at)
    return (
        f"No signature was found (looked for {looked}). Get the signature from the publisher, or ask a "
        "registry with --registry URL and --release NS/NAME@VERSION."
    )


def _conclude(case: Case) -> Verdict:
    """Put the steps together; all eleven are always there."""
    for n in STEPS.keys() - case.steps.keys():
        case.put(n, Result.SKIPPED, "not reached: an earlier step failed")
    comparison = case.comparison
    found = tuple(case.authenticator.found(each, wanted=case.accepts) for each in case.reading.candidates)
    verdict = Verdict(
        steps=tuple(case.steps[n] for n in sorted(case.steps)),
        signers=found,
        asked=case.asked,
        subset=comparison is not None
        and bool(comparison.missing)
        and not comparison.extra
        and comparison.checked > 0,
        trust_named=case.request.trust_named,
        remote=case.remote is not None,
    )
    return replace(verdict, summary=summary(case, verdict), next_commands=next_commands(case, verdict))


def _epoch(case: Case, found: FoundRelease) -> int:
    """Tell in which epoch of its namespace a release was made, as far as the record proves it."""
    entries = case.reading.entries
    try:
        owners = read_ownership(
            found.document.namespace, entries, lambda entry: case.authenticator(entry.bundle)
        ).get(found.entry.origin)
    except (SignerError, StatementError):
        return 1
    in_force = owners.at(found.entry.index) if owners is not None else None
    return in_force.epoch if in_force is not None else 1


def _remember(case: Case) -> None:
    """Remember after a good verdict what would make a later one suspicious: signers, recorded models.

    Where nothing can be written (a container, a read-only home) step 7 has already warned of it.
    """
    memory, found, signer = case.request.memory, case.release, case.signer
    if found is None or signer is None or not case.used or not case.passed(6, 7):
        return
    origin, document = found.entry.origin, found.document
    digests = {case.root_sha256, document.model.model_digest.removeprefix("sha256:")} - {None}
    known, epoch = memory.namespace(origin, document.namespace), _epoch(case, found)
    if known is None or known.epoch <= epoch:  # a release of an earlier epoch teaches nothing about this
        before = known.signers if known is not None and known.epoch == epoch else frozenset()
        memory.remember_signers(
            origin,
            document.namespace,
            before | {signer_id(signer), lasting_id(signer)},
            epoch=epoch,
            index=found.entry.index,
            accept_epoch=case.request.accept_owners or case.request.wanted is not None,
        )
    memory.remember_logged(
        origin,
        [each for each in digests if each is not None],
        release=found.title,
        received=found.entry.received,
    )
