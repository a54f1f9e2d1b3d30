# SPDX-License-Identifier: Apache-2.0
"""A client of one registry: its API, its log and its blobs.

Nothing that a registry answers is evidence until somebody checks it: documents are a view, and
bundles, leaves, receipts and checkpoints prove themselves against a pinned log key. The client
checks what it can without any trust: sizes, types, schemas, that a bundle is the one its name
says, and that every tile belongs to the tree that a checkpoint commits to.
"""

from __future__ import annotations

import gzip
import re
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from weighbridge.canonical import decode, encode
from weighbridge.errors import (
    AdmissionError,
    BundleError,
    ConflictError,
    ForbiddenError,
    ForkError,
    InputError,
    MalformedError,
    ProofError,
    TooLargeError,
    UnavailableError,
    UndecidedError,
    UnprocessableError,
    WeighbridgeError,
    WithheldError,
)
from weighbridge.records import MAX_RECORD_BYTES, RecordLine, parse_record
from weighbridge.tlog import (
    TILE_WIDTH,
    SignedCheckpoint,
    TileReader,
    entries_path,
    entry_bundle,
    parse_entry_bundle,
    tile_path,
    verify_consistency,
)
from weighbridge.tlog.merkle import HASH_SIZE
from weighbridge.tlog.notes import MAX_NOTE_SIZE
from weighbridge.tlog.tiles import MAX_ENTRY_SIZE
from weighbridge.transport import Answer, Request, Transport
from weighbridge.withholding import read_withheld

if TYPE_CHECKING:
    from weighbridge_schemas.api import (
        DatasetDocument,
        DigestAnswer,
        DigestsAnswer,
        ImpactDocument,
        LineageGraph,
        LogDocument,
        ModelDocument,
        NamespaceDocument,
        ReleaseDocument,
        SignerDocument,
        StatementDocument,
        SubmissionResult,
    )
    from weighbridge_schemas.base import Document

    D = TypeVar("D", bound=Document)

__all__ = ["MAX_BATCH", "MAX_DIGESTS", "RegistryClient"]

MAX_BATCH = 32
"""Most bundles of one submission."""
MAX_DIGESTS = 10_000
"""Most digests of one question."""
_PAGE = 1000
_MAX_IMPACT = 10_000
_MAX_DOCUMENT = 16 << 20
_MAX_RELEASE = 64 << 20
_MAX_BUNDLE = 16 << 20
_MAX_PREDICATE_DEPTH = 64
_MAX_PROBLEM = 1 << 18
_MAX_WITHHELD = 8 << 20
_READERS = 4
_JSON = ("application/json",)
_JSON_LINES = ("application/jsonl", "application/x-ndjson", "application/jsonlines")
_OCTETS = ("application/octet-stream",)
_BUNDLES = ("application/json", "application/octet-stream", "application/vnd.dev.sigstore.bundle.v0.3+json")
_REFUSALS: dict[int, type[AdmissionError]] = {
    400: MalformedError,
    401: ForbiddenError,
    403: ForbiddenError,
    409: ConflictError,
    413: TooLargeError,
    422: UnprocessableError,
}
_NOT_FOUND = 404
_WITHHELD = 451
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")


