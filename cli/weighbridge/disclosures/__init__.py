# SPDX-License-Identifier: Apache-2.0
"""How much of what can be said of a model was said: a count of indicators, under a named ruleset.

    findings = find_stated(Disclosed(card, lineage=lineage, release=release))
    findings = find_answered(disclosure)     # of a closed model
    describe_score(findings)                 # as the API's document

Everything here is pure and offline: signed documents in, findings out (docs/spec/disclosure-score.md). It
says *stated*, never *true*, and counts; it grades nothing.
"""

from __future__ import annotations

from .documents import describe_score
from .indicators import BY_ID, GROUPS, INDICATORS, RULESET, Indicator
from .scoring import Disclosed, Finding, Warnings, canonical_id, find_answered, find_stated

__all__ = [
    "BY_ID",
    "GROUPS",
    "INDICATORS",
    "RULESET",
    "Disclosed",
    "Finding",
    "Indicator",
    "Warnings",
    "canonical_id",
    "describe_score",
    "find_answered",
    "find_stated",
]
