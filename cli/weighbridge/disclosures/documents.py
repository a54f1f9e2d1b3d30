# SPDX-License-Identifier: Apache-2.0
"""Findings as the document that the API, the command line and the page show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from .indicators import GROUPS, RULESET

if TYPE_CHECKING:
    from weighbridge_schemas.api import DisclosureScore

    from .scoring import Finding

__all__ = ["describe_score"]

_LONGEST: Final = 1024


def describe_score(findings: Sequence[Finding]) -> DisclosureScore:
    """Count what was found, by group, and say all of it."""
    from weighbridge_schemas.api import DisclosureCount, DisclosureIndicator, DisclosureScore

    asked = [one for one in findings if one.state != "not asked"]
    return DisclosureScore(
        ruleset=RULESET,
        stated=sum(one.state == "stated" for one in asked),
        left_open=sum(one.state == "left open" for one in asked),
        asked=len(asked),
        groups=tuple(
            DisclosureCount(
                group=group,
                title=title,
                stated=sum(one.state == "stated" for one in asked if one.indicator.group == group),
                asked=sum(one.indicator.group == group for one in asked),
            )
            for group, title in GROUPS.items()
        ),
        indicators=tuple(
            DisclosureIndicator(
                id=one.indicator.id,
                group=one.indicator.group,
                title=one.indicator.title,
                state=one.state,
                evidence=tuple(place[:_LONGEST] for place in one.places),
                fix=one.fix,
                sources=one.indicator.sources,
            )
            for one in findings
        ),
    )
