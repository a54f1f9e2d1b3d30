# SPDX-License-Identifier: Apache-2.0
"""Two stated licences side by side, by rules that docs/spec/license-terms.md numbers.

1  Each alternative of the child must be allowed by some alternative of the parent: a child that offers a
   choice offers every part of it, and its publisher chose one of the parent's.
2  An obligation of the parent is kept if a licence of the child's alternative has it too (non-commercial, use
   restrictions), is one that the parent's accepts (share-alike), or if the name begins as asked (naming).
3  An obligation that is not kept is a conflict; if the child's alternative has a licence that the table does
   not know, it may be kept there, and is unknown.
4  A licence of the parent that the table does not know makes the whole unknown, unless 3 found a conflict.
5  No derivatives: any child but a conversion of the same weights into another format is a conflict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from weighbridge.openness import spdx_list
from weighbridge_schemas.api import LicenseCheck, LicenseFinding

from .reading import Part, Reading, read_license
from .table import OBLIGATIONS, LicenseRow, Obligation

if TYPE_CHECKING:
    from weighbridge_schemas.api import StatedLicense
    from weighbridge_schemas.lineage import Relation, Stage

__all__ = ["RULESET", "compare_data_license", "compare_licenses", "unregistered_parent"]

RULESET: Final = f"license-terms-1/2026-11 spdx-{spdx_list.VERSION}"
"""Name of the rules and of the list of identifiers that they read."""

_Result = Literal["conflict", "unknown", "nothing found"]
_WORSE: Final[dict[_Result, int]] = {"nothing found": 0, "unknown": 1, "conflict": 2}
_OF_DATA: Final = ("non_commercial", "no_derivatives", "use_restrictions")
"""Obligations of a data set's licence that are looked at; whether a model is made from its data in the sense
of a licence is disputed, so those that only speak of copies are left out."""
_LONGEST: Final = 120
_TOLD: Final = 3
_FINDINGS: Final = 32
_LISTED: Final = 6


@dataclass(frozen=True, slots=True)
class _Question:
    """What is compared: `of`, `says` and `short` name the other side in words."""

    of: str
    says: str
    short: str
    obligations: tuple[Obligation, ...]
    converted: bool
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Outcome:
    result: _Result
    findings: tuple[LicenseFinding, ...] = ()
    against: tuple[str, ...] = ()
    """What is surely not kept, in words."""


@dataclass(frozen=True, slots=True)
class _Graded:
    """One alternative of the child beside one of the parent."""

    result: _Result
    child: tuple[Part, ...]
    parent: tuple[Part, ...]

    def badness(self) -> int:
        """Return a number that is greater for what is worse."""
        return _WORSE[self.result]


def compare_licenses(
    child: StatedLicense | None,
    parent: StatedLicense | None,
    *,
    relation: Relation | None = None,
    names: Sequence[str] = (),
) -> LicenseCheck:
    """Compare what a child's card says of its weights' licence with what its parent's says.

    `names` are those of the child, for licences that ask for a name; without any nothing is said of it.
    """
    question = _Question(
        "parent's card",
        "the parent's card says",
        "parent",
        OBLIGATIONS,
        relation == "converted",
        tuple(names),
    )
    return _compare(child, parent, question)


def compare_data_license(
    child: StatedLicense | None, data: StatedLicense | None, *, stage: Stage | None = None
) -> LicenseCheck | None:
    """Compare a model's licence with that of a data set it was made with.

    None if nobody states one for the data, or if it was only used to evaluate.
    """
    if data is None or stage == "eval":
        return None
    return _compare(
        child, data, _Question("data set", "the data set's licence is", "data set", _OF_DATA, False, ())
    )


def unregistered_parent(child: StatedLicense | None) -> LicenseCheck:
    """Say that nothing is known of a parent's licence: no release here is meant by its name or digest."""
    words = "The parent is not registered here, so what its licence asks for is unknown."
    return LicenseCheck(result="unknown", words=words, child=child, ruleset=RULESET)


def _compare(child: StatedLicense | None, other: StatedLicense | None, question: _Question) -> LicenseCheck:
    own, theirs = read_license(child), read_license(other)
    outcome = _outcome(own, theirs, question)
    return LicenseCheck(
        result=outcome.result,
        words=_words(child, other, outcome, question),
        findings=outcome.findings,
        child=child,
        parent=other,
        ruleset=RULESET,
    )


def _outcome(own: Reading, theirs: Reading, question: _Question) -> _Outcome:
    """Find the child's worst alternative under what each time is the best of the parent's."""
    if not theirs.alternatives:
        return _Outcome("unknown")
    found: list[_Graded] = []
    for child in own.alternatives or ((),):  # nothing stated, or nothing read: it may be anything
        found.append(_best(child, theirs, question))
        if found[-1].result == "conflict":
            break
    worst = max(found, key=_Graded.badness)  # the first of several
    return _told(worst, question)


def _best(child: tuple[Part, ...], theirs: Reading, question: _Question) -> _Graded:
    """Return the first of the parent's best alternatives; the search ends where nothing is found."""
    found: list[_Graded] = []
    for parent in theirs.alternatives:
        found.append(_Graded(_grade(child, parent, question), child, parent))
        if found[-1].result == "nothing found":
            break
    return min(found, key=_Graded.badness)


