# SPDX-License-Identifier: Apache-2.0
"""What a registry knows of a name: of a closed model that is sold so, of a service that is found so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge_schemas.api import DeploymentNote, DisclosureDocument, StatementAbout

__all__ = ["Named", "find_named", "lines", "report"]

_LONGEST: Final = 300


@dataclass(frozen=True, slots=True)
class Named:
    """What is said of a closed model and of a service with one name."""

    name: str
    disclosure: DisclosureDocument | None
    services: tuple[StatementAbout, ...]
    """The newest deployment/v1 of each party."""


def find_named(client: RegistryClient, name: str) -> Named:
    """Ask a registry for a name, byte for byte: only its digests are sent."""
    from weighbridge.statements import abstract_subject

    told = client.digest(abstract_subject("deployment", name)).statements
    said = (one for one in told if one.kind == "deployment" and one.role == "subject")
    services = tuple(one for one in said if not one.replaced)
    return Named(name, client.disclosure(abstract_subject("disclosure", name)), services)


def report(found: Named) -> dict[str, Any]:
    """Return what `identify --name --json` prints."""
    disclosure = found.disclosure
    return {
        "v": 1,
        "name": found.name,
        "known": disclosure is not None or bool(found.services),
        "disclosure": disclosure.model_dump(mode="json", by_alias=True) if disclosure is not None else None,
        "services": [one.model_dump(mode="json", by_alias=True) for one in found.services],
    }


def lines(found: Named, client: RegistryClient) -> Iterator[str]:
    """Yield what is said, by whom, field by field, and what is left open."""
    if found.disclosure is not None:
        yield from _disclosure(found.disclosure, client)
    for one in found.services:
        yield f"{_who(one)}: {one.summary[:1].lower()}{one.summary[1:]}"
        yield f"  entry {one.index}: {client.absolute(one.url)}"


def _who(one: StatementAbout) -> str:
    from weighbridge_cli.terminal import short

    return f"{short(one.signer.label)}{f' for {one.namespace}' if one.namespace else ''}"


def _disclosure(found: DisclosureDocument, client: RegistryClient) -> Iterator[str]:
    from weighbridge_cli.terminal import short

    yield f"{found.name}: a closed model, known by its name alone"
    marks: dict[int, str] = {}
    for place, one in enumerate(found.disclosures, start=1):
        marks[one.index] = f"[{place}]"
        party = "who says to be the vendor" if one.claims_vendor else "a third party"
        speaks = f" for {one.namespace}" if one.namespace else ""
        yield f"  [{place}] {short(one.signer.label)}{speaks}, {party}, entry {one.index}"
        if one.withdrawn is not None:
            yield f"      taken back: {_cut(one.withdrawn.reason)}"
        elif one.score is not None:
            counted = f"{one.score.stated} of {one.score.asked} points stated"
            yield f"      {counted}, {one.score.left_open} left open ({one.score.ruleset})"
    claiming = sum(one.claims_vendor and one.withdrawn is None for one in found.disclosures)
    if claiming > 1:
        yield f"  {claiming} parties say that they are the vendor; a registry cannot tell which of them is"
    for field in found.fields:
        yield f"  {_cut(field.title or field.id)}"
        for answer in field.answers:
            words = f"left open: {answer.left_open}" if answer.answer is None else answer.answer
            yield f"    {marks[answer.index]} {_cut(words)}"
    yield from _served(found.deployments)
    if found.next is not None:
        yield f"  and {found.total - len(found.disclosures)} more parties"
    yield f"  {client.absolute(found.url)}"


def _served(deployments: tuple[DeploymentNote, ...]) -> Iterator[str]:
    from weighbridge_cli.terminal import short

    for one in deployments:
        yield f"  served at {one.name} since {one.since[:10]}, says {short(one.signer.label)}"


def _cut(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
