# SPDX-License-Identifier: Apache-2.0
"""Data sets of a card, its lineage and its evaluations, as SPDX's `dataset_DatasetPackage`.

One data set that several of them speak of is one package: they are the same if they name the same digest or
statement, or, where one of them names none, the same name. What `dataset/v1` statements
say is taken as the export's subject has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .spdx_elements import digest_hash

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card, DataReference, License
    from weighbridge_schemas.dataset import Dataset
    from weighbridge_schemas.lineage import DatasetUse

    from .exports import ExportSubject

__all__ = ["DataPackage", "data_packages", "description_of"]

_DIGEST: Final = "Digest of the data set: of its files or its Croissant description"
_PERSONAL: Final = {"present": "yes", "pseudonymised": "yes", "removed": "no"}


@dataclass
class DataPackage:
    """One data set: its members, its licence, and what it was used for as (relationship, comment)."""

    id: str
    name: str
    digests: set[str] = field(default_factory=set)
    members: dict[str, Any] = field(default_factory=dict)
    license: License | None = None
    uses: list[tuple[str, str]] = field(default_factory=list)

    def add_use(self, kind: str, comment: str) -> None:
        """Write down a use, once."""
        if (kind, comment) not in self.uses:
            self.uses.append((kind, comment))


class _Found:
    """Data sets that were met, found by digest or name in one step: a card may speak of thousands."""

    def __init__(self) -> None:
        self.packages: list[DataPackage] = []
        self._by_digest: dict[str, DataPackage] = {}
        self._by_name: dict[str, DataPackage] = {}

    def package(self, name: str, digests: set[str]) -> DataPackage:
        """Return the package of a data set, a new one if none of those found is the same."""
        named = self._by_name.get(name)
        package = next((self._by_digest[one] for one in sorted(digests) if one in self._by_digest), None)
        if package is None and named is not None and not (digests and named.digests):
            package = named
        if package is None:
            package = DataPackage(f"dataset-{len(self.packages)}", name)
            self.packages.append(package)
        package.digests |= digests
        self._by_digest.update(dict.fromkeys(digests, package))
        self._by_name.setdefault(name, package)
        return package


def data_packages(card: Card, subject: ExportSubject) -> list[DataPackage]:
    """Return the data sets, those of the lineage first."""
    found = _Found()
    for use in subject.lineage.datasets if subject.lineage is not None else ():
        _used(found, use, subject)
    for reference in card.data.references if card.data is not None else ():
        _named(found, reference)
    for result in card.evaluations:
        name = result.dataset or result.dataset_name
        if name is not None:
            found.package(name, set()).add_use("testedOn", "")
    for package in found.packages:
        package.members |= {"name": package.name, "software_primaryPurpose": "data"}
        package.members["dataset_datasetType"] = ["noAssertion"]
    return found.packages


def _used(found: _Found, use: DatasetUse, subject: ExportSubject) -> None:
    """Take a data set of the lineage, with the statement that it names."""
    statement = use.statement.sha256 if use.statement is not None else None
    package = found.package(use.name, {one for one in (use.digest, statement) if one})
    described = description_of(use, subject)
    _take(package, _stated(use, described))
    if described is not None and package.license is None:
        package.license = described.license
    package.add_use(*_use(use))


def description_of(use: DatasetUse, subject: ExportSubject) -> Dataset | None:
    """Return what is signed of a data set of the lineage: the statement that it names, or the publisher's."""
    statement = f"sha256:{use.statement.sha256}" if use.statement is not None else None
    fitting = (one for one in subject.datasets if one.name == use.name and statement in (None, one.statement))
    return next((one.dataset for one in fitting if statement or use.digest), None)


def _named(found: _Found, reference: DataReference) -> None:
    """Take a data set that the card names as training data; its licence there is the publisher's word."""
    package = found.package(reference.name, {reference.digest} if reference.digest is not None else set())
    members = {
        "description": reference.note,
        "software_downloadLocation": reference.location,
        "verifiedUsing": list(digest_hash(reference.digest or "", _DIGEST)),
    }
    _take(package, members)
    package.license = reference.license or package.license
    package.uses = [one for one in package.uses if one[0] != "other"]
    if not package.uses:
        package.add_use("trainedOn", "The card names it as training data")


def _take(package: DataPackage, members: dict[str, Any]) -> None:
    """Take members that say something and are not said yet."""
    for name, value in members.items():
        if value not in (None, "", []):
            package.members.setdefault(name, value)


def _use(use: DatasetUse) -> tuple[str, str]:
    """Say what a data set was used for. Without a stage nobody says that it was trained on."""
    if use.stage is None:
        return "other", "Used; the publisher does not say for what"
    return ("testedOn", "") if use.stage == "eval" else ("trainedOn", f"Stage: {use.stage}")


def _stated(use: DatasetUse, described: Dataset | None) -> dict[str, Any]:
    """Return what the lineage says of a data set, and the statement that it names."""
    members: dict[str, Any] = {
        "description": use.note,
        "software_downloadLocation": use.location,
        "software_packageVersion": use.revision,
        "verifiedUsing": list(digest_hash(use.digest or "", _DIGEST)),
    }
    if use.statement is not None:
        members["externalIdentifier"] = [
            {
                "type": "ExternalIdentifier",
                "externalIdentifierType": "other",
                "identifier": f"sha256:{use.statement.sha256}",
                "comment": "Digest of the dataset/v1 statement that describes it",
            }
        ]
    return members if described is None else members | _described(described, members)


def _described(dataset: Dataset, before: dict[str, Any]) -> dict[str, Any]:
    personal = dataset.personal_data
    state = personal.state if personal is not None else None
    withdrawn = dataset.withdrawn
    members = {
        "description": "\n".join(part for part in (dataset.summary, before["description"]) if part),
        "software_packageVersion": before["software_packageVersion"] or dataset.version,
        "software_downloadLocation": before["software_downloadLocation"] or next(iter(dataset.mirrors), None),
        "dataset_datasetSize": dataset.bytes,
        "dataset_dataCollectionProcess": dataset.method,
        "dataset_datasetAvailability": "directDownload"
        if dataset.availability == "public" and dataset.mirrors
        else None,
        "dataset_hasSensitivePersonalInformation": _PERSONAL.get(state, "noAssertion") if state else None,
        "dataset_anonymizationMethodUsed": [personal.note]
        if personal is not None and personal.note and state in ("pseudonymised", "removed")
        else None,
        "comment": f"Withdrawn: {withdrawn.reason}" if withdrawn is not None else None,
    }
    return {name: value for name, value in members.items() if value is not None}
