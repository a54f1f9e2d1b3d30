# SPDX-License-Identifier: Apache-2.0
"""The class of a model by the Model Openness Framework, from its signed card alone.

Pure and offline: the same card gives the same class everywhere, under the name of the ruleset and of its
licence list (docs/spec/openness.md gives the rules, with vectors). A class rests on what is *declared*. Where
the card gives a digest, or names a file, that stands in the same signed release, *evidence* was seen: that
the thing exists, never that it is what it is called.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from . import spdx_list
from .components import COMPONENTS, ComponentRule
from .licensing import Terms, read_terms

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card, Component, ComponentName, License, Licenses

__all__ = ["RULESET", "Assessment", "ComponentFinding", "Evidence", "Progress", "assess"]

RULESET: Final = f"mof-1.1/2026-11 spdx-{spdx_list.VERSION}"
"""Name of these rules and of the licence list that they read."""

_LONGEST: Final = 200

Source = Literal["own", "content type", "distribution"]
"""Where a component's licence was found, in the order in which it is looked for."""


@dataclass(frozen=True)
class Evidence:
    """What a release holds, by bare hex digests: what a component may be seen in.

    `files` are paths with their SHA-256; `attachments` what a registry stores for the release; `readme` the
    README.md that the card binds. `complete` says that this is all there is, so that a digest which is not
    here is of something else.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    attachments: frozenset[str] = frozenset()
    readme: str | None = None
    complete: bool = True

    @functools.cached_property
    def by_digest(self) -> Mapping[str, str]:
        """Paths by digest; of equal files the first."""
        return {self.files[path]: path for path in sorted(self.files, reverse=True)}


@dataclass(frozen=True, slots=True)
class ComponentFinding:
    """What the card says of one component, and what that is worth.

    `present` is None where nothing is said. `license` is the expression or text that was used, None if there
    is none. `counts` is the rules' word: present under an open licence. `fix` says what to do where it does
    not count.
    """

    rule: ComponentRule
    present: bool | None
    license: str | None
    license_from: Source | None
    is_open: bool
    appropriate: bool
    counts: bool
    evidence: str | None
    """What was seen, in words; None where the component is only declared."""
    warnings: tuple[str, ...]
    fix: str | None

    @property
    def basis(self) -> Literal["evidence seen", "declared", "not said"]:
        """How well the component's presence is founded."""
        if self.present is None:
            return "not said"
        return "evidence seen" if self.evidence else "declared"


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of a class's components count; a class is met if all do and the class below is met."""

    counted: int
    needed: int
    met: bool


@dataclass(frozen=True, slots=True)
class Assessment:
    """A card's class: 1 (most open), 2, 3, or 0 for none; and why."""

    class_: Literal[0, 1, 2, 3]
    components: tuple[ComponentFinding, ...]
    """All 17, class III first."""
    missing: tuple[ComponentName, ...]
    """Components that the next class still needs."""
    progress: Mapping[int, Progress]
    """By class number."""
    unknown_licenses: tuple[str, ...]
    """Identifiers in the card's licences that the SPDX list does not have."""
    ruleset: str = RULESET

    @property
    def next_class(self) -> int | None:
        """Class that `missing` is about; None where there is none above."""
        return {0: 3, 3: 2, 2: 1, 1: None}[self.class_]


def assess(card: Card, evidence: Evidence | None = None) -> Assessment:
    """Return the class of a card; `evidence` changes what is shown of components, never the class."""
    seen = evidence or Evidence(complete=False)
    declared: dict[ComponentName, Component] = {component.name: component for component in card.components}
    findings = tuple(
        _finding(rule, declared.get(rule.name), card.licenses, declared, seen) for rule in COMPONENTS
    )
    counted: set[ComponentName] = {finding.rule.name for finding in findings if finding.counts}
    if "research_paper" in counted:
        counted.add("technical_report")  # rule 5
    progress: dict[int, Progress] = {}
    class_: Literal[0, 1, 2, 3] = 0
    met_below = True
    levels: tuple[Literal[3, 2, 1], ...] = (3, 2, 1)
    for level in levels:
        needed = _needed(level, counted)
        own = sum(name in counted for name in needed)
        met_below = met_below and own == len(needed)
        progress[level] = Progress(own, len(needed), met_below)
        class_ = level if met_below else class_
    goal = {0: 3, 3: 2, 2: 1}.get(class_)
    missing: list[ComponentName] = (
        [name for name in _needed(goal, counted) if name not in counted] if goal else []
    )
    return Assessment(class_, findings, tuple(missing), progress, tuple(_unknown(card)))


def _needed(level: int, counted: set[ComponentName]) -> list[ComponentName]:
    """Return the components that a class needs, those of lower classes included.

    Class I needs the paper itself: with it, the report is not asked for any more (rule 5).
    """
    needed: list[ComponentName] = [
        rule.name for rule in COMPONENTS if rule.required and rule.needed_by >= level
    ]
    if level == 1 and "research_paper" in counted:
        needed.remove("technical_report")
    return needed


def _finding(
    rule: ComponentRule,
    component: Component | None,
    licenses: Licenses | None,
    declared: Mapping[ComponentName, Component],
    seen: Evidence,
) -> ComponentFinding:
    present = component.present if component is not None else None
    license_, source = _license(rule, component, licenses)
    terms = _terms(license_)
    is_open = bool(present) and terms is not None and terms.is_open
    appropriate = is_open and terms is not None and rule.content in terms.fits
    found, doubts = _seen(component, declared, seen) if component is not None and present else (None, ())
    absent_container = _absent_container(component, declared)
    counts = is_open and not absent_container
    warnings = [*doubts]
    if is_open and not appropriate and terms is not None:
        warnings.append(f"{_cut(terms.expression)} is open, but made for something else than {rule.content}")
    return ComponentFinding(
        rule=rule,
        present=present,
        license=terms.expression if terms else (license_.text if license_ else None),
        license_from=source,
        is_open=is_open,
        appropriate=appropriate,
        counts=counts,
        evidence=found,
        warnings=tuple(warnings),
        fix=None if counts else _fix(rule, component, license_, terms),
    )


