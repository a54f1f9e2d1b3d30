# SPDX-License-Identifier: Apache-2.0
"""A registry in memory, made of real API documents: for what a page does with each of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.web.model_card import README, card
from weighbridge.disclosures import Disclosed, describe_score, find_stated
from weighbridge.openness import Evidence, describe_openness
from weighbridge_schemas.api import (
    AdvisoryDocument,
    AdvisoryList,
    AdvisorySummary,
    AsOf,
    DatasetDocument,
    DatasetEdge,
    DigestAnswer,
    DigestMatch,
    DisclosureDocument,
    DisclosureList,
    DisclosureSummary,
    EntryDocument,
    EntryRef,
    Event,
    EventList,
    ImpactDocument,
    ImpactItem,
    LineageDocument,
    LineageGraph,
    LogDocument,
    ModelDocument,
    ModelList,
    ModelSummary,
    NamespaceChange,
    NamespaceDocument,
    ParentEdge,
    ProvenanceDocument,
    RecordLineDocument,
    ReleaseDocument,
    ReleaseStatus,
    SignerDocument,
    SignerStatement,
    SignerSummary,
    StatementSubject,
    VersionSummary,
    WitnessDocument,
)
from weighbridge_schemas.base import Kind, Reference
from weighbridge_schemas.namespace import KeyOwner
from weighbridge_schemas.release import ReleaseFile, RootDigest, TensorSummary
from weighbridge_web.records import NotKnownError

ORIGIN = "weighbridge.example/3f2a9c0b7d1e4f60"
VKEY = f"{ORIGIN}+3f2a9c0b+AZ8zrEHlqLlnM3m3VYcCRJ2dDP3jMGOcr5A1d0Cj0p3P"
PEM = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1bF4hksQd1+v04UJXqqsUcQcjuMF\n"
    "YovPLl8QF2mcE1Azmwk4D0gE8oOxPzoYW0QLVdMkOnN/KHA5XzD2X5pnEA==\n"
    "-----END PUBLIC KEY-----\n"
)
KINDS: tuple[tuple[int, Kind], ...] = ((2, "namespace"), (3, "oms"), (4, "release"))
RECEIVED = 1_795_423_680


def sha(text: str) -> str:
    """Return a stable digest for a name."""
    return hashlib.sha256(text.encode()).hexdigest()


def signer(
    label: str = "key SHA256:9f2c41d07a3b…", kind: str = "key", introduced_as: str | None = "Tiny Lab 2026"
) -> SignerSummary:
    """Return a signer."""
    return SignerSummary.model_validate(
        {
            "id": sha(label),
            "kind": kind,
            "label": label,
            "introduced_as": introduced_as,
            "url": f"/signers/{sha(label)}",
        }
    )


def files() -> tuple[ReleaseFile, ...]:
    """Return the files of a small sentence encoder, one of them a pickle."""
    rows = [
        ("1_Pooling/config.json", 190, "config", "json", False),
        ("config.json", 612, "config", "json", False),
        ("model.safetensors", 90_868_376, "weights", "safetensors", False),
        ("tokenizer.json", 466_247, "tokenizer", "json", False),
        ("training_args.bin", 3_644, "other", "pickle", True),
        ("vocab.txt", 231_508, "tokenizer", "text", False),
    ]
    return tuple(
        ReleaseFile(
            path=path,
            size=size,
            sha256=sha(path),
            blake3=sha("b3" + path),
            role=role,
            format=kind,
            unsafe_to_load=unsafe,
        )
        for path, size, role, kind, unsafe in rows
    )


def evidence() -> Evidence:
    """Return what the small release holds."""
    return Evidence(
        files={file.path: file.sha256 for file in files()}, readme=hashlib.sha256(README).hexdigest()
    )


def lineage() -> LineageDocument:
    """Return a lineage with a registered parent, a claimed one, data sets and a child."""
    child = f"sha256:{sha('model')}"
    return LineageDocument(
        statement=Reference(kind="release", sha256=sha("release-1.0")),
        from_scratch=False,
        parents=(
            ParentEdge(
                child=child,
                parent=f"sha256:{sha('parent')}",
                relation="finetune",
                level=2,
                declared=True,
                evidence=("is registered",),
                name="tiny/base",
                namespace="tiny",
                model="base",
                version="2.1",
                url="/models/tiny/base/2.1",
            ),
            ParentEdge(
                child=child,
                parent=None,
                relation="distilled",
                level=0,
                declared=True,
                evidence=(),
                name="other/large-model",
            ),
        ),
        datasets=(
            DatasetEdge(child=child, stage="sft", name="s2orc", level=0, declared=True, evidence=()),
            DatasetEdge(
                child=child,
                stage=None,
                name="stanfordnlp/snli",
                digest=f"sha256:{sha('snli')}",
                level=1,
                declared=True,
                evidence=(),
                note="Only the entailment pairs.",
            ),
        ),
        children=(
            ParentEdge(
                child=f"sha256:{sha('q')}",
                parent=child,
                relation="quantized",
                level=2,
                declared=True,
                evidence=(),
                namespace="others",
                model="encoder-q4",
                version="1",
                url="/models/others/encoder-q4/1",
            ),
        ),
        children_total=1,
    )


@dataclass
class MemoryRecords:
    """Answers with documents that a test may replace one by one."""

    size: int = 9
    releases: dict[tuple[str, str, str], ReleaseDocument] = field(default_factory=dict)
    attachments: dict[str, bytes] = field(default_factory=dict)
    datasets: dict[str, DatasetDocument] = field(default_factory=dict)
    closed: dict[str, DisclosureDocument] = field(default_factory=dict)
    warnings: dict[str, AdvisoryDocument] = field(default_factory=dict)
    graphs: dict[str, LineageGraph] = field(default_factory=dict)
    impacts: dict[str, tuple[ImpactItem, ...]] = field(default_factory=dict)
    witnesses: tuple[WitnessDocument, ...] = ()
    quorum: Literal["met", "missed"] | None = None

    @property
    def as_of(self) -> AsOf:
        return AsOf(size=self.size, origin=ORIGIN)

    def log(self) -> LogDocument:
        return LogDocument(
            origin=ORIGIN,
            vkey=VKEY,
            fingerprint=sha(VKEY),
            size=self.size,
            root=f"sha256:{sha('root')}",
            checkpoint=f"{ORIGIN}\n{self.size}\n{'q' * 43}=\n\n— {ORIGIN} {'s' * 91}=\n",
            witnesses=self.witnesses,
            quorum=self.quorum,
            admission="open",
        )

    def models(self, query: str, cursor: int | None) -> ModelList:  # noqa: ARG002 - one page holds all
        found = [r for r in self.releases.values() if query.lower() in f"{r.namespace}/{r.name}".lower()]
        return ModelList(query=query, models=tuple(map(summary, found)), next=None, as_of=self.as_of)

    def model(self, namespace: str, name: str) -> ModelDocument:
        found = [
            r
            for r in self.releases.values()
            if (r.namespace.lower(), r.name.lower()) == (namespace.lower(), name.lower())
        ]
        if not found:
            raise NotKnownError(f"No model {namespace}/{name} is recorded here.")
        return ModelDocument(
            namespace=found[0].namespace,
            name=found[0].name,
            latest=found[-1].version,
            versions=tuple(
                VersionSummary(
                    version=r.version,
                    model_digest=r.model_digest,
                    weights_digest=r.weights_digest,
                    released_at=r.released_at,
                    received=r.received,
                    index=r.entries[-1].index,
                    status=r.status,
                    signer=r.signer,
                    url=r.url,
                )
                for r in reversed(found)
            ),
            url=f"/models/{namespace}/{name}",
            as_of=self.as_of,
        )

    def release(self, namespace: str, name: str, version: str) -> ReleaseDocument:
        for (ns, model, release), document in self.releases.items():
            if (ns.lower(), model.lower(), release) == (namespace.lower(), name.lower(), version):
                return document
        raise NotKnownError(f"No release {namespace}/{name} {version} is recorded here.")

    def provenance(self, namespace: str, name: str, version: str) -> ProvenanceDocument:
        found = self.release(namespace, name, version)
        line = RecordLineDocument(v=1, bundle="e30=", leaf="e30=", receipt=self.entry(4).receipt)
        return ProvenanceDocument(
            namespace=found.namespace,
            name=found.name,
            version=found.version,
            lines=(line, line),
            as_of=self.as_of,
        )

    def signer(self, signer: str, cursor: int | None) -> SignerDocument:  # noqa: ARG002 - one page holds all
        for r in self.releases.values():
            if r.signer.id == signer:
                s = r.signer
                return SignerDocument(
                    id=s.id,
                    identity={"type": "key", "spki_sha256": sha("spki")},
                    kind=s.kind,
                    label=s.label,
                    introduced_as=s.introduced_as,
                    public_key=PEM,
                    first_seen=RECEIVED,
                    first_index=1,
                    namespaces=(r.namespace,),
                    count=1,
                    statements=(
                        SignerStatement(
                            index=4,
                            kind="release",
                            statement=r.statement,
                            received=RECEIVED,
                            summary=f"Release of {r.namespace}/{r.name} {r.version}",
                            url=r.url,
                        ),
                    ),
                    url=f"/signers/{s.id}",
                    as_of=self.as_of,
                )
        raise NotKnownError("No such signer has signed anything here.")

    def namespace(self, namespace: str) -> NamespaceDocument:
        found = [r for r in self.releases.values() if r.namespace.lower() == namespace.lower()]
        if not found:
            raise NotKnownError(f"Nobody has claimed the namespace {namespace} here.")
        owner = KeyOwner(type="key", public_key=PEM, label="build machine")
        return NamespaceDocument(
            namespace=found[0].namespace,
            epoch=1,
            owners=(owner,),
            statement=f"sha256:{sha('ns')}",
            index=2,
            history=(
                NamespaceChange(
                    index=2,
                    statement=f"sha256:{sha('ns')}",
                    received=RECEIVED,
                    epoch=1,
                    signer=found[0].signer,
                    added=(owner,),
                    removed=(),
                    url="/log/2",
                ),
            ),
            models=tuple(map(summary, found)),
            url=f"/namespaces/{namespace}",
            as_of=self.as_of,
        )

    def digest(self, sha256: str) -> DigestAnswer:
        matches = [
            DigestMatch(
                kind="file",
                namespace=r.namespace,
                name=r.name,
                version=r.version,
                model_digest=r.model_digest,
                path=f.path,
                statement=r.statement,
                statement_kind="release",
                signer=r.signer,
                index=4,
                received=RECEIVED,
                url=r.url,
            )
            for r in self.releases.values()
            for f in r.files
            if f.sha256 == sha256
        ]
        return DigestAnswer(digest=f"sha256:{sha256}", matches=tuple(matches), as_of=self.as_of)

    def disclosure(self, sha256: str, cursor: int | None, signer: str | None) -> DisclosureDocument:
        if sha256 not in self.closed or (cursor, signer) != (None, None):
            raise NotKnownError("a disclosure is not recorded here")
        return self.closed[sha256]

    def disclosures(self, name: str | None, cursor: int | None) -> DisclosureList:
        assert cursor is None
        found = [one for one in self.closed.values() if name in (None, one.name)]
        summaries = tuple(
            DisclosureSummary(
                digest=one.digest,
                name=one.name,
                withdrawn=said.withdrawn is not None,
                signer=said.signer,
                namespace=said.namespace,
                summary=one.name,
                statement=said.statement,
                index=said.index,
                received=said.received,
                url=one.url,
            )
            for one in found
            for said in one.disclosures
        )
        return DisclosureList(name=name, disclosures=summaries, next=None, as_of=AsOf(size=9, origin=ORIGIN))

    def dataset(self, sha256: str) -> DatasetDocument:
        if sha256 not in self.datasets:
            raise NotKnownError("No description of that data set is recorded here.")
        return self.datasets[sha256]

    def advisories(self, about: str | None, cursor: int | None) -> AdvisoryList:  # noqa: ARG002 - one page holds all
        summaries = [
            AdvisorySummary(
                index=one.index,
                statement=one.statement,
                id=one.advisory.id,
                severity=one.advisory.severity,
                summary=one.advisory.summary,
                subject=one.subject,
                subject_name=one.subject_name,
                withdrawn=one.advisory.withdrawn is not None,
                signer=one.signer,
                received=one.received,
                url=one.url,
            )
            for one in self.warnings.values()
            if about in (None, one.subject.removeprefix("sha256:"))
        ]
        tagged = f"sha256:{about}" if about else None
        return AdvisoryList(about=tagged, advisories=tuple(summaries), next=None, as_of=self.as_of)

    def advisory(self, statement: str) -> AdvisoryDocument:
        if statement not in self.warnings:
            raise NotKnownError("That advisory is not recorded here.")
        return self.warnings[statement]

    def lineage(self, sha256: str, up: int, down: int) -> LineageGraph:
        graph = self.graphs.get(
            sha256,
            LineageGraph(digest=f"sha256:{sha256}", up=0, down=0, nodes=(), edges=(), as_of=self.as_of),
        )
        return graph.model_copy(update={"up": up, "down": down})

    def impact(self, sha256: str, after: tuple[int, int]) -> ImpactDocument:
        items = tuple(one for one in self.impacts.get(sha256, ()) if (one.distance, one.index) > after)
        return ImpactDocument(
            digest=f"sha256:{sha256}",
            total=len(self.impacts.get(sha256, ())),
            truncated=False,
            items=items[:2],
            next=f"{items[1].distance}.{items[1].index}" if len(items) > 2 else None,
            as_of=self.as_of,
        )

    def entry(self, index: int) -> EntryDocument:
        if index >= self.size:
            raise NotKnownError(f"The log has {self.size} entries, so there is no entry {index}.")
        event = self._event(index)
        return EntryDocument(
            index=index,
            entry=f"sha256:{sha(f'entry{index}')}",
            leaf="eyJ2IjoxfQ==",
            received=RECEIVED,
            bundle=f"sha256:{sha(f'bundle{index}')}",
            bundle_size=4321,
            statement=event.statement,
            kind=event.kind,
            predicate_type=f"https://weighbridge/{event.kind}/v1",
            predicate={"namespace": "tiny", "logs": [ORIGIN]},
            subjects=event.subjects,
            signer=event.signer,
            summary=event.summary,
            release=event.url if event.kind == "release" else None,
            receipt=f"c2sp.org/tlog-proof@v1\nindex {index}\n{'h' * 43}=\n\n{self.log().checkpoint}",
            as_of=self.as_of,
            url=f"/log/{index}",
        )

    def events(self, since: int, limit: int) -> EventList:
        indices = range(since, min(self.size, since + limit))
        return EventList(events=tuple(self._event(i) for i in indices), next=None, as_of=self.as_of)

    def attachment(self, sha256: str, limit: int) -> bytes | None:
        data = self.attachments.get(sha256)
        return data if data is not None and len(data) <= limit else None

    def _event(self, index: int) -> Event:
        kinds: list[Any] = ["operator", "signer", "namespace", "oms", "release"]
        kind = kinds[index] if index < len(kinds) else "oms" if index % 2 else "release"
        return Event(
            index=index,
            received=RECEIVED + index,
            kind=kind,
            statement=f"sha256:{sha(f'statement{index}')}",
            subjects=(StatementSubject(name="tiny/encoder", sha256=sha("model")),),
            signer=signer(),
            summary={
                "release": "Release of tiny/encoder 1.0",
                "oms": "Signature over the files of encoder",
            }.get(kind, f"A statement of kind {kind}"),
            url="/models/tiny/encoder/1.0" if kind == "release" else f"/log/{index}",
        )


def summary(release: ReleaseDocument) -> ModelSummary:
    """Return the list's line for a release."""
    identity = release.card.identity if release.card else None
    return ModelSummary(
        namespace=release.namespace,
        name=release.name,
        version=release.version,
        title=identity.title if identity else None,
        task=identity.task if identity else None,
        license="Apache-2.0" if identity else None,
        model_digest=release.model_digest,
        releases=1,
        status=release.status,
        signer=release.signer,
        received=release.received,
        index=release.entries[-1].index,
        url=f"/models/{release.namespace}/{release.name}",
    )