class RegistryClient:
    """One registry at `url`, for one thread.

    `timeout` (seconds) is the longest silence that is borne, `retry_for` (seconds) how long a
    question is asked again while there is no answer. Look-ups give None for what the registry
    does not know. Everything else that is not answered raises: `UnavailableError` (try later, or
    another address), `WithheldError` (451, with the operator's decision, to be proved), `UndecidedError`
    (unknown), a subclass of `AdmissionError` for refused statements.
    """

    def __init__(self, url: str, *, timeout: float = 30.0, retry_for: float = 3.0) -> None:
        self._transport = Transport(url, timeout=timeout)
        self._retry_for = retry_for
        self._readers: OrderedDict[tuple[int, bytes], TileReader] = OrderedDict()

    @property
    def url(self) -> str:
        """The registry's address, without a trailing slash."""
        return self._transport.url

    def absolute(self, address: str) -> str:
        """Give the whole URL of an address in one of the registry's documents."""
        return self._transport.absolute(address)

    def log(self) -> LogDocument:
        """Ask for the log's name, key and checkpoint. The key is only what the registry claims."""
        from weighbridge_schemas.api import LogDocument

        return self._require("/api/v1/log", LogDocument)

    def namespace(self, namespace: str) -> NamespaceDocument | None:
        """Ask who owns a namespace; None if nobody has claimed it."""
        from weighbridge_schemas.api import NamespaceDocument

        return self._look_up(f"/api/v1/namespaces/{_part(namespace)}", NamespaceDocument)

    def signer(self, signer_id: str) -> SignerDocument | None:
        """Ask what a signer (bare hex id) has signed; None if nothing."""
        from weighbridge_schemas.api import SignerDocument

        return self._look_up(f"/api/v1/signers/{_hex(signer_id)}", SignerDocument)

    def statement(self, digest: str) -> StatementDocument | None:
        """Ask for a statement by its digest, with its bundle, leaf and current receipt."""
        from weighbridge_schemas.api import StatementDocument

        return self._look_up(f"/api/v1/statements/{_hex(digest)}", StatementDocument, limit=_MAX_RELEASE)

    def model(self, namespace: str, name: str) -> ModelDocument | None:
        """Ask for the versions of a model."""
        from weighbridge_schemas.api import ModelDocument

        return self._look_up(f"/api/v1/models/{_part(namespace)}/{_part(name)}", ModelDocument)

    def release(self, namespace: str, name: str, version: str | None = None) -> ReleaseDocument | None:
        """Ask for a release; without `version` for the one released last."""
        from weighbridge_schemas.api import ReleaseDocument

        if version is None:
            model = self.model(namespace, name)
            if model is None:
                return None
            version = model.latest
        path = _release_path(namespace, name, version)
        return self._look_up(path, ReleaseDocument, limit=_MAX_RELEASE)

    def provenance(self, namespace: str, name: str, version: str) -> tuple[RecordLine, ...]:
        """Fetch a release's record: every statement about it with leaf and receipt, unverified.

        Raises `UndecidedError` if the registry has no such release, `LogError` if what it gives
        is no record.
        """
        path = f"{_release_path(namespace, name, version)}/provenance"
        return parse_record(self._fetch(path, _JSON_LINES, MAX_RECORD_BYTES))

    def dataset(self, digest: str) -> DatasetDocument | None:
        """Ask what is said of a data set (digest of its files or of its Croissant description)."""
        from weighbridge_schemas.api import DatasetDocument

        return self._look_up(f"/api/v1/datasets/{_hex(digest)}", DatasetDocument, limit=_MAX_RELEASE)

    def lineage(self, digest: str, *, up: int = 1, down: int = 1) -> LineageGraph:
        """Ask for the releases around a digest, `up` steps to parents and `down` to children; at most 10."""
        from weighbridge_schemas.api import LineageGraph

        path = f"/api/v1/lineage/{_hex(digest)}?up={up}&down={down}"
        return self._require(path, LineageGraph, limit=_MAX_RELEASE)

    def impact(self, digest: str | None, *, dataset: str | None = None) -> ImpactDocument:
        """Ask what stands on a digest, or on a data set by name; the whole list, at most 10,000 releases."""
        from weighbridge_schemas.api import ImpactDocument

        path = (
            f"/api/v1/impact/{_hex(digest)}?" if digest else f"/api/v1/impact?dataset={_part(dataset or '')}&"
        )
        first = page = self._require(f"{path}limit={_PAGE}", ImpactDocument, limit=_MAX_RELEASE)
        items = list(first.items)
        while page.next is not None and len(items) < _MAX_IMPACT:
            cursor = _part(page.next)
            page = self._require(f"{path}limit={_PAGE}&cursor={cursor}", ImpactDocument, limit=_MAX_RELEASE)
            items += page.items
        return first.model_copy(update={"items": tuple(items), "next": page.next})

    def digest(self, digest: str) -> DigestAnswer:
        """Ask what is known of one digest; no matches means unknown here."""
        from weighbridge_schemas.api import DigestAnswer

        return self._require(f"/api/v1/digests/{_hex(digest)}", DigestAnswer)

    def digests(self, digests: Sequence[str]) -> DigestsAnswer:
        """Ask what is known of many digests (bare hex); long questions are asked in parts."""
        from weighbridge_schemas.api import DigestsAnswer

        wanted = [_hex(digest) for digest in digests]
        parts = [
            self._ask("/api/v1/digests", {"digests": wanted[start : start + MAX_DIGESTS]}, DigestsAnswer)
            for start in range(0, max(1, len(wanted)), MAX_DIGESTS)
        ]
        return DigestsAnswer(
            answers=tuple(answer for part in parts for answer in part.answers),
            unknown=sum(part.unknown for part in parts),
            as_of=parts[-1].as_of,
        )

    def submit(self, bundles: Sequence[bytes], *, retry_for: float = 60.0) -> list[SubmissionResult]:
        """Submit up to 32 bundles, to be logged all or none, in this order.

        Tried again for `retry_for` seconds while the registry is away; sending twice is safe,
        since a logged statement is answered with its entry. Raises the `AdmissionError` of the
        registry's refusal, or `UnavailableError`. The receipts are unverified.
        """
        from weighbridge_schemas.api import SubmissionBatch, SubmissionResult

        if not 1 <= len(bundles) <= MAX_BATCH:
            raise InputError(f"{len(bundles)} bundles in one submission: a registry takes 1 to {MAX_BATCH}")
        single = len(bundles) == 1
        answer = self._send(
            Request(
                method="POST",
                path="/api/v1/statements",
                body=bundles[0] if single else _json_lines(bundles),
                headers={"Content-Type": _JSON[0] if single else _JSON_LINES[0]},
                accept=_JSON,
                limit=_MAX_RELEASE,
                retry_for=retry_for,
            )
        )
        if single:
            return [self._document(answer, SubmissionResult)]
        results = self._document(answer, SubmissionBatch).results
        if len(results) != len(bundles):
            raise self._transport.broken(f"answers {len(results)} times to {len(bundles)} statements")
        return list(results)

    def put_blob(self, data: bytes, *, retry_for: float = 60.0) -> str:
        """Upload a file that a logged statement names by digest; gives its SHA-256 in bare hex."""
        name = sha256(data).hexdigest()
        self._send(
            Request(
                method="PUT",
                path=f"/api/v1/blobs/{name}",
                body=gzip.compress(data, mtime=0),
                headers={"Content-Type": _OCTETS[0], "Content-Encoding": "gzip"},
                accept=(*_JSON, *_OCTETS, "text/plain", ""),
                limit=_MAX_DOCUMENT,
                retry_for=retry_for,
            )
        )
        return name

    def blob(self, digest: str, *, limit: int = _MAX_RELEASE) -> bytes | None:
        """Fetch an attached file by the SHA-256 of its bytes, which are checked against it.

        None if the registry does not have it. `limit` is in bytes.
        """
        name = _hex(digest)
        try:
            data = self._fetch(f"/api/v1/blobs/{name}", _OCTETS, limit)
        except _NotFoundError:
            return None
        return self._checked(data, name, "the file")

    def bundle(self, digest: str) -> bytes:
        """Fetch a bundle by the SHA-256 of its bytes, which are checked against it."""
        name = _hex(digest)
        return self._checked(self._fetch(f"/bundles/{name}", _BUNDLES, _MAX_BUNDLE), name, "the bundle")

    def checkpoint(self) -> bytes:
        """Fetch the log's current checkpoint; open it with `parse_checkpoint` and a pinned key."""
        return self._fetch("/checkpoint", ("text/plain",), MAX_NOTE_SIZE)

    def tile(self, level: int, index: int, width: int = TILE_WIDTH) -> bytes:
        """Fetch a tile of hashes, unverified; from the full tile if a partial one is gone."""
        try:
            return self._fetch(f"/{tile_path(level, index, width)}", _OCTETS, width * HASH_SIZE)
        except _NotFoundError:
            if width == TILE_WIDTH:
                raise
        full = self._fetch(f"/{tile_path(level, index)}", _OCTETS, TILE_WIDTH * HASH_SIZE)
        return full[: width * HASH_SIZE]

    def entries(self, index: int, width: int = TILE_WIDTH) -> bytes:
        """Fetch a bundle of entries, unverified; `TileReader.entries` checks it."""
        limit = TILE_WIDTH * (MAX_ENTRY_SIZE + 2)
        try:
            return self._fetch(f"/{entries_path(index, width)}", _OCTETS, limit)
        except _NotFoundError:
            if width == TILE_WIDTH:
                raise
        full = self._fetch(f"/{entries_path(index)}", _OCTETS, limit)
        return entry_bundle(parse_entry_bundle(full, TILE_WIDTH)[:width])

    def reader(self, checkpoint: SignedCheckpoint) -> TileReader:
        """Read the tree of a verified checkpoint, tile by tile, each checked against its root."""
        key = checkpoint.size, checkpoint.root
        reader = self._readers.get(key)
        if reader is None:
            reader = self._readers[key] = TileReader(self.tile, *key)
            while len(self._readers) > _READERS:
                self._readers.popitem(last=False)
        return reader

    def consistency(self, old: SignedCheckpoint, new: SignedCheckpoint) -> list[bytes]:
        """Prove with the log's tiles that the tree of `new` begins with that of `old`.

        Both are verified checkpoints of one log, `old` not the larger. Raises `ForkError` if the
        tree of `new`, hashed up to its root, has another beginning: then the log has signed two
        histories. Raises `ProofError` if the tiles served are not of that tree, `UnavailableError`
        if they cannot be had: neither proves a fork.
        """
        if old.origin != new.origin:
            raise ProofError(f"{old.origin} and {new.origin} are two logs")
        try:
            proof = self.reader(new).consistency_proof(old.size) if old.size != new.size else []
        except _NotFoundError as error:
            raise UnavailableError(
                f"{self.url} does not serve the tree of size {new.size} that {new.origin} has signed",
                hint="its log was set back or is incomplete; ask its operator",
                evidence=error.evidence,
            ) from error
        try:
            verify_consistency(old.size, new.size, proof, old.root, new.root)
        except ProofError as error:
            raise ForkError(
                f"the log {new.origin} has a tree of size {new.size} that does not begin with that of "
                f"size {old.size}",
                hint="it shows different histories: keep both checkpoints and show them to others",
                evidence={"checkpoints": [old.data.decode(), new.data.decode()], "vkey": new.verifier.vkey},
            ) from error
        return proof

    def _checked(self, data: bytes, name: str, what: str) -> bytes:
        """Give bytes that have the digest by which they were asked for."""
        found = sha256(data).hexdigest()
        if found != name:
            raise ProofError(
                f"{self.url} serves other bytes than {what} {name[:16]}… is",
                hint="the registry is broken or lies; tell its operator",
                evidence={"wanted": name, "served": found},
            )
        return data

    def _look_up(self, path: str, kind: type[D], *, limit: int = _MAX_DOCUMENT) -> D | None:
        try:
            return self._require(path, kind, limit=limit)
        except _NotFoundError:
            return None

    def _require(self, path: str, kind: type[D], *, limit: int = _MAX_DOCUMENT) -> D:
        return self._document(
            self._send(Request(path=path, accept=_JSON, limit=limit, retry_for=self._retry_for)), kind
        )

    def _ask(self, path: str, question: dict[str, Any], kind: type[D]) -> D:
        """Ask by POST what is too long for a URL."""
        request = Request(
            method="POST",
            path=path,
            body=encode(question),
            headers={"Content-Type": _JSON[0]},
            accept=_JSON,
            limit=_MAX_RELEASE,
            retry_for=self._retry_for,
        )
        return self._document(self._send(request), kind)

    def _fetch(self, path: str, accept: tuple[str, ...], limit: int) -> bytes:
        return self._send(Request(path=path, accept=accept, limit=limit, retry_for=self._retry_for)).data

    def _send(self, request: Request) -> Answer:
        """Send a request; give a 2xx answer or raise what another status means."""
        answer = self._transport.send(request)
        if answer.ok:
            return answer
        raise self._refusal(request, answer)

    def _document(self, answer: Answer, kind: type[D]) -> D:
        """Read a document strictly."""
        from pydantic import ValidationError

        try:
            value = decode(answer.data, max_bytes=_MAX_RELEASE, max_depth=_MAX_PREDICATE_DEPTH)
            return kind.model_validate(value)
        except BundleError as error:
            raise self._transport.broken(f"answers with malformed JSON: {error.message}") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = "/".join(str(part) for part in first["loc"])
            raise self._transport.broken(
                f"answers with something that is no {kind.__name__}: {where}: {first['msg']}"
            ) from error

    def _refusal(self, request: Request, answer: Answer) -> WeighbridgeError:
        """Make the error that a status and its problem document stand for."""
        problem = _problem(answer)
        detail = _printable(problem.get("detail") or problem.get("title") or f"status {answer.status}")
        hint = _printable(problem.get("hint") or "")
        evidence = {**problem.get("evidence", {}), "url": answer.url, "status": answer.status}
        if problem.get("instance"):
            evidence["instance"] = problem["instance"]
        sent = request.method != "GET"
        if sent and answer.status in _REFUSALS:
            kind = _REFUSALS[answer.status]
            return kind(detail, hint=hint, evidence=evidence, step=problem.get("step"))
        if answer.status == _NOT_FOUND and not sent:
            return _NotFoundError(f"{self.url} does not know {request.path}", hint=hint, evidence=evidence)
        if answer.status == _WITHHELD and problem.get("withheld") is not None:
            return WithheldError(
                f"{self.url} withholds {request.path}: {detail}",
                withheld=read_withheld(problem["withheld"]),
                hint=hint,
                evidence=evidence,
            )
        if answer.status == _WITHHELD:
            return UndecidedError(
                f"{self.url} withholds {request.path} and names no logged decision: {detail}",
                hint=hint,
                evidence=evidence,
            )
        return self._transport.broken(f"answers {request.path} with status {answer.status}: {detail}")


