# SPDX-License-Identifier: Apache-2.0
"""A policy in words: what it demands, of whom it is, and what to be careful about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .matching import catches_all

if TYPE_CHECKING:
    from weighbridge_schemas.policy import LineageDemand, Reviewer, Rule

    from .files import LoadedPolicy

__all__ = ["cautions", "explain"]

_CLASSES = {1: "I (Open Science)", 2: "II (Open Tooling)", 3: "III (Open Model)"}
_LEVELS = {
    1: "named by its digest",
    2: "a release that is registered",
    3: "borne out by the signed tensor tables",
    4: "re-checked by a reviewer whose re-checks count",
}
_EFFECTS = {"fail": "is refused", "warn": "is warned of"}


def explain(policy: LoadedPolicy, rules: Sequence[Rule] | None = None) -> Iterator[str]:
    """Yield a policy in words, a line each; with `rules` only these."""
    document = policy.document
    if rules is None:
        yield document.description or "A policy for models."
    if policy.logs:
        yield f"Only {_and([one.name for one in policy.logs], 'or')} is believed as a public record."
    else:
        yield "Believed as public records are the logs that this computer trusts."
    if policy.witness_policy is not None and policy.witness_policy.witnesses:
        names = [one.name for one in policy.witness_policy.witnesses]
        yield f"Co-signers that count: {_and(names, 'and')}; enough are: {policy.witness_policy.quorum}."
    for rule in document.rules if rules is None else rules:
        yield ""
        yield from _rule(policy, rule)
    yield ""
    yield from _others(policy)


def cautions(policy: LoadedPolicy) -> list[str]:
    """Return what somebody should look at again: a policy that lets in more than it seems to."""
    return [
        *_patterns(policy),
        *_wide_rules(policy),
        *_unreached(policy),
        *_unused(policy),
    ]


def _rule(policy: LoadedPolicy, rule: Rule) -> Iterator[str]:
    what = _and(rule.releases, "or") if rule.releases else "any model, also one that is no release"
    yield f"{policy.number(rule)[0].upper()}{policy.number(rule)[1:]}, for {what}:"
    yield from (f"  - {line}" for line in _demands(policy, rule))


def _demands(policy: LoadedPolicy, rule: Rule) -> Iterator[str]:
    yield from _proofs(policy, rule)
    if rule.status:
        yield f"its owners last called it {_and(rule.status, 'or')}, {_known(rule)}"
    if rule.unsafe_formats is not None:
        yield f"a file that can run code when it is loaded {_EFFECTS[rule.unsafe_formats]}"
    yield from _card(rule)
    if rule.lineage is not None:
        yield from _lineage(rule, rule.lineage)
    for demand in rule.attestations:
        names = policy.signers(demand.signers)
        result = f", with the result {demand.result}" if demand.result is not None else ""
        yield f"recorded of it: {demand.type}, by {names.describe() if names else 'nobody'}{result}"


def _proofs(policy: LoadedPolicy, rule: Rule) -> Iterator[str]:
    wanted = policy.signers(rule.signers)
    if wanted is None:
        yield "signed by an owner of the namespace, as recorded"
    else:
        yield f"signed by {wanted.describe()}"
    if rule.whole:
        yield "every signed file is here, and no other, whatever flags are given"
    if rule.recorded:
        yield "recorded in a trusted log"
    if rule.witnessed:
        yield "seen there by enough co-signers"
    if rule.fresh_within_days is not None:
        yield f"a co-signer saw the log at most {rule.fresh_within_days:,} days ago"


def _card(rule: Rule) -> Iterator[str]:
    if rule.openness is not None:
        yield f"open by its signed card: class {_CLASSES[rule.openness]} at least"
    if rule.licenses is not None:
        allowed = f", and only {_and(rule.licenses.allow, 'or')}" if rule.licenses.allow else ""
        yield f"its card states a licence{allowed}"
    if rule.licenses is not None and rule.licenses.deny:
        yield f"never {_and(rule.licenses.deny, 'or')}"


def _lineage(rule: Rule, demand: LineageDemand) -> Iterator[str]:
    if demand.stated:
        yield "its publisher says where it comes from"
    if demand.level is not None:
        known = f", {_known(rule)}" if demand.level > 1 else ""
        yield f"each parent is {_LEVELS[demand.level]} (level {demand.level} at least){known}"
    if demand.parents:
        yield f"each parent is a release called {_and(demand.parents, 'or')}, {_known(rule)}"
    if demand.contradicted is not None:
        yield f"a parent that the tensor tables contradict {_EFFECTS[demand.contradicted]}, {_known(rule)}"
    if demand.upstream is not None:
        yield (f"what its origins' owners withdrew, or warn of, {_EFFECTS[demand.upstream]}, {_known(rule)}")


def _others(policy: LoadedPolicy) -> Iterator[str]:
    """Say whose words count, and what is refused."""
    for reviewer in policy.document.reviewers:
        wanted = policy.signers(reviewer.signers)
        who = wanted.describe() if wanted is not None else "nobody"
        yield f"The word of {who} counts: {'; '.join(_reviewer(reviewer))}."
    yield "What anybody else says of a model is shown, and changes nothing."
    if all(rule.releases for rule in policy.document.rules):
        yield "A release that no rule fits is refused."


def _reviewer(reviewer: Reviewer) -> Iterator[str]:
    effects = reviewer.advisories
    if effects is not None and effects.fail is not None:
        yield f"a warning of severity {effects.fail} or worse refuses"
    if effects is not None and effects.warn is not None:
        yield f"one of severity {effects.warn} or worse warns"
    if reviewer.disputes is not None:
        yield f"what they dispute {_EFFECTS[reviewer.disputes]}"
    if reviewer.rechecks:
        yield "their re-check of an origin makes it level 4"


def _known(rule: Rule) -> str:
    return "known by a replay of the log" if rule.known_by == "replay" else "a registry's word will do"


def _patterns(policy: LoadedPolicy) -> Iterator[str]:
    from weighbridge.verification.patterns import SubjectPattern

    for name, signer in policy.document.signers.items():
        if signer.type == "pattern":
            caution = SubjectPattern.read(signer.pattern).caution("")
            if caution:
                yield f"signer {name}: {caution}"


def _wide_rules(policy: LoadedPolicy) -> Iterator[str]:
    for rule in policy.document.rules:
        if rule.signers:
            continue
        open_ = [one for one in rule.releases if "*" in one.partition("/")[0]]
        if open_ or not rule.releases:
            names = _and(open_, "and") if open_ else "any model"
            yield (
                f"{policy.number(rule)}: names no signers, and anybody can claim a namespace that {names} "
                "fits: any stranger is let in"
            )


def _unreached(policy: LoadedPolicy) -> Iterator[str]:
    """Warn of rules behind one that takes every release."""
    rules = policy.document.rules
    for n, rule in enumerate(rules[:-1]):
        if not rule.releases or any(catches_all(one) for one in rule.releases):
            yield f"{policy.number(rule)} fits every release: rule {n + 2} and what follows is never asked"
            return


def _unused(policy: LoadedPolicy) -> Iterator[str]:
    document = policy.document
    used = {name for rule in document.rules for name in rule.signers}
    used |= {name for rule in document.rules for demand in rule.attestations for name in demand.signers}
    used |= {name for reviewer in document.reviewers for name in reviewer.signers}
    for name in document.signers:
        if name not in used:
            yield f"signer {name} is named and never asked for"


def _and(words: Sequence[str], joint: str) -> str:
    *first, last = words
    return f"{', '.join(first)} {joint} {last}" if first else last