def release(**changes: Any) -> ReleaseDocument:
    """Return a full release document; members given replace those of the example."""
    entries = tuple(
        EntryRef(
            index=index,
            kind=kind,
            statement=f"sha256:{sha('release-1.0') if kind == 'release' else sha(kind)}",
            bundle=f"sha256:{sha('bundle' + kind)}",
            received=RECEIVED + index,
            url=f"/log/{index}",
        )
        for index, kind in KINDS
    )
    listed = files()
    values: dict[str, Any] = {
        "namespace": "tiny",
        "name": "encoder",
        "version": "1.0",
        "epoch": 1,
        "model_digest": f"sha256:{sha('model')}",
        "root_digests": (
            RootDigest(algorithm="sha256", method="files", root_digest=f"sha256:{sha('root')}"),
        ),
        "weights_digest": f"sha256:{sha('weights')}",
        "files": listed,
        "files_total": len(listed),
        "bytes_total": sum(f.size for f in listed),
        "tensors": TensorSummary(count=101, bytes=90_852_864, table_digest=f"sha256:{sha('table')}"),
        "tensor_table": f"/api/v1/blobs/{sha('table')}",
        "card": card(),
        "card_statement": Reference(kind="release", sha256=sha("release-1.0")),
        "readme": f"/api/v1/blobs/{hashlib.sha256(README).hexdigest()}",
        "lineage": lineage(),
        "status": ReleaseStatus(state="released"),
        "openness": describe_openness(card(), evidence()),
        "disclosure": describe_score(find_stated(Disclosed(card()))),
        "signer": signer(),
        "oms_signer": signer(),
        "statement": f"sha256:{sha('release-1.0')}",
        "oms_statement": f"sha256:{sha('oms')}",
        "entries": entries,
        "received": RECEIVED,
        "released_at": "2026-11-23T08:40:00Z",
        "locations": (
            "pkg:huggingface/tiny/encoder@c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
            "https://example.org/tiny/encoder",
        ),
        "url": "/models/tiny/encoder/1.0",
        "provenance": "/api/v1/models/tiny/encoder/1.0/provenance",
        "as_of": AsOf(size=9, origin=ORIGIN),
    }
    return ReleaseDocument(**(values | changes))


def example() -> MemoryRecords:
    """Return a registry with a full release and a bare one."""
    records = MemoryRecords()
    bare = release(
        name="bare-weights-with-a-rather-long-name.that-goes-on",
        version="0.0.1-alpha.20261123+build.4711",
        card=None,
        openness=None,
        card_statement=None,
        readme=None,
        lineage=None,
        tensors=None,
        weights_digest=None,
        tensor_table=None,
        locations=(),
        files=files()[:2],
        files_total=2,
        bytes_total=802,
        url="/models/tiny/bare-weights-with-a-rather-long-name.that-goes-on/0.0.1-alpha.20261123+build.4711",
        oms_signer=None,
        oms_statement=None,
        entries=tuple(entry.model_copy(update={"index": entry.index + 3}) for entry in release().entries),
        signer=signer(
            "ada.lovelace-of-the-analytical-engine@research.example.org, logged in at https://accounts.example.com",
            "sigstore",
            None,
        ),
    )
    for document in (bare, release()):
        records.releases[document.namespace, document.name, document.version] = document
    records.attachments[hashlib.sha256(README).hexdigest()] = README
    return records
