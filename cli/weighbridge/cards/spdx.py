# SPDX-License-Identifier: Apache-2.0
"""Card → SPDX 3.0.1 (Core, Software, AI, Dataset, SimpleLicensing), JSON-LD.

One document: the model as `ai_AIPackage`, its files, parents and data sets, who supplies it, and under which
licences. Written as plain JSON and read back in tests through SPDX's own bindings, which are generated from
its SHACL model. Nothing is asserted that nobody stated: a profile is claimed only where the card says all
that the profile asks for, and a licence that is not stated is `NoAssertionLicense`. Identifiers are made from
what the document is made from, so that the same release gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from weighbridge import canonical

from .exports import Exported, ExportSubject
from .members import stated
from .spdx_data import DataPackage, data_packages
from .spdx_elements import Elements, digest_hash
from .spdx_models import hyperparameters, metrics, model_members

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card, License
    from weighbridge_schemas.lineage import Parent
    from weighbridge_schemas.release import ReleaseFile

__all__ = ["MAX_FILES", "write_spdx"]

MAX_FILES: Final = 10_000
"""Most files that a document lists; the others are in the release, and said to be missing here."""

_CONTEXT: Final = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_SPACE: Final = "https://weighbridge/spdx/"
_NO_TIME: Final = "1970-01-01T00:00:00Z"
_PURPOSES: Final = {
    "weights": "model",
    "code": "source",
    "data": "data",
    "document": "documentation",
    "config": "configuration",
    "tokenizer": "data",
    "template": "configuration",
}
_CONTENTS: Final = {"weights": "data", "code": "code", "data": "data", "document": "document"}
"""Whose licence a file of a role has, where the card gives one by content."""
_NO_PLACE: Final = (
    *(f"identity.{one}" for one in ("languages", "tags", "replaced_by", "union_market")),
    *(f"data.{one}" for one in ("eu_categories", "sources", "sizes", "languages", "latest", "continuous")),
    *("data.code_of_practice", "data.references.category", "contacts", "components", "readme"),
)
_AI_ASKS_FOR: Final = (
    "releaseTime", "suppliedBy", "software_downloadLocation", "software_packageVersion",
    "software_primaryPurpose",
)  # fmt: skip


def write_spdx(card: Card, subject: ExportSubject) -> Exported:
    """Return the SPDX document of a model, described by its card."""
    elements = Elements(f"{_SPACE}{_identity(card, subject)}#")
    document = elements.id_of("document")
    supplier = _agents(elements, card, subject)
    model = _model(elements, card, subject, supplier)
    lost = [*_lost(card, subject)]
    _files(elements, card, subject, model["spdxId"])
    _parents(elements, subject, model["spdxId"])
    packages = data_packages(card, subject)
    for package in packages:
        _data_set(elements, package, model["spdxId"])
    bill = elements.add(
        "bill",
        "software_Sbom",
        rootElement=[model["spdxId"]],
        software_sbomType=["analyzed"] if subject.files else [],  # whoever signed weighed what was built
    )
    profiles = ["core", "software", "simpleLicensing"]
    if all(name in model for name in _AI_ASKS_FOR):
        profiles.insert(2, "ai")
    graph = [
        _creation(elements, subject),
        {
            "type": "SpdxDocument",
            "spdxId": document,
            "creationInfo": Elements.CREATION,
            "name": _title(card, subject),
            "profileConformance": profiles,
            "rootElement": [bill],
            "element": sorted(one["spdxId"] for one in elements.found),
        },
        *elements.found,
    ]
    text = json.dumps({"@context": _CONTEXT, "@graph": graph}, indent=2, ensure_ascii=False)
    return Exported(f"{text}\n", tuple(lost))


def _identity(card: Card, subject: ExportSubject) -> str:
    """Return what all identifiers begin with: a digest of all that the document is made from."""
    lineage = subject.lineage
    made_from = {
        "card": card.to_json(),
        "lineage": lineage.to_json() if lineage is not None else None,
        "release": [subject.namespace, subject.name, subject.version, subject.released_at],
        "digests": [subject.statement, subject.model_digest, subject.weights_digest],
        "files": [[file.path, file.sha256] for file in subject.files],
        "locations": list(subject.locations),
        "signer": [subject.signer_id, subject.signer],
        "datasets": [[one.name, one.statement, one.dataset.to_json()] for one in subject.datasets],
    }
    return hashlib.sha256(canonical.encode(made_from)).hexdigest()[:32]


def _title(card: Card, subject: ExportSubject) -> str:
    title = card.identity.title if card.identity is not None else None
    if subject.namespace and subject.name:
        return f"{subject.namespace}/{subject.name}@{subject.version}"
    return title or subject.name or "model"


def _creation(elements: Elements, subject: ExportSubject) -> dict[str, Any]:
    """Say when and by whom: by the clock of the release, since the same card gives the same document."""
    words = "Written by weighbridge from a card. An export proves nothing by itself: the signed card does."
    if not subject.released_at:
        words += " The card belongs to no release, so that nothing is known of the time."
    return {
        "type": "CreationInfo",
        "@id": Elements.CREATION,
        "specVersion": "3.0.1",
        "created": subject.released_at or _NO_TIME,
        "createdBy": [elements.id_of("signer")],
        "createdUsing": [elements.id_of("tool")],
        "comment": words,
    }


def _agents(elements: Elements, card: Card, subject: ExportSubject) -> str:
    """Write who signed, which tool this is, who supplies the model; return the id of the last."""
    known = {
        "type": "other",
        "identifier": f"sha256:{subject.signer_id}",
        "comment": "SHA-256 of the canonical signer, as registries name it",
    }
    name = subject.signer or "publisher, not named"
    elements.add(
        "signer",
        "Agent",
        name=name,
        comment="Who signed the release" if subject.signer else None,
        externalIdentifier=[_identifier(known)] if subject.signer_id else [],
    )
    elements.add("tool", "Tool", name="weighbridge")
    identity = card.identity
    if identity is None or identity.producer is None:
        return elements.id_of("signer")
    return elements.add(
        "producer", "Organization", name=identity.producer, comment="As the card says; names are claims"
    )


def _identifier(known: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "ExternalIdentifier",
        "externalIdentifierType": known["type"],
        "identifier": known["identifier"],
        "comment": known["comment"],
    }


def _model(elements: Elements, card: Card, subject: ExportSubject, supplier: str) -> dict[str, Any]:
    """Write the model with its licences and return it."""
    identity = card.identity
    developers = identity.developers if identity is not None else ()
    statement = {
        "type": "other",
        "identifier": subject.statement,
        "comment": "Digest of the signed statement that holds the card",
    }
    id_ = elements.add(
        "model",
        "ai_AIPackage",
        name=subject.name or (identity.title if identity is not None else None) or "model",
        suppliedBy=supplier if subject.signer or supplier != elements.id_of("signer") else None,
        originatedBy=[
            elements.add(f"developer-{number}", "Agent", name=name, comment="As the card says")
            for number, name in enumerate(developers)
        ],
        releaseTime=subject.released_at,
        software_primaryPurpose="model",
        software_packageVersion=subject.version,
        software_downloadLocation=subject.locations[0] if subject.locations else None,
        software_packageUrl=next((one for one in subject.locations if one.startswith("pkg:")), None),
        verifiedUsing=[
            *digest_hash(subject.model_digest, "Fingerprint of all files: weighbridge model digest"),
            *digest_hash(subject.weights_digest, "Fingerprint of the weights: weighbridge weights digest"),
        ],
        externalIdentifier=[_identifier(statement)] if subject.statement else [],
        ai_hyperparameter=hyperparameters(card),
        ai_metric=metrics(card),
        **model_members(card, subject),
    )
    model = elements.found[-1]
    licenses = card.licenses
    license_ = (licenses.distribution or licenses.data) if licenses is not None else None
    _licensed(elements, id_, license_, of="model")
    return model


def _licensed(elements: Elements, from_: str, license_: License | None, *, of: str) -> None:
    """Write the declared licence of an element; nobody concluded anything here."""
    elements.relate(f"{of}-declared", from_, "hasDeclaredLicense", [elements.license(license_)])
    elements.relate(f"{of}-concluded", from_, "hasConcludedLicense", [Elements.NO_LICENSE])


def _files(elements: Elements, card: Card, subject: ExportSubject, model: str) -> None:
    """Write the files and that the model contains them; by content their own licence, if the card has one."""
    by_content: dict[str, list[str]] = {}
    listed = []
    for number, file in enumerate(subject.files[:MAX_FILES]):
        one = elements.add(f"file-{number}", "software_File", **_file(file))
        listed.append(one)
        if (content := _CONTENTS.get(file.role)) is not None:
            by_content.setdefault(content, []).append(one)
    if listed:
        elements.relate("files", model, "contains", listed)
    licenses = card.licenses
    for content in ("code", "data", "document") if licenses is not None else ():
        given = getattr(licenses, content)
        if given is not None:
            for number, file_id in enumerate(by_content.get(content, ())):
                license_ = elements.license(given)
                elements.relate(f"{content}-{number}-declared", file_id, "hasDeclaredLicense", [license_])


def _file(file: ReleaseFile) -> dict[str, Any]:
    hashes = [{"type": "Hash", "algorithm": "sha256", "hashValue": file.sha256}]
    if file.blake3 is not None:
        hashes.append({"type": "Hash", "algorithm": "blake3", "hashValue": file.blake3})
    git = {
        "type": "software_ContentIdentifier",
        "software_contentIdentifierType": "gitoid",
        "software_contentIdentifierValue": f"gitoid:blob:sha1:{file.git_sha1}",
    }
    return {
        "name": file.path,
        "verifiedUsing": hashes,
        "software_fileKind": "file",
        "software_primaryPurpose": _PURPOSES.get(file.role, "other"),
        "software_contentIdentifier": [git] if file.git_sha1 is not None else [],
        "comment": "Loading this file can run code that it brings" if file.unsafe_to_load else None,
    }


def _parents(elements: Elements, subject: ExportSubject, model: str) -> None:
    for number, parent in enumerate(subject.lineage.parents if subject.lineage is not None else ()):
        if parent.relation != "from_scratch":
            one = elements.add(f"parent-{number}", "software_Package", **_parent(parent))
            how = parent.relation or "the publisher does not say how"
            elements.relate(f"descent-{number}", model, "descendantOf", [one], comment=how)


def _parent(parent: Parent) -> dict[str, Any]:
    location, statement = parent.location, parent.statement
    known = {
        "type": "other",
        "identifier": f"sha256:{statement.sha256}" if statement is not None else "",
        "comment": "Digest of the parent's release statement",
    }
    words = "Digest of the exact parent: of its files, its weights or its manifest"
    return {
        "name": parent.name or location or parent.digest or "unnamed",
        "software_primaryPurpose": "model",
        "software_packageVersion": parent.revision,
        "software_downloadLocation": location,
        "software_packageUrl": location if location is not None and location.startswith("pkg:") else None,
        "verifiedUsing": list(digest_hash(parent.digest or "", words)),
        "externalIdentifier": [_identifier(known)] if statement is not None else [],
    }


def _data_set(elements: Elements, package: DataPackage, model: str) -> None:
    """Write a data set, its licence, and what it was used for."""
    one = elements.add(package.id, "dataset_DatasetPackage", **package.members)
    _licensed(elements, one, package.license, of=package.id)
    for number, (kind, comment) in enumerate(package.uses):
        elements.relate(f"{package.id}-use-{number}", model, kind, [one], comment=comment)


def _lost(card: Card, subject: ExportSubject) -> Iterator[str]:
    """Name what SPDX has no place for."""
    yield from stated(card, *_NO_PLACE)
    told = ("source", "source_name", "measured", "note")
    if any(getattr(one, name) is not None for one in card.evaluations for name in told):
        yield "evaluations: who measured a value, when and how"
    if card.licenses is not None and not subject.files and (card.licenses.code or card.licenses.document):
        yield "licenses of code and documents: no files are known that they are of"
    if subject.files:
        yield "files: their sizes and formats"
    if len(subject.files) > MAX_FILES:
        yield f"files: {len(subject.files) - MAX_FILES:,} of {len(subject.files):,}"
