# SPDX-License-Identifier: Apache-2.0
"""A tiny log and publishers for verification tests: real keys, real trees, real checkpoints, no server.

`TinyLog` does what a registry's log does, without admitting anything: tests record what a dishonest
operator would. `Publisher` signs the statements of a release with its own key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from weighbridge import keys, releases, statements
from weighbridge.bundles import parse_bundle
from weighbridge.cards import card_from_readme
from weighbridge.leaves import encode_leaf
from weighbridge.lineages import lineage_from_readme
from weighbridge.oms import manifest_of, oms_statement
from weighbridge.records import RecordLine, format_record
from weighbridge.signing import KeySigner, StatementSigner
from weighbridge.tlog import (
    Checkpoint,
    Receipt,
    Signer,
    add_signatures,
    cosign,
    format_receipt,
    hashes_of,
    inclusion_proof,
    leaf_hash,
    root_hash,
    sign_checkpoint,
)
from weighbridge.weighing import WeighedModel, weigh
from weighbridge_schemas.names import fold_name

RECEIVED = 1_795_420_800
"""When the tiny log says to have received its first entry; one second later for each further one."""


@dataclass
class TinyLog:
    """An append-only list of bundles with an honest tree over it."""

    signer: Signer
    leaves: list[bytes] = field(default_factory=list)
    bundles: list[bytes] = field(default_factory=list)
    witnesses: list[Signer] = field(default_factory=list)

    @classmethod
    def new(cls, origin: str = "log.example/tiny") -> TinyLog:
        """Start a log with a new key."""
        return cls(Signer.generate(origin))

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.signer.name

    @property
    def vkey(self) -> str:
        """What a client pins."""
        return self.signer.verifier.vkey

    def add(self, *bundles: bytes) -> list[int]:
        """Record bundles and return their indices."""
        first = len(self.leaves)
        for bundle in bundles:
            self.bundles.append(bundle)
            self.leaves.append(encode_leaf(parse_bundle(bundle).sha256, RECEIVED + len(self.leaves)))
        return list(range(first, len(self.leaves)))

    def checkpoint(self, size: int | None = None) -> bytes:
        """Sign the tree of a size, with the cosignatures of the log's witnesses."""
        size = len(self.leaves) if size is None else size
        root = root_hash([leaf_hash(leaf) for leaf in self.leaves[:size]])
        note = sign_checkpoint(Checkpoint(self.origin, size, root), self.signer)
        return add_signatures(note, [cosign(note, witness, RECEIVED + size) for witness in self.witnesses])

    def line(self, index: int, *, size: int | None = None) -> RecordLine:
        """Return the record line of an entry, proved against the tree of a size (default: all)."""
        size = len(self.leaves) if size is None else size
        hashes = [leaf_hash(leaf) for leaf in self.leaves[:size]]
        proof = tuple(inclusion_proof(index, size, hashes_of(hashes)))
        receipt = format_receipt(Receipt(index, proof, self.checkpoint(size)))
        return RecordLine(self.bundles[index], self.leaves[index], receipt)

    def lines(self, indices: Sequence[int] | None = None, *, size: int | None = None) -> list[RecordLine]:
        """Return the record lines of entries, by default of all."""
        return [self.line(i, size=size) for i in (range(len(self.leaves)) if indices is None else indices)]

    def record(self, indices: Sequence[int] | None = None, *, size: int | None = None) -> bytes:
        """Return the record file of entries, by default of all."""
        return format_record(self.lines(indices, size=size))


class HasOrigin(Protocol):
    """Any log that statements can be meant for."""

    @property
    def origin(self) -> str:
        """The log's name."""
        ...


@dataclass(frozen=True)
class Elsewhere:
    """The log of a registry that runs somewhere else."""

    origin: str


