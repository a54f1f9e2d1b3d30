# SPDX-License-Identifier: Apache-2.0
"""An assessment as the document that the API, the command line and the page show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .mof import ComponentFinding, Evidence, assess
from .osaid import DEFINITION, checklist

if TYPE_CHECKING:
    from weighbridge_schemas.api import Openness, OpennessComponent
    from weighbridge_schemas.card import Card

__all__ = ["describe_openness"]

_LONGEST: Final = 1024


def describe_openness(card: Card, evidence: Evidence | None = None) -> Openness:
    """Assess a card and say all that was found."""
    from weighbridge_schemas.api import Openness, OpennessAnswer

    assessment = assess(card, evidence)
    return Openness(
        class_=assessment.class_ or None,
        ruleset=assessment.ruleset,
        missing=assessment.missing,
        components=tuple(_component(finding) for finding in assessment.components),
        definition=DEFINITION,
        osaid=tuple(
            OpennessAnswer(
                name=row.name,
                asks=row.asks,
                answer=row.answer,
                reasons=tuple(r[:_LONGEST] for r in row.reasons),
            )
            for row in checklist(card, assessment)
        ),
        unknown_licenses=assessment.unknown_licenses,
    )


def _component(finding: ComponentFinding) -> OpennessComponent:
    from weighbridge_schemas.api import OpennessComponent

    return OpennessComponent(
        name=finding.rule.name,
        needed_by=finding.rule.needed_by,
        required=finding.rule.required,
        content=finding.rule.content,
        present=finding.present,
        license=finding.license[:_LONGEST] if finding.license else None,
        license_from=finding.license_from,
        open=finding.is_open,
        appropriate=finding.appropriate,
        counts=finding.counts,
        basis=finding.basis,
        evidence=finding.evidence,
        warnings=finding.warnings,
        fix=finding.fix,
    )
