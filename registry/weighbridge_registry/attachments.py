# SPDX-License-Identifier: Apache-2.0
"""Attachments: README.md files and tensor tables, stored if a statement asked for them.

Nobody can put a file here that no owner has signed for: the digest must be named, as README or
as tensor table, by an admitted statement of somebody who owns the namespace now. What is stored
was checked against that digest, and a table against the weights digest, too.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Row, func, select
from sqlmodel import col

from weighbridge import weighing
from weighbridge.errors import (
    AdmissionError,
    BundleError,
    ForbiddenError,
    MalformedError,
    TooLargeError,
    UnprocessableError,
    WeighbridgeError,
)
from weighbridge.weighing import Tensor
from weighbridge_schemas.card import CardRevision
from weighbridge_schemas.release import Release

from .likenesses import Likenesses, compare_table, set_compared
from .log.writing import get_applied
from .settings import Limits
from .state import Authenticator, Candidate, identify, is_withheld, owned_by, read_candidate
from .store import tables
from .store.database import Database
from .store.files import DataFolder
from .store.state import SqlState
from .store.views import index_tensors, insert_blob

__all__ = ["Attachment", "Attachments", "Slot", "decompress", "named_files", "record_file", "remake"]

_ROLES: Final = ("readme", "table")
_NAMING_STATEMENTS: Final = 64
"""Statements asked, newest first, whether one of them lets a file in."""
_TENSORS_AT_ONCE: Final = 5000
_FILES_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Slot:
    """A place that an admitted statement keeps for one file."""

    sha256: str
    role: str
    namespace: str
    limit: int
    """Bytes that the file may have, uncompressed."""
    size: int | None
    """Bytes that it must have, if the statement says so."""
    release: Release | None
    """The release that names a tensor table."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A stored file, gzip-compressed as it lies on disk."""

    sha256: str
    role: str
    size: int
    compressed: bytes


class Attachments:
    """Stores and gives back attachments. May be called by several threads."""

    def __init__(
        self, database: Database, folder: DataFolder, authenticate: Authenticator, limits: Limits
    ) -> None:
        self._database = database
        self._folder = folder
        self._authenticate = authenticate
        self._limits = limits
        self.likenesses = Likenesses(database, folder)

    def slot(self, sha256: str) -> Slot:
        """Find the statement that lets a file in; asked before its bytes are read.

        Raises `ForbiddenError` if there is none, or none of a current owner.
        """
        with self._database.read() as connection:
            query = (
                select(col(tables.Digest.role), tables.Entry.__table__)  # type: ignore[attr-defined]  # SQLModel does not declare it
                .join(tables.Entry, col(tables.Entry.number) == col(tables.Digest.number))
                .where(col(tables.Digest.sha256) == sha256, col(tables.Digest.role).in_(_ROLES))
                .order_by(col(tables.Digest.number).desc())
                .limit(_NAMING_STATEMENTS)
            )
            rows = connection.execute(query).all()
            for row in rows:
                candidate = read_candidate(self._folder.bundles.read(row.bundle))
                if self._of_owner(connection, row.namespace, row.received, candidate):
                    return _slot(sha256, row.role, row.namespace, candidate, self._limits)
        if rows:
            raise ForbiddenError(
                "the statements that name this file are not by a current owner of their namespace",
                hint="let a current owner publish or revise the card, then attach the file",
                evidence={"sha256": sha256},
            )
        raise ForbiddenError(
            "no statement recorded here names this file as a README or a tensor table",
            hint="publish the release first: it names the files that may be attached",
            evidence={"sha256": sha256},
        )

    def put(self, slot: Slot, data: bytes) -> bool:
        """Store a file of uncompressed bytes; tell whether it is new.

        Raises `UnprocessableError` (step 2) if it is not what the statement names,
        `TooLargeError` if it is over a limit or the namespace's quota.
        """
        if self.known(slot.sha256):
            return False
        tensors = _check(slot, data)
        compressed = gzip.compress(data, mtime=0)
        with self._database.read() as connection:
            used = connection.execute(
                select(func.coalesce(func.sum(col(tables.Blob.stored)), 0)).where(
                    col(tables.Blob.namespace) == slot.namespace
                )
            ).scalar_one()
        if used + len(compressed) > self._limits.namespace_blob_bytes:
            raise TooLargeError(
                f"the attachments of {slot.namespace} would take more than its quota of "
                f"{self._limits.namespace_blob_bytes} bytes",
                hint="the release is recorded without this file; ask the operator for more room",
                evidence={"used": used, "quota": self._limits.namespace_blob_bytes},
            )
        self._folder.blobs.put(slot.sha256, compressed)
        for start, part in _chunks(tensors):
            with self._database.write() as connection:
                index_tensors(connection, slot.sha256, start, part)
        if tensors:
            self.likenesses.of_table(slot.sha256, tensors)
        blob = tables.Blob(
            sha256=slot.sha256,
            role=slot.role,
            namespace=slot.namespace,
            size=len(data),
            stored=len(compressed),
        )
        with self._database.write() as connection:
            insert_blob(connection, blob)
        return True

    def known(self, sha256: str) -> bool:
        """Tell whether a file is stored."""
        with self._database.read() as connection:
            query = select(col(tables.Blob.sha256)).where(col(tables.Blob.sha256) == sha256)
            return connection.execute(query).scalar() is not None

    def get(self, sha256: str) -> Attachment | None:
        """Return a stored file, or None if it is not here or withheld."""
        with self._database.read() as connection:
            query = select(col(tables.Blob.role), col(tables.Blob.size)).where(
                col(tables.Blob.sha256) == sha256
            )
            row = connection.execute(query).one_or_none()
            withheld = is_withheld(SqlState(connection), "attachment", sha256) is not None
        if row is None or withheld:
            return None
        return Attachment(sha256, row.role, row.size, self._folder.blobs.read(sha256))

    def _of_owner(
        self, connection: Connection, namespace: str | None, received: int, candidate: Candidate
    ) -> bool:
        state = SqlState(connection)
        facts = state.get(f"namespace/{namespace}")
        if facts is None:
            return False
        return owned_by(facts["owners"], identify(state, received, candidate, self._authenticate))


