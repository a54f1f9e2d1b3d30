# SPDX-License-Identifier: Apache-2.0
"""Step 11: whether what was found is what the policy demands (docs/spec/policy.md).

The first rule that fits the release counts; a release that no rule fits is refused. Each demand is a check
of its own, with a result and a reason. What was not decided is unknown, and never a pass; what rests on a
registry's word is `reported`, and only where the rule says that such a word will do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from weighbridge.errors import LogError, SignerError, WeighbridgeError, WitnessError
from weighbridge.identities import Identity, describe
from weighbridge.verdict import Result

from .cards import judge_card
from .case import Case
from .hearing import Heard, heard
from .origins import judge_origins
from .ownership import read_ownership
from .statuses import read_statuses, released

if TYPE_CHECKING:
    from weighbridge.policy import LoadedPolicy
    from weighbridge_schemas.policy import AdvisoryEffects, AttestationDemand, Reviewer, Rule

    from .wanted import Wanted

__all__ = ["Check", "caution_check", "judge_policy"]

_SEVERITIES: Final = ("none", "low", "medium", "high", "critical")
_WORST_FIRST: Final = (Result.FAIL, Result.UNKNOWN, Result.WARN, Result.REPORTED)
_DAY: Final = 86_400
_CLOCK_SECONDS: Final = 300
_SHOWN: Final = 3


class Check(NamedTuple):
    """One demand, and what it came to."""

    what: str
    result: Result
    reason: str

    def to_json(self) -> dict[str, str]:
        """Give it as evidence."""
        return {"what": self.what, "result": self.result.value, "reason": self.reason}


def judge_policy(case: Case, policy: LoadedPolicy) -> bool:
    """Conclude step 11."""
    evidence: dict[str, Any] = {"policy": f"sha256:{policy.sha256}"}
    if not case.passed(3, 4, 5):
        return case.put(11, Result.UNKNOWN, "not judged: no signature was accepted (steps 3 to 5)", evidence)
    rule = case.rule(policy)
    if rule is None:
        return _without_rule(case, evidence)
    checks = list(_checks(case, policy, rule))
    results = {check.result for check in checks}
    result = next((one for one in _WORST_FIRST if one in results), Result.PASS)
    evidence |= {"rule": policy.number(rule), "checks": [check.to_json() for check in checks]}
    return case.put(11, result, _words(policy.number(rule), result, checks), evidence)


def _words(rule: str, result: Result, checks: list[Check]) -> str:
    """Say what it came to: what is wrong, or what was demanded."""
    if result is not Result.PASS:
        told = [f"{check.what}: {check.reason}" for check in checks if check.result is result]
        more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        return f"{rule}: {'; '.join(told[:_SHOWN])}{more}"
    return f"{rule} is met: {', '.join(dict.fromkeys(check.what for check in checks))}"


def _without_rule(case: Case, evidence: dict[str, Any]) -> bool:
    """Refuse what no rule fits; where no release is known, no rule can be chosen."""
    if case.release is not None:
        told = f"the policy has no rule for {case.release.title}: what it does not name is refused"
        return case.put(11, Result.FAIL, told, evidence)
    if case.request.release is not None:
        return case.put(11, Result.UNKNOWN, "not judged: no release was found (step 6)", evidence)
    told = "the policy's rules are for named releases: say which this is, --release NS/NAME@VERSION"
    return case.put(11, Result.UNKNOWN, told, evidence)


def _checks(case: Case, policy: LoadedPolicy, rule: Rule) -> Iterator[Check]:
    """Yield one check for each thing that the rule demands, or a reviewer's word may do."""
    yield _signers(case, policy, rule)
    if case.release is not None:
        yield _step(case, 6, "release")
    if rule.whole:
        yield _whole(case)
    if rule.recorded:
        yield _step(case, 7, "recorded")
    if rule.witnessed:
        yield _step(case, 8, "witnessed")
    if rule.fresh_within_days is not None:
        yield _fresh(case, rule.fresh_within_days)
    if rule.status:
        yield _status(case, rule)
    if rule.unsafe_formats is not None:
        yield _formats(case, Result(rule.unsafe_formats))
    if rule.openness is not None or rule.licenses is not None:
        yield from (Check(*one) for one in judge_card(case, rule))
    if rule.lineage is not None:
        yield from (Check(*one) for one in judge_origins(case, rule, rule.lineage))
    yield from _third_parties(case, policy, rule)