class _NotFoundError(UndecidedError):
    """404: this registry does not know what was asked for."""


def _problem(answer: Answer) -> dict[str, Any]:
    """Read a problem document (RFC 9457), or nothing if it is none."""
    if answer.content_type not in ("application/problem+json", "application/json"):
        return {}
    from pydantic import ValidationError

    from weighbridge_schemas.api import Problem

    try:
        limit = _MAX_WITHHELD if answer.status == _WITHHELD else _MAX_PROBLEM
        problem = Problem.model_validate(decode(answer.data, max_bytes=limit, max_depth=_MAX_PREDICATE_DEPTH))
    except (BundleError, ValidationError):
        return {}
    return problem.model_dump(exclude={"withheld"}) | {"withheld": problem.withheld}


def _printable(text: str) -> str:
    """Make a stranger's text fit for a terminal: one line, bounded, nothing that moves the cursor."""
    return _UNPRINTABLE.sub(" ", text)[:1000]


def _json_lines(bundles: Sequence[bytes]) -> bytes:
    """Put bundles one a line; a bundle with line breaks of its own is refused, not rewritten."""
    lines = [bundle.strip(b" \t\r\n") for bundle in bundles]
    if any(b"\n" in line for line in lines):
        raise MalformedError(
            "a bundle with line breaks cannot be submitted together with others",
            hint="submit it alone, or write its JSON on one line",
        )
    return b"".join(line + b"\n" for line in lines)


def _release_path(namespace: str, name: str, version: str) -> str:
    return f"/api/v1/models/{_part(namespace)}/{_part(name)}/{_part(version)}"


def _part(text: str) -> str:
    """Quote one part of a path; dots alone would climb out of it."""
    if not text or text in (".", ".."):
        raise InputError(f"not a name: {text!r}")
    return quote(text, safe="")


def _hex(digest: str) -> str:
    """Give a digest as bare hex, with or without `sha256:` in front."""
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise InputError(
            f"not a SHA-256 digest: {digest[:80]!r}", hint="write 64 lowercase hex digits, or sha256:<hex>"
        )
    return match[1]