def decompress(data: bytes, limit: int) -> bytes:
    """Return the bytes of a gzip body; raises `TooLargeError` beyond `limit`, `MalformedError`."""
    machine = zlib.decompressobj(wbits=31)
    try:
        plain = machine.decompress(data, limit + 1)
    except zlib.error as error:
        raise MalformedError("the body is not gzip", hint="send it plain, or fix Content-Encoding") from error
    if len(plain) > limit:
        raise TooLargeError(f"the file has more than {limit} bytes uncompressed")
    if not machine.eof or machine.unused_data:
        raise MalformedError("the gzip body is cut off, or goes on after its end")
    return plain


def named_files(
    connection: Connection, folder: DataFolder, limits: Limits, *, missing: bool = False
) -> Iterator[Slot]:
    """Yield a place for each file that an admitted statement names, as the newest such statement has it.

    With `missing` only those that are not stored. Who owns the namespace now is not asked: what is
    stored was let in when it came. A file whose statement cannot be read is left out.
    """
    last = ""
    while rows := _named(connection, last, missing=missing):
        for row in rows:
            if row.sha256 == last:
                continue  # named as both roles: the first holds
            last = row.sha256
            entry = connection.execute(
                select(col(tables.Entry.bundle), col(tables.Entry.namespace)).where(
                    col(tables.Entry.number) == row.number
                )
            ).one()
            try:
                candidate = read_candidate(folder.bundles.read(entry.bundle))
            except (OSError, WeighbridgeError):
                continue
            yield _slot(row.sha256, row.role, entry.namespace, candidate, limits)


