# SPDX-License-Identifier: Apache-2.0
"""The openness of a release as its page shows it: by class, what counts, why, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from weighbridge_web.words import COMPONENTS

if TYPE_CHECKING:
    from weighbridge_schemas.api import Openness, OpennessComponent

__all__ = ["CLASSES", "ClassRows", "ComponentRow", "OpennessView", "openness_view"]

CLASSES: Final = {
    3: "Class III, open model",
    2: "Class II, open tooling model",
    1: "Class I, open science model",
}
"""Names of the classes, by number."""

_NUMERALS: Final = {3: "III", 2: "II", 1: "I"}
_NEXT: Final = {None: 3, 3: 2, 2: 1, 1: None}
_SOURCES: Final = {
    "own": "its own",
    "content type": "the card's for this sort of content",
    "distribution": "the distribution's",
}


@dataclass(frozen=True)
class ComponentRow:
    """One component: what the card says of it, and what that rests on."""

    title: str
    state: str
    """In words: counts, open but not of this release, and so on."""
    tone: str
    """Class of the label: recorded where it counts, else empty."""
    basis: str
    license: str
    fix: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ClassRows:
    """The components that a class asks for beyond those of the class below it, and the optional ones."""

    title: str
    counted: int
    needed: int
    rows: tuple[ComponentRow, ...]


@dataclass(frozen=True)
class OpennessView:
    """What the section shows."""

    found: str
    ruleset: str
    goal: str
    """Next class, "" if there is none."""
    missing: tuple[ComponentRow, ...]
    classes: tuple[ClassRows, ...]


def openness_view(openness: Openness | None) -> OpennessView | None:
    """Return the section's view; None where nothing was computed."""
    if openness is None:
        return None
    by_name = {one.name: one for one in openness.components}
    goal = _NEXT[openness.class_]
    paper = any(one.name == "research_paper" and one.counts for one in openness.components)
    return OpennessView(
        found=CLASSES[openness.class_] if openness.class_ else "Unclassified",
        ruleset=openness.ruleset,
        goal=f"class {_NUMERALS[goal]}" if goal else "",
        missing=tuple(_row(by_name[name], paper=paper) for name in openness.missing if name in by_name),
        classes=tuple(_class(number, openness, paper=paper) for number in CLASSES),
    )


def _class(number: int, openness: Openness, *, paper: bool) -> ClassRows:
    own = [one for one in openness.components if one.needed_by == number]
    needed = [one for one in own if one.required]
    return ClassRows(
        title=CLASSES[number],
        counted=sum(one.counts or (paper and one.name == "technical_report") for one in needed),
        needed=len(needed),
        rows=tuple(_row(one, paper=paper) for one in own),
    )


def _row(one: OpennessComponent, *, paper: bool) -> ComponentRow:
    return ComponentRow(
        title=COMPONENTS[one.name] if one.required else f"{COMPONENTS[one.name]} (optional)",
        state=_state(one, replaced=paper and one.name == "technical_report"),
        tone="recorded" if one.counts else "",
        basis=_basis(one),
        license=f"{one.license} ({_SOURCES[one.license_from]})" if one.license and one.license_from else "",
        fix=one.fix or "",
        warnings=one.warnings,
    )


def _state(one: OpennessComponent, *, replaced: bool) -> str:
    if one.counts:
        return "counts"
    if replaced:
        return "the paper replaces it"
    if one.present is None:
        return "not said"
    return "does not count" if one.present else "not released"


def _basis(one: OpennessComponent) -> str:
    if not one.present:
        return ""
    return f"Evidence seen: {one.evidence}" if one.evidence else "Declared, nothing seen of it here"
