# SPDX-License-Identifier: Apache-2.0
"""What pages ask of a registry, and nothing more: the registry's own answers, or `NotKnownError`."""

from __future__ import annotations

from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Request

from weighbridge.errors import TooLargeError
from weighbridge_registry.api.problems import NotKnownError
from weighbridge_registry.attachments import Attachments, decompress
from weighbridge_registry.queries import Queries
from weighbridge_schemas.api import (
    AdvisoryDocument,
    AdvisoryList,
    DatasetDocument,
    DigestAnswer,
    DisclosureDocument,
    DisclosureList,
    EntryDocument,
    EventList,
    ImpactDocument,
    LineageGraph,
    LogDocument,
    ModelDocument,
    ModelList,
    NamespaceDocument,
    ProvenanceDocument,
    ReleaseDocument,
    SignerDocument,
)

__all__ = ["Ask", "NotKnownError", "Records", "RegistryRecords"]

_T = TypeVar("_T")


class Records(Protocol):
    """Read access to one registry in the documents of its own API.

    Digests and signers are bare hex. What is not recorded here raises `NotKnownError`.
    """

    def log(self) -> LogDocument:
        """Return the head of the log."""
        ...

    def models(self, query: str, cursor: int | None) -> ModelList:
        """Search models; an empty query lists all, newest first."""
        ...

    def model(self, namespace: str, name: str) -> ModelDocument:
        """Return a model with its releases."""
        ...

    def release(self, namespace: str, name: str, version: str) -> ReleaseDocument:
        """Return one release."""
        ...

    def provenance(self, namespace: str, name: str, version: str) -> ProvenanceDocument:
        """Return the lines of a release's record file."""
        ...

    def signer(self, signer: str, cursor: int | None) -> SignerDocument:
        """Return what one signer did here."""
        ...

    def namespace(self, namespace: str) -> NamespaceDocument:
        """Return a namespace with its owners and models."""
        ...

    def digest(self, sha256: str) -> DigestAnswer:
        """Return what is known of a digest."""
        ...

    def dataset(self, sha256: str) -> DatasetDocument:
        """Return what is said of a data set."""
        ...

    def disclosure(self, sha256: str, cursor: int | None, signer: str | None) -> DisclosureDocument:
        """Return what is said of a closed model; with `signer` what that one says."""
        ...

    def disclosures(self, name: str | None, cursor: int | None) -> DisclosureList:
        """List what is said of closed models, newest first; with `name` of the one that is called so."""
        ...

    def advisories(self, about: str | None, cursor: int | None) -> AdvisoryList:
        """List advisories, newest first; with `about` those that affect that digest."""
        ...

    def advisory(self, statement: str) -> AdvisoryDocument:
        """Return one statement of an advisory."""
        ...

    def lineage(self, sha256: str, up: int, down: int) -> LineageGraph:
        """Return the releases around a digest, so many steps up and down."""
        ...

    def impact(self, sha256: str, after: tuple[int, int]) -> ImpactDocument:
        """Return what stands on a digest, behind a place (distance, entry)."""
        ...

    def entry(self, index: int) -> EntryDocument:
        """Return one line of the log."""
        ...

    def events(self, since: int, limit: int) -> EventList:
        """Return up to `limit` entries from index `since` on, oldest first."""
        ...

    def attachment(self, sha256: str, limit: int) -> bytes | None:
        """Return an attached file by digest, or None if it is not here or longer than `limit` bytes."""
        ...


class RegistryRecords:
    """The records of an open registry."""

    def __init__(self, queries: Queries, attachments: Attachments) -> None:
        self._queries = queries
        self._attachments = attachments

    def log(self) -> LogDocument:
        """Return the head of the log."""
        return self._queries.log()

    def models(self, query: str, cursor: int | None) -> ModelList:
        """Search models; an empty query lists all, newest first."""
        return self._queries.models(query, cursor)

    def model(self, namespace: str, name: str) -> ModelDocument:
        """Return a model with its releases."""
        return _known(self._queries.model(namespace, name), f"the model {namespace}/{name}")

    def release(self, namespace: str, name: str, version: str) -> ReleaseDocument:
        """Return one release."""
        found = self._queries.release(namespace, name, version)
        return _known(found, f"the release {namespace}/{name} {version}")

    def provenance(self, namespace: str, name: str, version: str) -> ProvenanceDocument:
        """Return the lines of a release's record file."""
        found = self._queries.provenance(namespace, name, version)
        return _known(found, f"the release {namespace}/{name} {version}")

    def signer(self, signer: str, cursor: int | None) -> SignerDocument:
        """Return what one signer did here."""
        return _known(self._queries.signer(signer, cursor), "that signer")

    def namespace(self, namespace: str) -> NamespaceDocument:
        """Return a namespace with its owners and models."""
        return _known(self._queries.namespace(namespace), f"the namespace {namespace}")

    def digest(self, sha256: str) -> DigestAnswer:
        """Return what is known of a digest."""
        return self._queries.digest(sha256)

    def dataset(self, sha256: str) -> DatasetDocument:
        """Return what is said of a data set."""
        return _known(self._queries.dataset(sha256), "a description of that data set")

    def disclosure(self, sha256: str, cursor: int | None, signer: str | None) -> DisclosureDocument:
        """Return what is said of a closed model; with `signer` what that one says."""
        found = self._queries.disclosure(sha256, cursor, signer)
        return _known(found, "a disclosure about a model of that name")

    def disclosures(self, name: str | None, cursor: int | None) -> DisclosureList:
        """List what is said of closed models, newest first; with `name` of the one that is called so."""
        return self._queries.disclosures(name, cursor)

    def advisories(self, about: str | None, cursor: int | None) -> AdvisoryList:
        """List advisories, newest first; with `about` those that affect that digest."""
        return self._queries.advisories(about, cursor)

    def advisory(self, statement: str) -> AdvisoryDocument:
        """Return one statement of an advisory."""
        return _known(self._queries.advisory(statement), "that advisory")

    def lineage(self, sha256: str, up: int, down: int) -> LineageGraph:
        """Return the releases around a digest, so many steps up and down."""
        return self._queries.lineage(sha256, up, down)

    def impact(self, sha256: str, after: tuple[int, int]) -> ImpactDocument:
        """Return what stands on a digest, behind a place (distance, entry)."""
        return self._queries.impact(sha256, after)

    def entry(self, index: int) -> EntryDocument:
        """Return one line of the log."""
        return _known(self._queries.entry(index), f"entry {index}")

    def events(self, since: int, limit: int) -> EventList:
        """Return up to `limit` entries from index `since` on, oldest first."""
        return self._queries.events(since, limit)

    def attachment(self, sha256: str, limit: int) -> bytes | None:
        """Return an attached file by digest, or None if it is not here or longer than `limit` bytes."""
        found = self._attachments.get(sha256)
        if found is None or found.size > limit:
            return None
        try:
            return decompress(found.compressed, limit)
        except TooLargeError:
            return None


def _known(found: _T | None, what: str) -> _T:
    if found is None:
        raise NotKnownError(
            f"{what[:300]} is not recorded here",
            hint="It may be misspelt, or recorded elsewhere: nothing can be concluded from its absence here.",
        )
    return found


def _ask(request: Request) -> Records:
    records: Records = request.app.state.records
    return records


Ask = Annotated[Records, Depends(_ask)]
"""A page's access to the record."""