def _grade(child: tuple[Part, ...], parent: tuple[Part, ...], question: _Question) -> _Result:
    """Compare one alternative of the child with one of the parent; stops at the first conflict."""
    result: _Result = "unknown" if any(part.row is None for part in parent) else "nothing found"
    for *_, sure in _dropped(child, parent, question):
        if sure:
            return "conflict"
        result = "unknown"
    return result


def _told(graded: _Graded, question: _Question) -> _Outcome:
    """Put what was found into words."""
    dropped = list(_dropped(graded.child, graded.parent, question))[:_FINDINGS]
    findings = tuple(
        _finding(obligation, part, row, sure=sure, question=question)
        for part, row, obligation, sure in dropped
    )
    against = (
        f"{_short(part.name)} {_asks(obligation, row)}" for part, row, obligation, sure in dropped if sure
    )
    return _Outcome(graded.result, findings, tuple(against))


def _dropped(
    child: tuple[Part, ...], parent: tuple[Part, ...], question: _Question
) -> Iterator[tuple[Part, LicenseRow, Obligation, bool]]:
    """Yield what a child does not keep, and whether that is sure; an empty child may be anything."""
    open_ = not child or any(part.row is None for part in child)
    for part in parent:
        row = part.row
        for obligation in question.obligations if row is not None else ():
            if row is None or obligation not in row.asks:
                continue
            kept = _is_kept(obligation, part, row, child, question)
            if kept is not True:
                sure = kept is False and (not open_ or obligation in ("no_derivatives", "naming"))
                yield part, row, obligation, sure


def _is_kept(
    obligation: Obligation, part: Part, row: LicenseRow, child: tuple[Part, ...], question: _Question
) -> bool | None:
    """Tell whether a child keeps an obligation; None if the table cannot tell."""
    known = [one for one in child if one.row is not None]
    having = [one for one in known if one.row is not None and obligation in one.row.asks]
    if obligation == "no_derivatives":
        return question.converted
    if obligation == "naming":
        begins = _letters(row.begins)
        return not question.names or any(_letters(name).startswith(begins) for name in question.names)
    if obligation == "share_alike":
        accepted = [one for one in known if one.identifier in row.passes_as]
        if accepted and all(one.exception not in (None, part.exception) for one in accepted):
            return None  # an exception allows more, and whether the parent's publisher may is not known
        return bool(accepted)
    if obligation == "use_restrictions":
        same = any(one.identifier in row.passes_as for one in known)
        return True if same else None if having else False
    return bool(having)


def _finding(
    obligation: Obligation, part: Part, row: LicenseRow, *, sure: bool, question: _Question
) -> LicenseFinding:
    child = (
        "the child's licence does not keep that" if sure else "whether the child's licence does is unknown"
    )
    if obligation == "naming":
        child = f"the child is called {' and '.join(_short(one) for one in question.names[:2])}"
    if obligation == "no_derivatives":
        child = "the child is shared"
    words = f"{_short(part.name)} {_asks(obligation, row)}; {child}"
    return LicenseFinding(obligation=obligation, words=words, source=row.source)


def _asks(obligation: Obligation, row: LicenseRow) -> str:
    """Say what a licence asks for, as the rest of a sentence."""
    listed = sorted(row.passes_as - {row.identifier}, key=str.casefold)
    others = ", ".join(listed[:_LISTED]) + (" and others" if len(listed) > _LISTED else "")
    return {
        "non_commercial": "does not allow commercial use",
        "no_derivatives": "does not allow to share what is made from it",
        "share_alike": f"asks that what is made from it stays under it{f' or {others}' if listed else ''}",
        "use_restrictions": "asks to pass on its restrictions of use",
        "naming": f"asks for a name that begins with “{row.begins}”",
        "attribution": "asks to keep its notices and to name its authors",
    }[obligation]


def _words(
    child: StatedLicense | None, other: StatedLicense | None, outcome: _Outcome, question: _Question
) -> str:
    """Say the whole in one sentence."""
    if other is None:
        return f"The {question.of} states no licence: what it asks for is unknown."
    says = f"The child says {_said(child)}" if child is not None else "The child's card states no licence"
    start = f"{says}; {question.says} {_said(other)}"
    if outcome.result == "conflict":
        return f"{start}. {'. '.join(outcome.against[:_TOLD])}. Look at both texts; this is no advice."
    if outcome.result == "unknown":
        reasons = "; ".join(_reasons(child, other, outcome, question))
        return f"{start}. Whether the one keeps to the other is unknown: {reasons}."
    return f"{start}. The table finds nothing against it, which is no permission."


def _reasons(
    child: StatedLicense | None, other: StatedLicense, outcome: _Outcome, question: _Question
) -> Iterator[str]:
    """Say what keeps two licences from being compared."""
    missing: dict[str, None] = {}
    for whose, stated in (("the child's", child), (f"the {question.short}'s", other)):
        reading = read_license(stated)
        if reading.problem:
            yield f"{whose} {reading.problem}"
        missing |= {part.name: None for one in reading.alternatives for part in one if part.row is None}
    if missing:
        yield f"the table does not have {', '.join(_short(one) for one in list(missing)[:_TOLD])}"
    elif outcome.findings and child is not None:
        yield "what the child's passes on stands only in the texts"


def _said(stated: StatedLicense) -> str:
    return _short(stated.spdx or stated.text or "nothing")


def _letters(name: str) -> str:
    """Return a name without what people write differently: case, spaces, dots and dashes."""
    return "".join(one for one in name.casefold() if one.isalnum())


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