def _signers(case: Case, policy: LoadedPolicy, rule: Rule) -> Check:
    """Check who signed the manifest, and the release: those whom the rule names, else owners as recorded."""
    what, wanted = "signer", policy.signers(rule.signers)
    signers = [case.signer]
    if case.release is not None:
        try:
            signers.append(case.authenticator(case.release.entry.bundle))
        except SignerError as error:
            return Check(what, Result.UNKNOWN, f"who signed the release is not known: {error.message}")
    if wanted is None:
        return _owners(case, what)
    for one in signers:
        if one is None or not wanted.accepts(one):
            who = "nobody" if one is None else describe(one)
            return Check(what, Result.FAIL, f"signed by {who}, not by {wanted.describe()}")
    return caution_check(what, wanted, [one for one in signers if one is not None])


def caution_check(what: str, wanted: Wanted, signers: list[Identity]) -> Check:
    """Accept signers, with a warning if only a pattern that fits strangers does."""
    caution = next((told for one in signers if (told := wanted.caution(one))), "")
    if caution:
        return Check(what, Result.WARN, caution)
    return Check(what, Result.PASS, f"signed by {describe(signers[0])}")


def _owners(case: Case, what: str) -> Check:
    """Check that the manifest's signer owned the namespace at the release's entry."""
    found = case.release
    if found is None or case.signer is None:
        return Check(
            what, Result.FAIL, "the rule names no signers, and a model without a release has no owners"
        )
    try:
        owners = read_ownership(
            found.document.namespace, case.reading.entries, lambda entry: case.authenticator(entry.bundle)
        ).get(found.entry.origin)
    except (SignerError, WeighbridgeError) as error:
        return Check(what, Result.FAIL, error.message)
    if owners is None or not found.entry.proved:
        return Check(what, Result.UNKNOWN, f"the owners of {found.document.namespace} are not proved here")
    if not owners.owns(case.signer, found.entry.index):
        told = f"{describe(case.signer)} is no owner of {found.document.namespace} as recorded"
        return Check(what, Result.FAIL, told)
    return Check(what, Result.PASS, f"signed by {describe(case.signer)}, an owner as recorded")


def _step(case: Case, n: int, what: str) -> Check:
    """Demand that a step passed; what it warns of it has told."""
    step = case.steps[n]
    if case.passed(n):
        return Check(what, Result.PASS, f"step {n} passed")
    if step.result is Result.FAIL:
        return Check(what, Result.FAIL, f"step {n}: {step.reason}")
    return Check(what, Result.UNKNOWN, f"step {n} has no answer: {step.reason}")


def _whole(case: Case) -> Check:
    """Demand that steps 1 and 2 passed without anything that a flag let through."""
    comparison = case.comparison
    if comparison is None or not case.passed(1, 2):
        return Check("whole", Result.UNKNOWN, "the files were not compared (steps 1 and 2)")
    let_through = case.unexpected(comparison.unsigned)
    if comparison.missing or let_through:
        named = ", ".join([*comparison.missing, *let_through][:_SHOWN])
        return Check("whole", Result.FAIL, f"files are missing, or unsigned and let through: {named}")
    return Check("whole", Result.PASS, "every signed file is here, and no other")


