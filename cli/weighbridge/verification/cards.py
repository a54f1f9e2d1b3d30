# SPDX-License-Identifier: Apache-2.0
"""What a policy demands of the signed card: how open it makes the model, and under which licences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from weighbridge.identities import ref_matches
from weighbridge.verdict import Result

from .revisions import card_in_force
from .statuses import released

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card, License
    from weighbridge_schemas.policy import LicenseDemand, Rule

    from .case import Case

__all__ = ["judge_card", "permitted"]

_PARTS: Final = ("distribution", "code", "data", "document")
_CLASSES: Final = {1: "I", 2: "II", 3: "III"}
Told = tuple[str, Result, str]


def judge_card(case: Case, rule: Rule) -> Iterator[Told]:
    """Yield what the card's openness and licences come to: the newest card that is proved here."""
    if case.release is None:
        yield "card", Result.UNKNOWN, "a model without a release has no signed card"
        return
    if not case.passed(6):
        yield "card", Result.UNKNOWN, "the release was not accepted (step 6)"
        return
    card = _card(case)
    if rule.openness is not None:
        yield _openness(case, card, rule.openness)
    if rule.licenses is not None:
        yield _licenses(card, rule.licenses)


def _card(case: Case) -> Card | None:
    """Return the card in force: by the replay, if there was one, else by the record."""
    answer, word = released(case), case.word
    if answer is not None and word is not None and word.proves:
        return answer.card
    return None if case.release is None else card_in_force(case, case.release)


def _openness(case: Case, card: Card | None, demanded: int) -> Told:
    from weighbridge.openness import Evidence, assess

    what = "openness"
    if card is None or case.release is None:
        return what, Result.FAIL, "the release has no card, so it has no openness class"
    files = {file.path: file.sha256 for file in case.release.document.model.files}
    readme = card.readme.sha256 if card.readme is not None else None
    found = assess(card, Evidence(files=files, attachments=frozenset(), readme=readme))
    if not found.class_ or found.class_ > demanded:
        named = _CLASSES.get(found.class_, "none")
        missing = f"; missing: {', '.join(found.missing[:5])}" if found.missing else ""
        return (
            what,
            Result.FAIL,
            f"class {named} by {found.ruleset}, demanded is {_CLASSES[demanded]}{missing}",
        )
    return what, Result.PASS, f"class {_CLASSES[found.class_]} by {found.ruleset}"


def _licenses(card: Card | None, demand: LicenseDemand) -> Told:
    what = "licences"
    stated = card.licenses if card is not None else None
    named = [] if stated is None else [(part, getattr(stated, part)) for part in _PARTS]
    found: list[tuple[str, License]] = [(part, license_) for part, license_ in named if license_ is not None]
    if not found:
        return what, Result.FAIL, "the signed card states no licence"
    for part, license_ in found:
        text = license_.spdx or license_.text or ""
        if not permitted(text, demand.allow, demand.deny, spdx=license_.spdx is not None):
            return what, Result.FAIL, f"{text[:200]} ({part}) is not one that the policy lets through"
    return what, Result.PASS, ", ".join(dict.fromkeys((one.spdx or one.text or "")[:80] for _, one in found))


def permitted(text: str, allow: Sequence[str], deny: Sequence[str], *, spdx: bool = True) -> bool:
    """Tell whether a licence, or one way to choose in an SPDX expression, is allowed and not denied.

    All parts of an `AND` must be; of an `OR` one must, which is then the one that the reader chooses. What is
    no SPDX expression is compared as a whole.
    """

    def one(identifier: str) -> bool:
        known = identifier.lower()
        if any(ref_matches(pattern.lower(), known) for pattern in deny):
            return False
        return not allow or any(ref_matches(pattern.lower(), known) for pattern in allow)

    def holds(parsed: Any) -> bool:
        operands = getattr(parsed, "args", ())
        if not operands:
            return one(str(parsed.render("{symbol.key}")))
        either = str(parsed.operator).strip().upper() == "OR"
        return any(map(holds, operands)) if either else all(map(holds, operands))

    from weighbridge.openness.licensing import parse_expression

    parsed = parse_expression(text) if spdx else None
    return one(text) if parsed is None else holds(parsed)
