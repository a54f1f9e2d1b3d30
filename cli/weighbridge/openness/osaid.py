# SPDX-License-Identifier: Apache-2.0
"""The Open Source AI Definition 1.0 as a checklist of three rows, answered from a card.

The definition asks for data information, code and parameters. A card can say *yes* only by what it declares;
*no* where it says that something is not released, or not under open terms; else *not said*.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from .licensing import read_terms

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card, ComponentName

    from .mof import Assessment, ComponentFinding

__all__ = ["DEFINITION", "OsaidRow", "checklist"]

DEFINITION: Final = "osaid-1.0"
"""Name of the definition."""

Answer = Literal["yes", "no", "not said"]

_CODE: Final[tuple[ComponentName, ...]] = (
    "data_preprocessing_code",
    "training_code",
    "inference_code",
    "model_architecture",
)


@dataclass(frozen=True, slots=True)
class OsaidRow:
    """One row: what is asked for, the answer, and the reasons for it."""

    name: Literal["data information", "code", "parameters"]
    asks: str
    answer: Answer
    reasons: tuple[str, ...]


def checklist(card: Card, assessment: Assessment) -> tuple[OsaidRow, OsaidRow, OsaidRow]:
    """Answer the three rows from a card and its assessment."""
    found = {finding.rule.name: finding for finding in assessment.components}
    return (
        _row(
            "data information",
            "a description of all training data, so that a skilled person can build an equivalent system",
            [_open_answer(found["data_card"]), *_data_answers(card)],
        ),
        _row(
            "code",
            "all code for preparing the data, training and running, under licences that the OSI has approved",
            [_code_answer(found[name]) for name in _CODE],
        ),
        _row(
            "parameters",
            "the weights, under open terms",
            [_open_answer(found["model_parameters_final"])],
        ),
    )


def _row(
    name: Literal["data information", "code", "parameters"],
    asks: str,
    answers: Iterable[tuple[Answer, str]],
) -> OsaidRow:
    """Join answers: one no decides, else one thing not said does; reasons are those of the decision."""
    given = list(answers)
    order: tuple[Answer, ...] = ("no", "not said", "yes")
    decided: Answer = next(answer for answer in order if any(answer == one for one, _ in given))
    return OsaidRow(name, asks, decided, tuple(reason for answer, reason in given if answer == decided))


def _open_answer(finding: ComponentFinding) -> tuple[Answer, str]:
    title = finding.rule.title.lower()
    if finding.present is None:
        return "not said", f"the card does not mention: {title}"
    if not finding.present:
        return "no", f"the card says that it is not released: {title}"
    if finding.license is None:
        return "not said", f"no licence is given for: {title}"
    if not finding.counts:
        return "no", f"{title}: {finding.fix}"
    return "yes", f"{title}: declared under {finding.license}"


def _code_answer(finding: ComponentFinding) -> tuple[Answer, str]:
    answer, reason = _open_answer(finding)
    if answer == "yes" and not read_terms(finding.license or "").osi_approved:
        return "no", f"{finding.rule.title.lower()}: {finding.license} is not approved by the OSI"
    return answer, reason


def _data_answers(card: Card) -> Iterable[tuple[Answer, str]]:
    """Ask what the card itself must say of the data: what it is, and where each set can be had."""
    data = card.data
    if data is None or not (data.references or data.description):
        yield "not said", "the card names no data set and does not describe the data"
        return
    if not data.description:
        yield (
            "not said",
            "how the data was obtained, selected and prepared is not described (`data.description`)",
        )
    silent = [one.name for one in data.references if not (one.location or one.digest or one.note)]
    if silent:
        named = ", ".join(silent[:3]) + (f" and {len(silent) - 3} more" if len(silent) > 3 else "")  # noqa: PLR2004 - a few
        yield "not said", f"where it can be had, or that it cannot, is not said of: {named}"
    if data.references and not silent:
        yield "yes", "of each data set the card says where it can be had, or what was used of it"