def _license(
    rule: ComponentRule, component: Component | None, licenses: Licenses | None
) -> tuple[License | None, Source | None]:
    """Find a component's licence: its own, else its content type's, else the distribution's (rule 1)."""
    if component is None or not component.present:
        return None, None
    if component.license is not None:
        return component.license, "own"
    if licenses is None:
        return None, None
    by_type = {"code": licenses.code, "data": licenses.data, "document": licenses.document}[rule.content]
    if by_type is not None:
        return by_type, "content type"
    if licenses.distribution is not None:
        return licenses.distribution, "distribution"
    return None, None


def _terms(license_: License | None) -> Terms | None:
    return read_terms(license_.spdx) if license_ is not None and license_.spdx is not None else None


def _absent_container(component: Component | None, declared: Mapping[ComponentName, Component]) -> bool:
    """Tell whether a component is said to stand in a document that is not there (rule 6)."""
    if component is None or component.within is None:
        return False
    container = declared.get(component.within)
    return container is None or not container.present


def _seen(
    component: Component, declared: Mapping[ComponentName, Component], seen: Evidence
) -> tuple[str | None, tuple[str, ...]]:
    """Say what of a component was seen in the release, and what is doubtful about where it is said to be."""
    if component.digest is None and component.location is None:
        container = declared.get(component.within) if component.within is not None else None
        if container is not None and container.present:
            found, doubts = _seen(container, declared, seen)
            return (f"stands in the {_title(container)}, {found}" if found else None), doubts
        return None, ("neither where it is nor its digest is said",)
    sha256 = component.digest.removeprefix("sha256:") if component.digest is not None else None
    by_name, doubts = _at_location(component.location, sha256, seen)
    if by_name is not None or doubts or sha256 is None:
        return by_name, doubts
    by_digest = _by_digest(sha256, seen)
    if by_digest is None and seen.complete and not _is_elsewhere(component.location):
        doubts = ("its digest is of nothing in this release: of another model's file, or of an older one",)
    return by_digest, doubts


def _by_digest(sha256: str, seen: Evidence) -> str | None:
    """Look for a component by its digest among all that the release holds."""
    path = seen.by_digest.get(sha256)
    if path is not None:
        return f"has the digest of the file {_cut(path)}"
    if sha256 == seen.readme:
        return "has the digest of the README.md that the card binds"
    return "has the digest of a file that is attached here" if sha256 in seen.attachments else None


def _at_location(
    location: str | None, sha256: str | None, seen: Evidence
) -> tuple[str | None, tuple[str, ...]]:
    """Look for a component that is said to be a file, or a folder, of this release."""
    if location is None or _is_elsewhere(location):
        return None, ()
    held = seen.readme if location == "README.md" else seen.files.get(location)
    if held is not None:
        if sha256 is not None and sha256 != held:
            return None, (f"the digest that the card gives is not that of {_cut(location)} in this release",)
        return f"is the file {_cut(location)} of this release", ()
    if sha256 is None and any(path.startswith(f"{location}/") for path in seen.files):
        return f"is the folder {_cut(location)} of this release", ()
    return None, ((f"there is no file {_cut(location)} in this release",) if seen.complete else ())


def _is_elsewhere(location: str | None) -> bool:
    """Tell an address from a file of this model."""
    return location is not None and location.startswith(("https://", "pkg:", "oci://", "magnet:?"))


def _title(component: Component) -> str:
    return component.name.replace("_", " ")


def _fix(
    rule: ComponentRule, component: Component | None, license_: License | None, terms: Terms | None
) -> str:
    """Say what a publisher does to make a component count."""
    if component is None or not component.present:
        return rule.how
    if license_ is None:
        return (
            f"give it a licence: on the component, or for all {rule.content} (`licenses.{rule.content}`), "
            "or for the whole distribution"
        )
    if terms is None:
        text = _cut(license_.text or "")
        return f"“{text}” is no SPDX identifier: give `spdx` if it is an open licence, or choose one"
    return _fix_terms(terms)


def _fix_terms(terms: Terms) -> str:
    if terms.problem:
        return f"“{_cut(terms.expression)}” {terms.problem}: correct it"
    if terms.unknown:
        names = _cut(", ".join(terms.unknown))
        return f"SPDX does not know {names}: correct the identifier, or choose an open licence"
    if not terms.is_open:
        return f"{_cut(terms.expression)} is not an open licence: choose one that is"
    return "the document that it is said to stand in is not declared: declare it, or say where this is"


def _cut(text: str) -> str:
    """Return a publisher's text as it may stand inside a sentence of ours."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _unknown(card: Card) -> Iterable[str]:
    """Yield every licence identifier of a card that SPDX does not list, and every expression that is none."""
    found: dict[str, None] = {}
    for license_ in _all_licenses(card):
        if license_.spdx is not None:
            terms = read_terms(license_.spdx)
            found |= dict.fromkeys([terms.expression] if terms.problem else terms.unknown)
    return found


def _all_licenses(card: Card) -> Iterable[License]:
    groups = card.licenses
    if groups is not None:
        yield from filter(None, (groups.distribution, groups.code, groups.data, groups.document))
    for component in card.components:
        if component.license is not None:
            yield component.license
    for reference in card.data.references if card.data is not None else ():
        if reference.license is not None:
            yield reference.license
