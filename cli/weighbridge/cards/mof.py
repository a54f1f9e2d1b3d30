# SPDX-License-Identifier: Apache-2.0
"""Card ↔ YAML of the Model Openness Tool, one file a model.

A component that the file lists is included; one that it does not list is not. The older form, in which all
are listed and `Component not included` or `License not specified` stands for a licence, is read too. Digests,
the document that holds a component, and all that is not openness have no place there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from weighbridge.errors import InputError
from weighbridge.licenses import spdx_id
from weighbridge.openness import COMPONENTS, ComponentRule, read_terms
from weighbridge.strict_yaml import MAX_BYTES, read_yaml, write_yaml

from .exports import Exported, ExportSubject
from .members import Members, bounded, safe_line

if TYPE_CHECKING:
    from weighbridge_schemas.card import (
        Card,
        Component,
        Contact,
        Description,
        Identity,
        License,
        Licenses,
        Link,
    )

__all__ = ["read_mof", "write_mof"]

FRAMEWORK: Final = {"name": "Model Openness Framework", "version": "1.0", "date": "2024-12-15"}
"""What the tool's own files say of the framework."""

_ARCHITECTURES: Final = frozenset(
    ("transformer", "transformer decoder", "transformer encoder-decoder", "decoder", "encoder", "diffusion",
     "RNN", "CNN", "LSTM", "NeRF", "hybrid", "undisclosed", "other")
)  # fmt: skip
_NOT_INCLUDED: Final = "component not included"
_NO_LICENSE: Final = frozenset(("license not specified", "unlicensed", "pending evaluation"))
_BY_TITLE: Final = {rule.title.lower(): rule for rule in COMPONENTS}
_GROUPS: Final = ("distribution", "code", "data", "document")
_HUB: Final = "Hugging Face"
_DESCRIPTIONS: Final = {
    rule.name: f"{rule.description[0].upper()}{rule.description[1:]}" for rule in COMPONENTS
}


# --- writing -----------------------------------------------------------------------------------


def write_mof(card: Card, subject: ExportSubject) -> Exported:
    """Return the YAML file of a card."""
    identity, description = card.identity, card.description
    architecture = (description.architecture if description is not None else None) or ""
    licenses = card.licenses
    stated = {name: getattr(licenses, name) for name in _GROUPS} if licenses is not None else {}
    links = {(link.rel, link.title): link.url for link in reversed(card.links)}
    release: dict[str, Any] = {
        "name": subject.name or (identity.title if identity is not None else None) or "",
        "version": subject.version,
        "date": subject.released_at[:10],
        "license": {
            name: {"name": _name(one), "path": one.url or one.path or ""}
            for name, one in stated.items()
            if one is not None
        },
        "type": "",
        "architecture": architecture if architecture in _ARCHITECTURES else ("other" if architecture else ""),
        "origin": ", ".join(parent.name for parent in subject.lineage.parents if parent.name is not None)
        if subject.lineage is not None
        else "",
        "producer": (identity.producer if identity is not None else None) or "",
        "contact": next((one.address for one in card.contacts if one.address is not None), ""),
        "repository": next((url for (rel, _), url in links.items() if rel == "repository"), ""),
        "huggingface": links.get(("other", _HUB), ""),
        "components": list(_components(card)),
    }
    text = write_yaml({"framework": FRAMEWORK, "release": release})
    return Exported(text, tuple(_lost(card, architecture)))


def _components(card: Card) -> Iterator[dict[str, str]]:
    declared = {component.name: component for component in card.components}
    for rule in COMPONENTS:
        component = declared.get(rule.name)
        if component is None or not component.present:
            continue
        container = declared.get(component.within) if component.within is not None else None
        location = component.location or (container.location if container is not None else None)
        entry = {"name": rule.title, "description": _DESCRIPTIONS[rule.name]}
        if location is not None:
            entry["component_path"] = location
        if component.license is not None:
            entry["license"] = _name(component.license)
            entry["license_path"] = component.license.url or component.license.path or ""
        yield entry


def _name(license_: License) -> str:
    return license_.spdx or license_.text or ""


def _lost(card: Card, architecture: str) -> Iterator[str]:
    for group in ("uses", "risks", "training", "inference", "data", "evaluations", "metrics"):
        if getattr(card, group):
            yield group
    if architecture and architecture not in _ARCHITECTURES:
        yield "description.architecture (written as “other”)"
    if any(one.digest for one in card.components):
        yield "digests of components"
    if any(not one.present for one in card.components):
        yield "which components are said not to be released (the form leaves them out)"


# --- reading -----------------------------------------------------------------------------------


def read_mof(data: bytes, name: str) -> Card:
    """Return the card that a file of the Model Openness Tool states; what has no place is listed in it.

    Raises InputError if it is no such file.
    """
    from weighbridge_schemas.card import Card, Imported

    value = _document(data, name)
    release = Members(value["release"])
    framework = Members(value["framework"] if isinstance(value.get("framework"), dict) else {})
    for member in ("name", "version", "date"):
        framework.take(member)
    contact = release.text("contact")
    card = Card(
        identity=_identity(release),
        description=_description(release),
        licenses=_licenses(release),
        components=_read_components(release),
        links=_links(release),
        contacts=_contacts(release, contact),
    )
    for member in ("version", "date", "type", "treatment", "origin"):
        if said := release.text(member):
            release.note(member, f"a card has no place for it (“{said}”)")
    extra = tuple(f"framework.{safe_line(note, 80)}" for note in framework.notes())
    imported = Imported(source="mof", not_understood=bounded([*release.notes(), *extra]))
    return card.model_copy(update={"imported": imported})


