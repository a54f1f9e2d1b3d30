# SPDX-License-Identifier: Apache-2.0
"""What answering one question needs: a snapshot, the published tree, parsed statements."""

from __future__ import annotations

import base64
import json
import threading
from collections import OrderedDict
from typing import Any, Final

from sqlalchemy import Connection, Row, select
from sqlmodel import col

from weighbridge import identities, tlog
from weighbridge.errors import LogError, ProofError
from weighbridge.identities import CertificateIdentity, Identity, KeyIdentity, SigstoreIdentity
from weighbridge_registry.log.writing import get_applied
from weighbridge_registry.state import Candidate, Fact, is_withheld, read_candidate
from weighbridge_registry.store import tables
from weighbridge_registry.store.accounts import Accounts
from weighbridge_registry.store.files import DataFolder
from weighbridge_registry.store.state import SqlState
from weighbridge_registry.store.views import shown_name
from weighbridge_schemas.api import AsOf, SignerSummary, StatementSubject
from weighbridge_schemas.bounds import SHOWN, Shown

__all__ = ["Published", "Reader", "Statements", "identity_of", "text64"]

_MAX_LABEL: Final = 1024
_KEPT_LEAVES: Final = 64


class Statements:
    """Parsed bundles, the most recently used kept, within a number of bytes."""

    def __init__(self, folder: DataFolder, limit: int = 64 * 1024 * 1024) -> None:
        self.accounts = Accounts(folder.path)
        self._folder = folder
        self._limit = limit
        self._used = 0
        self._kept: OrderedDict[str, Candidate] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, bundle: str) -> Candidate:
        """Return the parsed bundle with this SHA-256."""
        with self._lock:
            if bundle in self._kept:
                self._kept.move_to_end(bundle)
                return self._kept[bundle]
        candidate = read_candidate(self._folder.bundles.read(bundle))
        self.keep(candidate)
        return candidate

    def keep(self, candidate: Candidate) -> None:
        """Keep a bundle that is parsed already."""
        with self._lock:
            if candidate.bundle.sha256 not in self._kept:
                self._kept[candidate.bundle.sha256] = candidate
                self._used += len(candidate.bundle.raw)
            while self._used > self._limit and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._used -= len(dropped.bundle.raw)


class Published:
    """The tree of the checkpoint on disk: receipts are made against it."""

    def __init__(self, folder: DataFolder, verifier: tlog.Verifier) -> None:
        self._files = folder.log
        self.verifier = verifier
        self._lock = threading.Lock()
        self._data = b""
        self._checkpoint: tlog.SignedCheckpoint | None = None
        self._tiles: tlog.TileReader | None = None
        self._leaves: dict[tuple[int, int], list[bytes]] = {}
        """Bundles of entries that were read, by their place and width: answers ask for neighbours."""

    def checkpoint(self, *, holding: int = 0) -> tlog.SignedCheckpoint:
        """Return the published checkpoint; raises `LogError` before the first.

        It may be a second old, but not if the entry `holding` is not in it: the views have only
        entries that were published, so whoever found one there finds it here.
        """
        with self._lock:
            return self._refresh(holding)

    def receipt(self, index: int) -> str:
        """Return the receipt of an entry in the published tree, every tile verified."""
        with self._lock:
            checkpoint = self._refresh(index)
            try:
                proof = self._reader(checkpoint).inclusion_proof(index)
            except ProofError:
                self._files.forget()
                self._tiles = None
                proof = self._reader(checkpoint).inclusion_proof(index)
        return tlog.format_receipt(tlog.Receipt(index, tuple(proof), checkpoint.data)).decode()

    def leaf(self, index: int) -> bytes:
        """Return the bytes of an entry's leaf."""
        place, rest = divmod(index, tlog.TILE_WIDTH)
        width = tlog.tile_width(0, place, self.checkpoint(holding=index).size)
        with self._lock:
            if (place, width) in self._leaves:
                return self._leaves[place, width][rest]
        leaves = tlog.parse_entry_bundle(self._files.read_entries(place, width), width)
        with self._lock:
            if len(self._leaves) >= _KEPT_LEAVES:
                self._leaves.clear()
            self._leaves[place, width] = leaves
        return leaves[rest]

    def _reader(self, checkpoint: tlog.SignedCheckpoint) -> tlog.TileReader:
        if self._tiles is None:
            self._tiles = tlog.TileReader(self._files.read_tile, checkpoint.size, checkpoint.root)
        return self._tiles

    def _refresh(self, holding: int = 0) -> tlog.SignedCheckpoint:
        checkpoint = self._read(newest=False)
        return checkpoint if holding < checkpoint.size else self._read(newest=True)

    def _read(self, *, newest: bool) -> tlog.SignedCheckpoint:
        data = self._files.published(newest=newest)
        if data is None:
            raise LogError("this log has not published a checkpoint yet")
        if data != self._data or self._checkpoint is None:
            self._checkpoint = tlog.parse_checkpoint(data, [self.verifier])
            self._data = data
            self._tiles = None
        return self._checkpoint


