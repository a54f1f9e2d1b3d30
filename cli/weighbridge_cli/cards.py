# SPDX-License-Identifier: Apache-2.0
"""Where the card of a command is: a file, a model's folder, a release; and how openness is shown."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from weighbridge.errors import InputError

if TYPE_CHECKING:
    from weighbridge.cards import DescribedData, ExportSubject
    from weighbridge.client import RegistryClient
    from weighbridge.openness import Evidence
    from weighbridge.records import RecordLine
    from weighbridge.releases import ReleaseName
    from weighbridge_schemas.api import Openness, ReleaseDocument, StatementDocument
    from weighbridge_schemas.card import Card
    from weighbridge_schemas.dataset import Dataset
    from weighbridge_schemas.lineage import Lineage

__all__ = ["FoundCard", "find_card", "json_text", "show_openness"]

_RELEASE: Final = re.compile(r"(?P<release>[^/@#\s]+/[^/@#\s]+@[^/@#\s]+)(?:#(?P<number>[0-9]{1,6}))?")
_CLASSES: Final = {
    1: "class I, open science model",
    2: "class II, open tooling model",
    3: "class III, open model",
}
_SETS: Final = 64
"""Data sets of a lineage whose statements are asked for."""
_MARKS: Final = {"yes": "✓", "no": "✗", "not said": "?"}


@dataclass(frozen=True, slots=True)
class FoundCard:
    """A card and what is known of the release that it is of.

    `evidence` is None where the model is not at hand. `names` the numbers of a release's cards.
    """

    name: str
    card: Card
    evidence: Evidence | None = None
    subject: ExportSubject | None = None
    not_understood: tuple[str, ...] = field(default=())
    registry: str | None = None
    """Address of the registry whose word it is."""
    record: Path | None = None
    """The record file that it was taken from, unchecked."""


def tell_whose_word(*found: FoundCard) -> None:
    """Say whose word cards are that were not verified here."""
    from weighbridge_cli import terminal

    for record in sorted({one.record for one in found if one.record is not None}):
        terminal.note(f"Nothing in {record} was checked; weighbridge verify --record does that.")

    for registry in sorted({one.registry for one in found if one.registry is not None}):
        terminal.note(f"What is recorded is the word of {registry}; weighbridge verify --release checks it.")


def find_card(
    what: str, registry: str | None, *, model: Path | None = None, record: Path | None = None
) -> FoundCard:
    """Return the card that an argument means: FILE, a model's folder, or NS/NAME@VERSION[#N].

    `#N` is a revision's number; 0 is the release's own card. `model` is the folder that a file is about;
    `record` the record file that holds the release, so that no registry is asked.
    """
    path = Path(what)
    match = _RELEASE.fullmatch(what)
    if record is not None:
        if match is None:
            raise InputError(f"{what} is no release", hint="with --record give NS/NAME@VERSION")
        return _of_record(match["release"], match["number"], record)
    if path.is_dir():
        return _of_folder(path)
    if path.exists():
        return _of_file(path, model)
    if match is None:
        raise InputError(f"there is no file {what}", hint="give a card file, a folder, or NS/NAME@VERSION")
    return _of_release(match["release"], match["number"], registry)


def _of_folder(path: Path) -> FoundCard:
    from weighbridge.model_folders import ModelFolder

    folder = ModelFolder.open(path)
    card = folder.card()
    if card is None:
        raise InputError(
            f"{path} has no README.md, so nothing is said of the model",
            hint=f"write a card file: weighbridge card init {path}",
        )
    return FoundCard(str(path), card, folder.evidence(card), not_understood=_not_understood(card))


def _of_file(path: Path, model: Path | None) -> FoundCard:
    from weighbridge.model_folders import ModelFolder
    from weighbridge.publishing import card_from_file

    card = card_from_file(path)
    evidence = ModelFolder.open(model).evidence(card) if model is not None else None
    return FoundCard(str(path), card, evidence, not_understood=_not_understood(card))


def _not_understood(card: Card) -> tuple[str, ...]:
    return card.imported.not_understood if card.imported is not None else ()


def _of_release(release: str, number: str | None, registry: str | None) -> FoundCard:
    from weighbridge.releases import ReleaseName
    from weighbridge.revisions import require_known
    from weighbridge_cli.registries import open_registry

    name = ReleaseName.parse(release)
    client = open_registry(registry)
    told = require_known(client, name)
    found, subject = _recorded(name, number, client.provenance(name.namespace, name.name, name.version))
    subject = replace(
        subject,
        signer=told.signer.label,
        signer_id=told.signer.id,
        datasets=tuple(_described(client, told, subject.lineage)),
    )
    return replace(found, subject=subject, registry=client.url)


def _of_record(release: str, number: str | None, record: Path) -> FoundCard:
    from weighbridge import identities
    from weighbridge.bounded_files import read_bounded
    from weighbridge.record_signers import signer_in_record
    from weighbridge.records import MAX_RECORD_BYTES, parse_record
    from weighbridge.releases import ReleaseName

    lines = parse_record(read_bounded(record, MAX_RECORD_BYTES, "record file"))
    found, subject = _recorded(ReleaseName.parse(release), number, lines)
    signer = signer_in_record(lines, subject.release_statement.removeprefix("sha256:"))
    if signer is not None:
        subject = replace(subject, signer=identities.describe(signer), signer_id=identities.signer_id(signer))
    return replace(found, subject=subject, record=record)


def _recorded(
    name: ReleaseName, number: str | None, lines: Sequence[RecordLine]
) -> tuple[FoundCard, ExportSubject]:
    """Return a release's card and what its record says besides, with its lineage as it now stands."""
    from weighbridge.cards import ExportSubject
    from weighbridge.openness import Evidence
    from weighbridge.revisions import find_history
    from weighbridge_schemas.card import Card

    history = find_history(name, lines, "card")
    lineages = find_history(name, lines, "lineage")
    last = len(history.parts) - 1
    chosen = last if number is None else int(number)
    if chosen > last:
        raise InputError(f"{name} has no card revision {chosen}", hint=f"the newest is number {last}")
    card = history.parts[chosen] or Card()
    document = history.release
    evidence = Evidence(
        files={file.path: file.sha256 for file in document.model.files},
        readme=card.readme.sha256 if card.readme is not None else None,
    )
    subject = ExportSubject(
        name=document.name,
        namespace=document.namespace,
        version=document.version,
        released_at=document.released_at,
        model_digest=document.model.model_digest,
        weights_digest=document.model.weights_digest or "",
        statement=f"sha256:{history.statements[chosen]}",
        files=document.model.files,
        lineage=lineages.current,
        locations=document.locations,
        release_statement=f"sha256:{history.statements[0]}",
        lineage_statement=f"sha256:{lineages.statements[-1]}" if lineages.current is not None else "",
    )
    return FoundCard(f"{name}#{chosen}", card, evidence), subject