def _fresh(case: Case, days: int) -> Check:
    """Demand that witnesses saw the log lately, in the state that is relied on: a copy's, if asked."""
    policy, what = case.request.witness_policy, "fresh"
    word = case.word.checkpoint if case.word is not None else None
    used = [entry.checkpoint for entry in case.used if entry.checkpoint is not None]
    checkpoints = [word] if word is not None else used
    if policy is None or not checkpoints:
        return Check(what, Result.UNKNOWN, "no checkpoint that witnesses could have seen was relied on")
    now = case.request.now.timestamp()
    try:
        times = [one.time for each in checkpoints for one in policy.satisfied(each.note)]
    except (WitnessError, LogError) as error:
        return Check(what, Result.UNKNOWN, error.message)
    newest = max((time for time in times if time <= now + _CLOCK_SECONDS), default=None)
    if newest is None:
        return Check(what, Result.UNKNOWN, "no witness of the policy says when it saw the log")
    age = max(0, int(now - newest)) // _DAY
    if now - newest > days * _DAY:
        return Check(
            what, Result.FAIL, f"last seen by a witness {age:,} days ago; at most {days:,} are allowed"
        )
    return Check(what, Result.PASS, f"seen by a witness {age:,} days ago")


def _status(case: Case, rule: Rule) -> Check:
    """Demand that its owners said nothing else of it than the rule lets them."""
    what, found = "status", case.release
    if found is None:
        return Check(what, Result.UNKNOWN, "a model without a release has no status")
    logged = read_statuses(found, case.reading.entries, lambda entry: case.authenticator(entry.bundle))
    own = [each.document.state for each in logged if each.by_owner]
    state: str = "released" if not own or own[-1] == "restored" else own[-1]
    answer = released(case)
    proved = case.word is not None and case.word.proves
    if answer is not None and (proved or answer.status.state != "released"):
        state = answer.status.state
    if state == "withheld":
        return Check(what, Result.UNKNOWN, "the operator of the log withholds it")
    if state not in rule.status:
        return Check(what, Result.FAIL, f"{state} by its owners; let through: {', '.join(rule.status)}")
    return _known(case, rule, what, f"{state}", None if answer is not None else "nobody was asked about it")


def _known(case: Case, rule: Rule, what: str, good: str, missing: str | None = None) -> Check:
    """Conclude that nothing speaks against it, as far as the rule lets that be known."""
    word = case.word
    if word is not None and word.problem is not None:
        return Check(what, Result.UNKNOWN, f"{word.url}: {word.problem.message}")
    if word is None or word.checkpoint is None or missing is not None:
        why = missing or "neither a copy of the log nor a registry was asked"
        return Check(what, Result.UNKNOWN, f"{why}; give --mirror DIR{_or_registry(rule)}")
    if word.proves:
        return Check(what, Result.PASS, f"{good}, {word.says}")
    if rule.known_by == "registry":
        return Check(what, Result.REPORTED, f"{good}, {word.says}")
    return Check(what, Result.UNKNOWN, f"{good}, {word.says}; the policy wants a replay: --mirror DIR")


def _or_registry(rule: Rule) -> str:
    return " or --registry URL" if rule.known_by == "registry" else ""


def _formats(case: Case, effect: Result) -> Check:
    """Look for files that can run code when they are loaded, in the files themselves."""
    what = "formats"
    weighed = case.comparison.weighed if case.comparison is not None else None
    if weighed is None or not case.passed(1, 2):
        return Check(what, Result.UNKNOWN, "the files were not read (steps 1 and 2)")
    unsafe = [f"{file.path} ({file.format})" for file in weighed.files if file.unsafe_to_load]
    if unsafe:
        more = f" and {len(unsafe) - _SHOWN} more" if len(unsafe) > _SHOWN else ""
        return Check(what, effect, f"loading these can run code: {', '.join(unsafe[:_SHOWN])}{more}")
    return Check(what, Result.PASS, "no file has a format that can run code")