class Publisher:
    """Somebody who releases models, with a key unless a test gives another signer."""

    def __init__(self) -> None:
        self.private_key = keys.generate_private_key()
        self.signer: StatementSigner = KeySigner(self.private_key)
        self.pem = keys.public_pem(self.private_key.public_key())

    @property
    def owner(self) -> dict[str, Any]:
        """This publisher as an owner in a namespace statement."""
        return {"type": "key", "public_key": self.pem.decode()}

    def introduction(self, log: HasOrigin) -> bytes:
        """Sign signer/v1 for this publisher's own key."""
        spki = keys.spki_sha256(self.private_key.public_key())
        return self.signer.sign(releases.signer_introduction(self.pem.decode(), spki, origin=log.origin))

    def namespace(
        self,
        log: HasOrigin,
        name: str,
        owners: Sequence[Publisher | dict[str, Any]],
        *,
        previous: bytes | None = None,
    ) -> bytes:
        """Sign namespace/v1; `previous` is the bundle that it replaces."""
        digest = None if previous is None else parse_bundle(previous).statement_digest
        predicate = {
            "namespace": name,
            "owners": [each.owner if isinstance(each, Publisher) else each for each in owners],
            "logs": [log.origin],
            "previous": None if digest is None else {"kind": "namespace", "sha256": digest},
        }
        subject = statements.abstract_subject("namespace", fold_name(name))
        return self.signer.sign(statements.encode_statement("namespace", name, subject, predicate))

    def oms(self, model: Path, **weighing: Any) -> bytes:
        """Sign the OMS manifest of a model, as publish does."""
        weighed = weigh(model, **weighing)
        return self.signer.sign(oms_statement(manifest_of(weighed), weighed.name))

    def release(self, log: HasOrigin, model: Path, title: str, **changes: Any) -> bytes:
        """Sign release/v1 of a model; `changes` replace members of its predicate."""
        weighed = weigh(model, algorithms=releases.ALGORITHMS)
        return self.release_of(log, weighed, title, **changes)

    def release_of(self, log: HasOrigin, weighed: WeighedModel, title: str, **changes: Any) -> bytes:
        """Sign release/v1 of a weighing."""
        name = releases.ReleaseName.parse(title)
        readme = weighed.path / "README.md"
        text = readme.read_bytes() if readme.is_file() else None
        predicate = releases.release_predicate(
            name,
            weighed,
            origin=log.origin,
            card=None if text is None else card_from_readme(text),
            lineage=None if text is None else lineage_from_readme(text),
            now=datetime(2026, 11, 23, tzinfo=UTC),
        )
        return self.signer.sign(releases.encode_release(name, predicate | changes))

    def status(
        self, log: HasOrigin, release: bytes, state: str, *, previous: bytes | None = None, **content: Any
    ) -> bytes:
        """Sign status/v1 of a release, given as its bundle; `previous` is the bundle that it replaces."""
        reference = None
        if previous is not None:
            reference = {"kind": "status", "sha256": parse_bundle(previous).statement_digest}
        predicate = {"state": state, "reason": f"it is {state}", "logs": [log.origin], "previous": reference}
        subject = parse_bundle(release).statement_digest
        payload = statements.encode_statement("status", "a release", subject, predicate | content)
        return self.signer.sign(payload)


@dataclass(frozen=True)
class Published:
    """A model that was signed, released and recorded, with its evidence beside it."""

    model: Path
    publisher: Publisher
    log: TinyLog
    title: str

    @property
    def record(self) -> Path:
        """The record file beside the model."""
        return self.model / "provenance.jsonl"

    @property
    def signature(self) -> Path:
        """The signature beside the model."""
        return self.model / "model.sig"


def published(
    model: Path,
    *,
    publisher: Publisher | None = None,
    log: TinyLog | None = None,
    title: str = "acme/tiny@1.0",
) -> Published:
    """Publish a model (introduction and claim first, if the log is new) and write its evidence beside it."""
    publisher, log = publisher or Publisher(), log or TinyLog.new()
    namespace = title.partition("/")[0]
    oms, release = publisher.oms(model), publisher.release(log, model, title)
    if not log.leaves:
        log.add(publisher.introduction(log), publisher.namespace(log, namespace, [publisher]))
    entries = [0, 1, *log.add(oms, release)]
    (model / "model.sig").write_bytes(oms)
    (model / "provenance.jsonl").write_bytes(log.record(entries))
    return Published(model, publisher, log, title)