def _document(data: bytes, name: str) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise InputError(f"{name} is longer than {MAX_BYTES:,} bytes")
    try:
        value = read_yaml(data.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 at byte {error.start}") from error
    if not isinstance(value, dict) or not isinstance(value.get("release"), dict):
        raise InputError(
            f"{name} is no file of the Model Openness Tool",
            hint="it has the members `framework` and `release`",
        )
    return value


def _identity(release: Members) -> Identity | None:
    from weighbridge_schemas.base import Line
    from weighbridge_schemas.card import Identity

    identity = Identity(
        title=release.fit("name", release.text("name") or None, Line),
        producer=release.fit("producer", release.text("producer") or None, Line),
    )
    return identity if identity != Identity() else None


def _description(release: Members) -> Description | None:
    from weighbridge_schemas.base import Line
    from weighbridge_schemas.card import Description

    architecture = release.fit("architecture", release.text("architecture") or None, Line)
    return Description(architecture=architecture) if architecture is not None else None


def _licenses(release: Members) -> Licenses | None:
    from weighbridge_schemas.card import Licenses

    value = release.take("license")
    if isinstance(value, str):
        value = {"distribution": {"name": value}}
    if not isinstance(value, dict):
        return None
    found: dict[str, License | None] = {}
    for group, stated in value.items():
        if group not in _GROUPS or not isinstance(stated, dict):
            release.note(f"license.{group}", "is no licence of the distribution, code, data or documents")
            continue
        found[group] = _license(release, f"license.{group}", stated.get("name"), stated.get("path"))
    return Licenses(**found) if any(found.values()) else None


def _license(release: Members, where: str, name: Any, path: Any) -> License | None:
    """Read a licence by its name and the place of its text; None where the tool says that there is none."""
    from weighbridge_schemas.base import FilePath, HttpsUrl, Line
    from weighbridge_schemas.card import License

    given = release.fit(where, name.strip() if isinstance(name, str) else name, Line) if name else None
    if given is None or given.lower() in _NO_LICENSE:
        return None
    place = path.strip() if isinstance(path, str) else None
    is_address = place is not None and "://" in place
    terms = read_terms(given)
    known = terms.expression if not (terms.problem or terms.unknown) else spdx_id(given)
    return License(
        spdx=known,
        text=None if known else given,
        url=release.fit(f"{where} path", place or None, HttpsUrl) if is_address else None,
        path=None if is_address else release.fit(f"{where} path", place or None, FilePath),
    )


def _read_components(release: Members) -> tuple[Component, ...]:
    listed = release.take("components")
    found: dict[str, Component] = {}
    for number, entry in enumerate(listed if isinstance(listed, list) else ()):
        where = f"components[{number}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            release.note(where, "is not a component with a name")
            continue
        rule = _BY_TITLE.get(entry["name"].strip().lower())
        if rule is None or rule.name in found:
            why = "is listed twice" if rule else "is no component of the framework"
            release.note(where, f"{entry['name'][:80]} {why}")
            continue
        found[rule.name] = _component(release, where, rule, entry)
    return tuple(found.values())


def _component(release: Members, where: str, rule: ComponentRule, entry: dict[str, Any]) -> Component:
    from weighbridge_schemas.base import FilePath, Location
    from weighbridge_schemas.card import Component

    name = entry.get("license", entry.get("license_name"))
    if isinstance(name, str) and name.strip().lower() == _NOT_INCLUDED:
        return Component(name=rule.name, present=False)
    license_ = _license(release, f"{where} licence", name, entry.get("license_path"))
    stated = entry.get("component_path", entry.get("location"))
    place = re.sub(r"/+$", "", stated.strip()) if isinstance(stated, str) else None
    kind: Any = Location if place is not None and ":" in place else FilePath
    known = {"name", "description", "license", "license_name", "license_path", "component_path", "location"}
    for member in sorted(entry.keys() - known):
        release.note(f"{where}.{member}", "a card has no place for it")
    location = release.fit(f"{where} place", place or None, kind)
    return Component(name=rule.name, present=True, license=license_, location=location)


def _links(release: Members) -> tuple[Link, ...]:
    from weighbridge_schemas.base import HttpsUrl
    from weighbridge_schemas.card import Link

    repository = release.fit("repository", release.text("repository") or None, HttpsUrl)
    hub = release.fit("huggingface", release.text("huggingface") or None, HttpsUrl)
    found = [Link(rel="repository", url=repository)] if repository is not None else []
    return (*found, *([Link(rel="other", url=hub, title=_HUB)] if hub is not None else []))


def _contacts(release: Members, address: str) -> tuple[Contact, ...]:
    from weighbridge_schemas.base import Line
    from weighbridge_schemas.card import Contact

    fitting = release.fit("contact", address or None, Line)
    return (Contact(role="other", address=fitting),) if fitting is not None else ()
