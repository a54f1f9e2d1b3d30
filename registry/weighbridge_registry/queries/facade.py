# SPDX-License-Identifier: Apache-2.0
"""`Queries`: one method for each question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from weighbridge import tlog
from weighbridge_registry.store.database import Database
from weighbridge_registry.store.files import DataFolder
from weighbridge_schemas.api import (
    AdvisoryDocument,
    AdvisoryList,
    DatasetDocument,
    DigestAnswer,
    DigestsAnswer,
    EntryDocument,
    EventList,
    ImpactDocument,
    LineageGraph,
    LogDocument,
    ModelDocument,
    ModelList,
    NamespaceDocument,
    OsvList,
    ProvenanceDocument,
    ReleaseDocument,
    SignerDocument,
    StatementDocument,
    SubmissionResult,
)
from weighbridge_schemas.bounds import SHOWN, Shown

from . import exports, graphs, logs, lookups, models, osv, releases, signers, testimonies
from .exports import ExportedCard
from .reader import Published, Reader, Statements
from .refusals import check_served

__all__ = ["Queries"]

_PAGE: Final = 100
_LONG_PAGE: Final = 1000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,95}")


class Queries:
    """Questions to one registry. Safe for several threads; nothing here changes anything.

    Digests and signer ids are bare lowercase hex, indexes start at 0, `limit` is at most 100.
    """

    def __init__(
        self,
        database: Database,
        folder: DataFolder,
        verifier: tlog.Verifier,
        base_url: str = "",
        policy: tlog.WitnessPolicy | None = None,
        statements: Statements | None = None,
        shown: Shown = SHOWN,
    ) -> None:
        self._database = database
        self._folder = folder
        self._published = Published(folder, verifier)
        self._policy = policy
        self._statements = statements or Statements(folder)
        self._lists = graphs.Lists()
        self._base_url = base_url
        self._shown = shown

    def checkpoint(self, *, holding: int = 0) -> tlog.SignedCheckpoint:
        """Return the published checkpoint, and not one of a second ago that lacks the entry `holding`."""
        return self._published.checkpoint(holding=holding)

    def bundle(self, sha256: str) -> bytes | None:
        """Return a logged bundle's bytes by their SHA-256; raises `WithheldError` if it is withheld."""
        with self._reader() as reader:
            if not logs.has_bundle(reader, sha256):
                return None
            check_served(reader, "bundle", sha256)
        return self._folder.bundles.read(sha256)

    def check_attachment(self, sha256: str) -> None:
        """Raise `WithheldError` if an attachment is withheld."""
        with self._reader() as reader:
            check_served(reader, "attachment", sha256)

    def log(self) -> LogDocument:
        """Describe the log."""
        with self._reader() as reader:
            return logs.log(reader, self._policy)

    def entry(self, index: int) -> EntryDocument | None:
        """Describe one entry."""
        with self._reader() as reader:
            return logs.entry(reader, index)

    def statement(self, sha256: str) -> StatementDocument | None:
        """Give a statement by its digest, with bundle and receipt."""
        with self._reader() as reader:
            return logs.statement(reader, sha256)

    def receipt(self, sha256: str) -> str | None:
        """Give the current receipt of a statement."""
        with self._reader() as reader:
            return logs.receipt(reader, sha256)

    def submissions(self, places: Sequence[tuple[int, bool]]) -> tuple[SubmissionResult, ...]:
        """Answer for submitted bundles, given as (index, created)."""
        with self._reader() as reader:
            return tuple(logs.submission(reader, index, created=created) for index, created in places)

    def events(self, since: int = 0, limit: int = _PAGE) -> EventList:
        """List entries from an index on, oldest first."""
        with self._reader() as reader:
            return logs.events(reader, since, _bounded(limit))

    def digest(self, sha256: str) -> DigestAnswer:
        """Say what is known of a digest; nothing is an answer, too."""
        with self._reader() as reader:
            return lookups.digest(reader, sha256)

    def digests(self, asked: Sequence[str]) -> DigestsAnswer:
        """Say which of many digests are known, and what of."""
        with self._reader() as reader:
            return lookups.digests(reader, asked)

    def dataset(self, sha256: str) -> DatasetDocument | None:
        """Describe a data set by its digest, as those who describe it say."""
        with self._reader() as reader:
            return testimonies.dataset(reader, sha256)

    def advisories(
        self, about: str | None = None, cursor: int | None = None, limit: int = 50
    ) -> AdvisoryList:
        """List advisories, newest first; with `about` those that affect that digest."""
        with self._reader() as reader:
            return testimonies.advisories(reader, about, cursor, _bounded(limit))

    def advisory(self, statement: str) -> AdvisoryDocument | None:
        """Describe one statement of an advisory by its statement digest."""
        with self._reader() as reader:
            return testimonies.advisory(reader, statement)

    def models(self, query: str = "", cursor: int | None = None, limit: int = 50) -> ModelList:
        """Search models by the beginnings of words, newest release first; empty lists all."""
        with self._reader() as reader:
            return models.search(reader, query, cursor, _bounded(limit))

    def model(self, namespace: str, name: str) -> ModelDocument | None:
        """Describe a model and its releases. Names are found ignoring case and `-_.`."""
        with self._reader() as reader:
            return models.model(reader, namespace, name) if _are_names(namespace, name) else None

    def release(self, namespace: str, name: str, version: str | None = None) -> ReleaseDocument | None:
        """Describe a release; the newest without `version`."""
        with self._reader() as reader:
            known = _are_names(namespace, name, version or "1")
            return releases.release(reader, namespace, name, version) if known else None

    def provenance(self, namespace: str, name: str, version: str) -> ProvenanceDocument | None:
        """Give the lines of a release's record file."""
        with self._reader() as reader:
            known = _are_names(namespace, name, version)
            return releases.provenance(reader, namespace, name, version) if known else None

    def export(self, namespace: str, name: str, version: str, format_: str) -> ExportedCard | None:
        """Give the card of a release in a format of `weighbridge.cards.FORMATS`."""
        with self._reader() as reader:
            known = _are_names(namespace, name, version)
            return exports.export(reader, namespace, name, version, format_) if known else None

    def lineage_export(self, sha256: str, up: int, down: int) -> ExportedCard:
        """Write the releases around a digest as PROV-JSON, at most 10 steps up and down."""
        with self._reader() as reader:
            return exports.export_lineage(reader, sha256, up, down)

    def signer(self, signer_id: str, cursor: int | None = None) -> SignerDocument | None:
        """Describe a signer and list its statements, newest first."""
        with self._reader() as reader:
            return signers.signer(reader, signer_id, cursor, _PAGE)

    def namespace(self, name: str) -> NamespaceDocument | None:
        """Describe a namespace, its owners and their changes."""
        with self._reader() as reader:
            return signers.namespace(reader, name) if _are_names(name) else None

    def advisories_osv(
        self, about: str | None = None, cursor: int | None = None, limit: int = _PAGE
    ) -> OsvList:
        """List advisories in the shape of OSV, newest first; with `about` those that affect that digest."""
        with self._reader() as reader:
            return osv.vulns(reader, about, cursor, _bounded(limit))

    def lineage(self, sha256: str, up: int, down: int) -> LineageGraph:
        """Give the releases around a digest, at most 10 steps up and down."""
        with self._reader() as reader:
            return graphs.graph(reader, sha256, up, down)

    def impact(self, sha256: str, after: tuple[int, int] = (0, 0), limit: int = _PAGE) -> ImpactDocument:
        """List what stands on a release or data set behind a place (distance, entry); at most 1,000."""
        with self._reader() as reader:
            return graphs.impact(reader, self._lists, sha256, after, max(1, min(limit, _LONG_PAGE)))

    def dataset_impact(
        self, name: str, after: tuple[int, int] = (0, 0), limit: int = _PAGE
    ) -> ImpactDocument:
        """List what was made with a data set that publishers call so, and what descends from that."""
        with self._reader() as reader:
            return graphs.dataset_impact(reader, self._lists, name, after, max(1, min(limit, _LONG_PAGE)))

    @contextmanager
    def _reader(self) -> Iterator[Reader]:
        with self._database.read() as connection:
            yield Reader(connection, self._published, self._statements, self._base_url, self._shown)


def _are_names(*names: str) -> bool:
    """Tell whether these can be names and versions at all, so that no odd text reaches the database."""
    return all(_NAME.fullmatch(name) for name in names)


def _bounded(limit: int) -> int:
    return max(1, min(limit, _PAGE))