def record_file(connection: Connection, folder: DataFolder, slot: Slot, data: bytes, stored: int) -> None:
    """Check a file's uncompressed bytes, and write the rows that say it is stored, in `folder`.

    `stored` is its size on disk in bytes. Raises `UnprocessableError` if it is not what the statement
    names. Doing it again changes nothing.
    """
    tensors = _check(slot, data)
    for start, part in _chunks(tensors):
        index_tensors(connection, slot.sha256, start, part)
    if tensors:
        compare_table(connection, folder, slot.sha256, tensors)
    insert_blob(
        connection,
        tables.Blob(
            sha256=slot.sha256, role=slot.role, namespace=slot.namespace, size=len(data), stored=stored
        ),
    )


def remake(connection: Connection, folder: DataFolder, limits: Limits) -> tuple[int, tuple[str, ...]]:
    """Write the rows of all files that are stored; return how many, and what is wrong with others."""
    count, wrong = 0, []
    for slot in named_files(connection, folder, limits):
        try:
            compressed = folder.blobs.read(slot.sha256)
        except FileNotFoundError:
            continue
        try:
            record_file(connection, folder, slot, decompress(compressed, slot.limit), len(compressed))
            count += 1
        except AdmissionError as error:
            wrong.append(f"{slot.sha256}: {error.message}")
    set_compared(connection, get_applied(connection))
    return count, tuple(wrong)


def _named(connection: Connection, after: str, *, missing: bool) -> Sequence[Row[str, str, int]]:
    query = (
        select(
            col(tables.Digest.sha256),
            col(tables.Digest.role),
            func.max(col(tables.Digest.number)).label("number"),
        )
        .where(col(tables.Digest.sha256) > after, col(tables.Digest.role).in_(_ROLES))
        .group_by(col(tables.Digest.sha256), col(tables.Digest.role))
        .order_by(col(tables.Digest.sha256), col(tables.Digest.role))
        .limit(_FILES_AT_ONCE)
    )
    if missing:
        query = query.where(col(tables.Digest.sha256).not_in(select(col(tables.Blob.sha256))))
    return connection.execute(query).all()


def _slot(sha256: str, role: str, namespace: str, candidate: Candidate, limits: Limits) -> Slot:
    document = candidate.document
    if role == "table":
        release = document if isinstance(document, Release) else None
        return Slot(sha256, role, namespace, limits.table_bytes, None, release)
    card = document.card if isinstance(document, (Release, CardRevision)) else None
    size = card.readme.size if card is not None and card.readme is not None else None
    return Slot(sha256, role, namespace, limits.readme_bytes, size, None)


def _check(slot: Slot, data: bytes) -> tuple[Tensor, ...]:
    found = hashlib.sha256(data).hexdigest()
    if found != slot.sha256 or slot.size not in (None, len(data)):
        raise UnprocessableError(
            "the file is not the one that the statement names",
            hint="attach the very bytes that were published, uncompressed or with Content-Encoding: gzip",
            evidence={
                "sha256": found,
                "wanted": slot.sha256,
                "size": len(data),
                "wanted_size": slot.size,
            },
            step=2,
        )
    if slot.release is None or slot.release.model.tensors is None:
        return ()
    return _check_table(slot.release, data)


def _check_table(release: Release, data: bytes) -> tuple[Tensor, ...]:
    """Check that a table's content is what the release says of it, not only its digest."""
    try:
        tensors = weighing.read_tensor_table(data)
    except BundleError as error:
        raise UnprocessableError(error.message, hint=error.hint, evidence=error.evidence, step=2) from error
    summary = release.model.tensors
    told = (summary.count, summary.bytes, release.model.weights_digest) if summary is not None else None
    found = (
        len(tensors),
        sum(tensor.nbytes for tensor in tensors),
        f"sha256:{weighing.weights_digest(tensors)}",
    )
    if told != found:
        raise UnprocessableError(
            "the tensor table is not the one that the release's weights_digest stands for",
            hint="publish again with a current weighbridge; this release contradicts itself",
            evidence={"release": told, "table": found},
            step=2,
        )
    return tensors


def _chunks(tensors: Sequence[Tensor]) -> Iterator[tuple[int, Sequence[Tensor]]]:
    for start in range(0, len(tensors), _TENSORS_AT_ONCE):
        yield start, tensors[start : start + _TENSORS_AT_ONCE]