def _described(
    client: RegistryClient, release: ReleaseDocument, lineage: Lineage | None
) -> Iterator[DescribedData]:
    """Yield what is signed of the data sets of a lineage: the statement that it names, or the publisher's."""
    from weighbridge.cards import DescribedData
    from weighbridge_schemas.base import fold_name

    for use in (lineage.datasets if lineage is not None else ())[:_SETS]:
        statement = use.statement.sha256 if use.statement is not None else None
        if statement is None and use.digest is not None:
            found = client.dataset(use.digest)
            own = [
                one
                for one in (found.descriptions if found is not None else ())
                if one.signer.id == release.signer.id
                or fold_name(one.dataset.namespace or "") == fold_name(release.namespace)
            ]
            statement = own[-1].statement.removeprefix("sha256:") if own else None
        told = client.statement(statement) if statement is not None else None
        dataset = _dataset(told, statement) if told is not None else None
        if told is not None and dataset is not None:
            signer = told.signer.label if told.signer is not None else "a signer who is not named"
            yield DescribedData(use.name, f"sha256:{statement}", signer, dataset)


def _dataset(told: StatementDocument, statement: str | None) -> Dataset | None:
    """Read the description of a data set from its bundle; None if it is withheld, withdrawn, or another."""
    from weighbridge.bundles import parse_bundle
    from weighbridge.statements import parse_statement
    from weighbridge_schemas.dataset import Dataset

    if told.bundle is None:
        return None
    bundle = parse_bundle(base64.b64decode(told.bundle), strict=True)
    document = parse_statement(bundle.payload, strict=True).document()
    if bundle.statement_digest != statement or not isinstance(document, Dataset):
        return None
    return document if document.withdrawn is None else None


def show_openness(openness: Openness) -> None:
    """Print class, components, what to do, and the OSAID rows."""
    from weighbridge.openness import BY_NAME
    from weighbridge_cli import terminal

    found = _CLASSES.get(openness.class_ or 0, "unclassified")
    terminal.put(f"Openness: {found}", bold=True)
    terminal.put(f"  by {openness.ruleset}, from what the card declares")
    for one in openness.components:
        title = BY_NAME[one.name].title
        words = one.basis if one.present else ("not released" if one.present is False else "not said")
        license_ = f", {one.license} ({one.license_from})" if one.license else ""
        terminal.put(
            f"  {'✓' if one.counts else '·'} {title}: {words}{license_}",
            colour="green" if one.counts else None,
        )
        for warning in one.warnings:
            terminal.put(f"      ! {warning}", colour="yellow")
        if one.name in openness.missing and one.fix:
            terminal.put(f"      → {one.fix}")
    if openness.missing:
        count = len(openness.missing)
        goal = {None: "III", 3: "II", 2: "I"}[openness.class_ if openness.class_ != 1 else 2]
        terminal.put(f"  {count} component{'s' if count > 1 else ''} missing for class {goal}: those with →")
    terminal.put(f"Open Source AI Definition 1.0 ({openness.definition})", bold=True)
    for row in openness.osaid:
        terminal.put(f"  {_MARKS[row.answer]} {row.name}: {row.answer}")
        for reason in row.reasons:
            terminal.put(f"      {reason}")


def json_text(value: Any) -> str:
    """Return a member's value as one line."""
    import json

    return "—" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)
