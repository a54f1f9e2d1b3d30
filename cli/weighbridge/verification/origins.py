# SPDX-License-Identifier: Apache-2.0
"""What a policy demands of where a model comes from: of its parents, and of what is said of ancestors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from weighbridge.policy.matching import fits
from weighbridge.verdict import Result

from .hearing import heard
from .statuses import released

if TYPE_CHECKING:
    from weighbridge_schemas.api import ParentEdge, ReleaseDocument
    from weighbridge_schemas.lineage import Lineage, Parent
    from weighbridge_schemas.policy import LineageDemand, Rule

    from .case import Case
    from .registries import RegistryWord

__all__ = ["judge_origins"]

LEVELS: Final = (
    "claimed (0)",
    "pinned (1)",
    "anchored (2)",
    "tensor-matched (3)",
    "re-checked (4)",
)
_RECHECKED: Final = 4
Told = tuple[str, Result, str]


def judge_origins(case: Case, rule: Rule, demand: LineageDemand) -> Iterator[Told]:
    """Yield what each demand on lineage comes to.

    The signed release says what is stated; what only the log tells (levels from 2 on, names of parents, what
    is said of ancestors) is taken from the copy or the registry that was asked.
    """
    if case.release is None or not case.passed(6):
        yield "lineage", Result.UNKNOWN, "no release was accepted (step 6), so nothing is stated"
        return
    answer, word = released(case), case.word
    stated = case.release.document.lineage
    if demand.stated:
        yield _stated(case, stated, answer)
    if demand.level is not None:
        yield _levels(case, rule, stated, answer, demand.level)
    if demand.parents:
        yield _parents(case, rule, stated, answer, demand.parents)
    if demand.contradicted is not None:
        told = [_name(edge) for edge in _edges(answer) if edge.contradicted]
        yield _bad(rule, word, answer, "contradicted", Result(demand.contradicted), told)
    if demand.upstream is not None:
        notes = answer.upstream if answer is not None else ()
        told = [f"{note.name} ({note.kind.replace('_', ' ')})" for note in notes if note.by_owner]
        yield _bad(rule, word, answer, "upstream", Result(demand.upstream), told)


def _stated(case: Case, stated: Lineage | None, answer: ReleaseDocument | None) -> Told:
    """Demand a statement: the release's own, or its newest revision if the log was replayed."""
    proved = case.word is not None and case.word.proves and answer is not None
    newest = answer.lineage if proved and answer is not None else None
    if (stated is not None and stated.parents and not proved) or (newest is not None and newest.parents):
        return "lineage stated", Result.PASS, "its publisher says where it comes from"
    return "lineage stated", Result.FAIL, "its publisher says nothing of where it comes from"


def _levels(
    case: Case, rule: Rule, stated: Lineage | None, answer: ReleaseDocument | None, demanded: int
) -> Told:
    """Demand a level of each parent: what the statement itself shows, the log, and re-checks that count."""
    what, word = f"lineage level {demanded}", case.word
    signed, reason = _level_signed(stated, demanded)
    if answer is None or (demanded <= 1 and signed is Result.PASS and not (word and word.proves)):
        return what, signed, reason
    found = heard(case, answer)
    levels = [(edge, _level(edge, edge.parent in found.rechecks)) for edge in _edges(answer)]
    low = [f"{_name(edge)} is only {LEVELS[level]}" for edge, level in levels if level < demanded]
    if low:
        perhaps = demanded == _RECHECKED and bool(found.doubts)
        told = f"{low[0]}, and {found.doubts[0]}" if perhaps else "; ".join(low[:3])
        return what, Result.UNKNOWN if perhaps else Result.FAIL, told
    return _by(
        rule, word, what, f"each parent is at least {LEVELS[demanded]}" if levels else "it names no parent"
    )


def _level_signed(stated: Lineage | None, demanded: int) -> tuple[Result, str]:
    """Say what the signed statement alone shows: whether each parent is named by a digest."""
    named = _named(stated)
    low = [_title(one) for one in named if one.digest is None and one.statement is None]
    if low:
        return Result.FAIL, f"{low[0]} is only {LEVELS[0]}"
    if demanded <= 1 or not named:
        return Result.PASS, f"each parent is at least {LEVELS[1]}" if named else "it names no parent"
    return Result.UNKNOWN, f"only the log tells more than {LEVELS[1]}; give --mirror DIR"


def _level(edge: ParentEdge, rechecked: bool) -> int:  # noqa: FBT001 - private
    return _RECHECKED if rechecked and not edge.contradicted else edge.level


def _parents(
    case: Case,
    rule: Rule,
    stated: Lineage | None,
    answer: ReleaseDocument | None,
    patterns: tuple[str, ...],
) -> Told:
    what = "parents"
    if answer is None:
        if not _named(stated):
            return what, Result.PASS, "it names no parent"
        return what, Result.UNKNOWN, "only the log tells which releases its parents are; give --mirror DIR"
    for edge in _edges(answer):
        if edge.namespace is None or edge.model is None:
            return what, Result.FAIL, f"{_name(edge)} is no release that is registered there"
        if not any(fits(one, edge.namespace, edge.model, edge.version or "") for one in patterns):
            return what, Result.FAIL, f"{_name(edge)} is none that the policy lets through"
    return _by(rule, case.word, what, "each is one that the policy lets through")


def _bad(
    rule: Rule,
    word: RegistryWord | None,
    answer: ReleaseDocument | None,
    what: str,
    effect: Result,
    told: list[str],
) -> Told:
    """Apply an effect to what is wrong; that nothing is must be known as the rule says."""
    if told:
        return what, effect, ", ".join(told[:3])
    if answer is None:
        return what, Result.UNKNOWN, "only the log tells that; give --mirror DIR"
    return _by(rule, word, what, "nothing is known against it")


def _by(rule: Rule, word: RegistryWord | None, what: str, good: str) -> Told:
    if word is None:
        return what, Result.UNKNOWN, "neither a copy of the log nor a registry was asked"
    if word.proves:
        return what, Result.PASS, f"{good}, {word.says}"
    if rule.known_by == "registry":
        return what, Result.REPORTED, f"{good}, {word.says}"
    return what, Result.UNKNOWN, f"{good}, {word.says}; the policy wants a replay: --mirror DIR"


def _edges(answer: ReleaseDocument | None) -> list[ParentEdge]:
    lineage = answer.lineage if answer is not None else None
    return (
        [edge for edge in lineage.parents if edge.relation != "from_scratch"] if lineage is not None else []
    )


def _named(stated: Lineage | None) -> list[Parent]:
    return [one for one in stated.parents if one.relation != "from_scratch"] if stated is not None else []


def _name(edge: ParentEdge) -> str:
    if edge.namespace is not None:
        return f"{edge.namespace}/{edge.model}@{edge.version}"
    return edge.name or edge.parent or "an unnamed parent"


def _title(parent: Parent) -> str:
    return parent.name or parent.location or parent.digest or "an unnamed parent"
