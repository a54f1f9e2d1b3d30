# SPDX-License-Identifier: Apache-2.0
"""What was said of models: how much of it, and field by field of closed ones."""

from __future__ import annotations

from typing import Literal

from weighbridge_schemas.base import Count, Document, Line, Slug

__all__ = ["DisclosureCount", "DisclosureIndicator", "DisclosureScore"]

Group = Literal["origin", "data", "training", "compute", "model", "evaluation", "use", "upkeep"]


class DisclosureCount(Document):
    """How many indicators of one group are stated."""

    group: Group
    """Which group."""
    title: Line
    """Its title."""
    stated: Count
    """Indicators to which something is stated."""
    asked: Count
    """Indicators that the documents at hand can answer."""


class DisclosureIndicator(Document):
    """One thing that can be said."""

    id: Slug
    """Its short name, also of a field of a disclosure/v1."""
    group: Group
    """Its group."""
    title: Line
    """What it asks."""
    state: Literal["stated", "left open", "not stated", "not asked"]
    """*Left open* gives a reason as evidence; *not asked* cannot be answered by the documents at hand."""
    evidence: tuple[Line, ...] = ()
    """Where it is stated: document and member. The statement may be wrong: nobody checked its truth."""
    fix: Line | None = None
    """What to do to state it; null if it is, or cannot be."""
    sources: tuple[Line, ...]
    """Where the field asks for it (docs/spec/disclosure-score.md)."""


class DisclosureScore(Document):
    """How much of what can be said was said. A count, never a grade: *stated*, not *true*, not *good*."""

    ruleset: Line
    """Name and version of the list of indicators."""
    stated: Count
    """Indicators to which something is stated."""
    left_open: Count
    """Those that are left open, with a reason."""
    asked: Count
    """Indicators that the documents at hand can answer."""
    groups: tuple[DisclosureCount, ...]
    """The same by group."""
    indicators: tuple[DisclosureIndicator, ...]
    """All of them, by group."""