class Reader:
    """One snapshot, for one answer."""

    def __init__(
        self,
        connection: Connection,
        published: Published,
        statements: Statements,
        base_url: str,
        shown: Shown = SHOWN,
    ) -> None:
        self.connection = connection
        self.shown = shown
        self.published = published
        self.statements = statements
        self.state = SqlState(connection)
        self._base_url = base_url.rstrip("/")
        self._signers: dict[str, SignerSummary] = {}
        self._as_of: AsOf | None = None

    def as_of(self) -> AsOf:
        """Return the state of the log that this snapshot shows."""
        if self._as_of is None:
            self._as_of = AsOf(size=get_applied(self.connection), origin=self.published.verifier.name)
        return self._as_of

    def url(self, path: str) -> str:
        """Return the address of a path of this registry."""
        return f"{self._base_url}{path}"

    def entry_url(self, index: int) -> str:
        """Return the address of an entry's page."""
        return self.url(f"/log/{index}")

    def entry(self, index: int) -> Row[Any] | None:
        """Return the row of an entry, or None."""
        table = tables.Entry.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
        return self.connection.execute(select(table).where(col(tables.Entry.number) == index)).one_or_none()

    def withheld(self, target: str, sha256: str) -> Fact | None:
        """Return the decision by which a bundle or an attachment (bare hex) is withheld, or None."""
        return is_withheld(self.state, target, sha256)

    def subjects(self, entry: Row[Any]) -> tuple[StatementSubject, ...]:
        """Say what an entry is about; nothing of a withheld one."""
        if not entry.subject:
            return ()
        if entry.kind == "attestation":
            subjects = self.statements.get(entry.bundle).statement.subjects
            return tuple(StatementSubject(name=shown_name(one.name), sha256=one.sha256) for one in subjects)
        return (StatementSubject(name=entry.subject_name, sha256=entry.subject),)

    def signer(self, signer_id: str) -> SignerSummary:
        """Return the summary of a signer of an entry."""
        if signer_id not in self._signers:
            table = tables.Signer.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
            row = self.connection.execute(select(table).where(col(tables.Signer.id) == signer_id)).one()
            identity = identity_of(row.identity)
            self._signers[signer_id] = SignerSummary(
                id=signer_id,
                kind=identities.kind(identity),
                label=identities.describe(identity)[:_MAX_LABEL],
                introduced_as=row.label,
                url=self.url(f"/signers/{signer_id}"),
            )
        return self._signers[signer_id]

    def has_blob(self, sha256: str) -> bool:
        """Tell whether an attachment is stored."""
        query = select(col(tables.Blob.sha256)).where(col(tables.Blob.sha256) == sha256)
        return self.connection.execute(query).scalar() is not None


def identity_of(canonical: str) -> Identity:
    """Return an identity from its canonical JSON; what CI certified besides is not in it."""
    match json.loads(canonical):
        case {"type": "key", "spki_sha256": spki}:
            return KeyIdentity(spki)
        case {"type": "certificate", "anchor_sha256": anchor, "subject": subject}:
            return CertificateIdentity(anchor, subject)
        case {"type": "sigstore", "trust_domain": domain, "issuer": issuer, "subject": subject}:
            return SigstoreIdentity(domain.removeprefix("sha256:"), issuer, subject)
        case _:
            raise LogError("a signer in the database cannot be read", hint="run: weighbridge log fsck")


def text64(data: bytes) -> str:
    """Return standard base64."""
    return base64.b64encode(data).decode()