def _third_parties(case: Case, policy: LoadedPolicy, rule: Rule) -> Iterator[Check]:
    """Yield what reviewers' words do, and whether what must be attested is."""
    reviewers = policy.document.reviewers
    warning = [one for one in reviewers if one.advisories is not None or one.disputes is not None]
    if (not warning and not rule.attestations) or case.release is None:
        if rule.attestations:
            yield Check("attestations", Result.UNKNOWN, "a model without a release has none")
        return
    found = heard(case, released(case))
    if warning:
        yield from _warnings(case, policy, rule, found)
    for demand in rule.attestations:
        yield _attested(case, policy, rule, found, demand)


def _warnings(case: Case, policy: LoadedPolicy, rule: Rule, found: Heard) -> Iterator[Check]:
    told = 0
    for warned in found.advisories:
        severity = warned.advisory.severity
        result = _worst(
            _effect(one.advisories, severity)
            for one in _reviewers(policy, warned.said.signer)
            if one.advisories is not None
        )
        if result is not None:
            of = f" (of {warned.about})" if warned.about else ""
            words = f"{severity}{of}: {warned.advisory.summary}, says {warned.said.who}"
            yield Check("advisory", result, words)
            told += 1
    for said, position in found.disputes:
        effects = [
            Result(one.disputes) for one in _reviewers(policy, said.signer) if one.disputes is not None
        ]
        result = _worst(effects)
        if result is not None:
            yield Check("dispute", result, f"{position.reason or 'no reason given'}, says {said.who}")
            told += 1
    if found.doubts:
        yield Check("reviewers", Result.UNKNOWN, f"what reviewers say is not known: {found.doubts[0]}")
    elif not told:
        yield _known(case, rule, "reviewers", "no reviewer warns of it or disputes it")


def _attested(case: Case, policy: LoadedPolicy, rule: Rule, found: Heard, demand: AttestationDemand) -> Check:
    what, wanted = f"attestation {demand.type}", policy.signers(demand.signers)
    said = [
        one
        for one in found.attestations
        if one.statement.predicate_type == demand.type and wanted is not None and wanted.accepts(one.signer)
    ]
    newest = max(said, key=lambda one: one.index, default=None)
    if newest is None and found.doubts:
        return Check(what, Result.UNKNOWN, f"not found, and {found.doubts[0]}")
    if newest is None:
        names = wanted.describe() if wanted is not None else "anybody"
        return Check(what, Result.FAIL, f"none is recorded by {names}")
    predicate = newest.statement.predicate
    result = predicate.get("result", predicate.get("verificationResult"))
    if demand.result is not None and result != demand.result:
        return Check(what, Result.FAIL, f"entry {newest.index} by {newest.who} says {str(result)[:80]}")
    if found.doubts and demand.result is not None:
        return Check(what, Result.UNKNOWN, f"there may be a newer one: {found.doubts[0]}")
    good = f"entry {newest.index} by {newest.who}"
    if demand.result is None:
        return Check(what, Result.PASS, good)  # that it is there is proved, whoever showed the way
    return _known(case, rule, what, f"{good} says {demand.result}")


def _reviewers(policy: LoadedPolicy, signer: Identity) -> Iterator[Reviewer]:
    for one in policy.document.reviewers:
        wanted = policy.signers(one.signers)
        if wanted is not None and wanted.accepts(signer):
            yield one


def _effect(effects: AdvisoryEffects, severity: str) -> Result | None:
    """Return what an advisory of a severity does; None if nothing."""
    rank = _SEVERITIES.index(severity)
    if effects.fail is not None and rank >= _SEVERITIES.index(effects.fail):
        return Result.FAIL
    if effects.warn is not None and rank >= _SEVERITIES.index(effects.warn):
        return Result.WARN
    return None


def _worst(results: Any) -> Result | None:
    found = {one for one in results if one is not None}
    return next((one for one in _WORST_FIRST if one in found), None)
