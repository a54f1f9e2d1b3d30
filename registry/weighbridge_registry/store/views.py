# SPDX-License-Identifier: Apache-2.0
"""Views: what entries are looked up and searched by, made from admitted entries alone.

`project` runs inside the transaction that writes the facts, so that views and facts are always
of the same size. What it writes depends on the entries only, in their order; a rebuild writes
the same rows. Tensor names come from attached tables, which are not in the log: `index_tensors`
adds them when a table is stored.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, delete, select, update
from sqlmodel import col

from weighbridge import canonical, identities, keys
from weighbridge.identities import CertificateIdentity, Identity, KeyIdentity, SigstoreIdentity
from weighbridge.license_terms import stated_license
from weighbridge.weighing import Tensor
from weighbridge_registry.state import Admitted, Fact, WithheldEntry, owners_of, withheld_key
from weighbridge_schemas.api import StatedLicense
from weighbridge_schemas.base import fold_name
from weighbridge_schemas.card import Card, CardRevision
from weighbridge_schemas.lineage import DatasetUse, Lineage, LineageRevision, Parent
from weighbridge_schemas.namespace import CertificateOwner, KeyOwner, Namespace, Owner, SigstoreOwner
from weighbridge_schemas.oms import OmsPredicate
from weighbridge_schemas.operator import Action, Reassign, Takedown
from weighbridge_schemas.operator import Operator as OperatorStatement
from weighbridge_schemas.release import Release as ReleaseStatement
from weighbridge_schemas.signer import SignerIntroduction

from . import tables
from .rows import Rows, plain, upsert
from .summaries import release_path, summary
from .testimonies import insert_license, project_testimony
from .withholding import forget_edges, hide, insert_withheld

__all__ = [
    "headline",
    "index_tensors",
    "insert_blob",
    "owner_identity",
    "project",
    "shown_name",
    "words",
    "write_facts",
]

_MAX_WORDS: Final = 96
_MAX_WORD: Final = 64
_MAX_SUMMARY: Final = 280
_MAX_NAME: Final = 1024
_ROWS: Final = 2000
_WORD = re.compile(r"[^\W_]+")


def project(connection: Connection, entries: Sequence[Admitted | WithheldEntry]) -> None:
    """Write the views of entries, in their order."""
    rows = Rows(connection)
    for entry in entries:
        if isinstance(entry, Admitted):
            _admitted(rows, entry)
        else:
            _withheld(rows, entry)
    rows.flush()


def write_facts(connection: Connection, facts: Mapping[str, Fact]) -> None:
    """Write facts, replacing those with the same keys."""
    rows = [{"key": key, "value": canonical.encode(value).decode()} for key, value in facts.items()]
    upsert(connection, tables.Fact, rows)


def index_tensors(connection: Connection, table: str, start: int, tensors: Iterable[Tensor]) -> None:
    """Write the tensors of a stored table from position `start`; doing it again changes nothing."""
    rows = (
        {
            "sha256": tensor.sha256,
            "table": table,
            "position": place,
            "name": shown_name(tensor.name),
        }
        for place, tensor in enumerate(tensors, start=start)
    )
    while part := list(islice(rows, _ROWS)):
        upsert(connection, tables.Tensor, part)


def insert_blob(connection: Connection, blob: tables.Blob) -> None:
    """Write that an attachment is stored."""
    upsert(connection, tables.Blob, [blob.model_dump()])


def headline(card: Card | None) -> dict[str, Any]:
    """Return what a list shows of a card: title, first words, task, licence of the distribution."""
    found: dict[str, Any] = {}
    if card is None:
        return found
    if card.identity is not None:
        found["title"] = card.identity.title
        found["task"] = card.identity.task
    if card.description is not None and card.description.summary is not None:
        found["summary"] = _first_words(card.description.summary)
    if card.licenses is not None and card.licenses.distribution is not None:
        found["license"] = card.licenses.distribution.spdx or card.licenses.distribution.text
    return {key: value for key, value in found.items() if value is not None}


def shown_name(name: str) -> str:
    """Return a name that a stranger chose as every database takes it: without NUL, of bounded length."""
    return name[:_MAX_NAME].replace("\x00", "\N{REPLACEMENT CHARACTER}")


def words(*texts: str | None) -> list[str]:
    """Return the words of texts as they are indexed and searched: lower case, each once, bounded."""
    found: dict[str, None] = {}
    for text in texts:
        for word in _WORD.findall((text or "").casefold()):
            found.setdefault(word[:_MAX_WORD])
            if len(found) >= _MAX_WORDS:
                return list(found)
    return list(found)


def _admitted(rows: Rows, entry: Admitted) -> None:
    _entry(rows, entry, _release_page(rows, entry))
    match entry.candidate.document:
        case ReleaseStatement() as document:
            _release(rows, entry, document)
        case CardRevision() as document:
            _card_revision(rows, entry, document)
        case LineageRevision() as document:
            _lineage_revision(rows, entry, document)
        case Namespace() as document:
            _owners(rows, fold_name(document.namespace), document.owners)
        case OmsPredicate():
            rows.insert(tables.Digest, [_digest(entry, "root", 0, entry.candidate.subject)])
        case SignerIntroduction() as document:
            rows.execute(
                update(plain(tables.Signer))
                .where(col(tables.Signer.id) == entry.signer)
                .values(introduction=entry.index, label=document.label)
            )
        case OperatorStatement() as document:
            _decision(rows, entry, document.decision)
        case _:
            project_testimony(rows, entry)


def _decision(rows: Rows, entry: Admitted, decision: Action) -> None:
    if isinstance(decision, Takedown) and decision.target == "bundle":
        hide(rows.connection(), entry.facts[withheld_key("bundle", _hex(decision.sha256))]["entry"])
    elif isinstance(decision, Reassign):
        _owners(rows, fold_name(decision.namespace), decision.owners)


def _withheld(rows: Rows, entry: WithheldEntry) -> None:
    insert_withheld(rows.connection(), entry)
    if entry.kind == "namespace" and entry.namespace is not None:
        _owners(rows, entry.namespace, owners_of(entry.facts[f"namespace/{entry.namespace}"]["owners"]))


def _entry(rows: Rows, entry: Admitted, page: str | None) -> None:
    candidate = entry.candidate
    rows.insert(
        tables.Entry,
        [
            {
                "number": entry.index,
                "kind": candidate.kind,
                "statement": candidate.digest,
                "bundle": candidate.bundle.sha256,
                "signer": entry.signer,
                "subject": candidate.subject,
                "subject_name": shown_name(candidate.statement.subjects[0].name),
                "received": entry.leaf.received,
                "namespace": entry.namespace,
                "release": entry.release,
                "release_page": page,
                "summary": summary(candidate, page),
            }
        ],
    )
    if f"signer/{entry.signer}" in entry.facts:
        identity = identities.canonical(entry.identity).decode()
        rows.insert(tables.Signer, [{"id": entry.signer, "identity": identity, "first": entry.index}])


def _owners(rows: Rows, namespace: str, owners: Sequence[Owner]) -> None:
    rows.execute(delete(plain(tables.Owner)).where(col(tables.Owner.namespace) == namespace))
    found = {identities.signer_id(one) for owner in owners if (one := owner_identity(owner)) is not None}
    rows.insert(tables.Owner, [{"namespace": namespace, "signer": one} for one in sorted(found)])


def owner_identity(owner: Owner) -> Identity | None:
    """Return the one signer that an owner is; None for a CI owner, which many can be."""
    match owner:
        case KeyOwner():
            return KeyIdentity(keys.spki_sha256(keys.load_public_key(owner.public_key.encode())))
        case CertificateOwner():
            der = x509.load_pem_x509_certificate(owner.anchor.encode()).public_bytes(Encoding.DER)
            return CertificateIdentity(hashlib.sha256(der).hexdigest(), owner.subject)
        case SigstoreOwner():
            return SigstoreIdentity(_hex(owner.trust_domain), owner.issuer, owner.subject)
        case _:
            return None


def _release_page(rows: Rows, entry: Admitted) -> str | None:
    """Path of the page of the release that an entry is or revises."""
    document = entry.candidate.document
    if isinstance(document, ReleaseStatement):
        return release_path(document.namespace, document.name, document.version)
    if entry.release is None:
        return None
    row = rows.execute(
        select(col(tables.Release.namespace), col(tables.Release.name), col(tables.Release.version)).where(
            col(tables.Release.number) == entry.release
        )
    ).one()
    return release_path(row.namespace, row.name, row.version)


def _release(rows: Rows, entry: Admitted, document: ReleaseStatement) -> None:
    namespace = fold_name(document.namespace)
    key = f"{namespace}/{fold_name(document.name)}"
    rows.insert(
        tables.Release,
        [
            {
                "number": entry.index,
                "model": key,
                "namespace": document.namespace,
                "name": document.name,
                "version": document.version,
                "statement": entry.candidate.digest,
                "bundle": entry.candidate.bundle.sha256,
                "signer": entry.signer,
                "received": entry.leaf.received,
                "released_at": document.released_at,
                "model_digest": _hex(document.model.model_digest),
                "weights_digest": _hex(document.model.weights_digest)
                if document.model.weights_digest
                else None,
                "headline": _json(headline(document.card)),
            }
        ],
    )
    rows.release_of(key, namespace, entry.index)
    files = {file.path: file.sha256 for file in document.model.files}
    insert_license(rows, entry.index, stated_license(document.card, files=files))
    rows.insert(tables.Digest, list(_release_digests(entry, document)))
    _edges(rows, entry.index, document.lineage)
    _terms(rows, key, document.namespace, document.name, document.card)


def _release_digests(entry: Admitted, document: ReleaseStatement) -> Iterator[dict[str, Any]]:
    model = document.model
    yield _digest(entry, "model", 0, _hex(model.model_digest))
    for place, root in enumerate(model.root_digests):
        yield _digest(entry, "root", place, _hex(root.root_digest))
    if model.weights_digest is not None:
        yield _digest(entry, "weights", 0, _hex(model.weights_digest))
    if model.tensors is not None:
        yield _digest(entry, "table", 0, _hex(model.tensors.table_digest))
    if document.card is not None and document.card.readme is not None:
        yield _digest(entry, "readme", 0, document.card.readme.sha256, "README.md")
    for place, file in enumerate(model.files):
        yield _digest(entry, "file", place, file.sha256, file.path)


def _card_revision(rows: Rows, entry: Admitted, document: CardRevision) -> None:
    rows.execute(
        update(plain(tables.Release))
        .where(col(tables.Release.number) == entry.release)
        .values(card=entry.index, headline=_json(headline(document.card)))
    )
    insert_license(rows, entry.index, _license_of_revision(rows, entry, document.card))
    if document.card.readme is not None:
        row = _digest(entry, "readme", 0, document.card.readme.sha256, "README.md")
        rows.insert(tables.Digest, [row])
    release = rows.execute(
        select(
            col(tables.Release.model),
            col(tables.Release.namespace),
            col(tables.Release.name),
            col(tables.Model.latest),
        )
        .join(tables.Model, col(tables.Model.key) == col(tables.Release.model))
        .where(col(tables.Release.number) == entry.release)
    ).one()
    if release.latest == entry.release:
        _terms(rows, release.model, release.namespace, release.name, document.card)


def _license_of_revision(rows: Rows, entry: Admitted, card: Card) -> StatedLicense | None:
    """Return the licence that a revised card states, with the digest of its text if the release has that."""
    stated = stated_license(card)
    if stated is None or stated.path is None:
        return stated
    file = rows.execute(
        select(col(tables.Digest.sha256))
        .where(
            col(tables.Digest.number) == entry.release,
            col(tables.Digest.role) == "file",
            col(tables.Digest.name) == shown_name(stated.path),
        )
        .limit(1)
    ).scalar()
    return stated.model_copy(update={"sha256": file})


def _lineage_revision(rows: Rows, entry: Admitted, document: LineageRevision) -> None:
    rows.execute(
        update(plain(tables.Release))
        .where(col(tables.Release.number) == entry.release)
        .values(lineage=entry.index)
    )
    if entry.release is not None:
        forget_edges(rows.connection(), entry.release)
        _edges(rows, entry.release, document.lineage)


def _edges(rows: Rows, number: int, lineage: Lineage | None) -> None:
    if lineage is None:
        return
    edges = [
        {
            "number": number,
            "position": place,
            "digest": digest,
            "relation": parent.relation,
            "name": parent.name or parent.location,
        }
        for place, parent in enumerate(lineage.parents)
        if parent.relation != "from_scratch"
        for digest in _pins(parent)
    ]
    rows.insert(tables.Edge, edges)
    uses = [
        {
            "number": number,
            "position": place,
            "digest": digest,
            "stage": use.stage,
            "name": use.name.casefold(),
        }
        for place, use in enumerate(lineage.datasets)
        for digest in _pins(use)
    ]
    rows.insert(tables.DataUse, uses)


def _pins(edge: Parent | DatasetUse) -> list[str]:
    """Return the digests by which an edge names its other end; one empty text if it only has a name."""
    pins = {
        _hex(edge.digest) if edge.digest is not None else "",
        edge.statement.sha256 if edge.statement is not None else "",
    }
    return sorted(pins - {""}) or [""]


def _terms(rows: Rows, key: str, namespace: str, name: str, card: Card | None) -> None:
    """Index the words of a model's newest release; the folded names are found, too."""
    texts: list[str | None] = [namespace, name, fold_name(namespace), fold_name(name)]
    if card is not None and card.identity is not None:
        identity = card.identity
        texts += [identity.title, identity.task, identity.library, identity.producer]
        texts += [*identity.developers, *identity.tags, *identity.languages]
    if card is not None:
        texts.append(headline(card).get("license"))
    rows.words_of(key, words(*texts))


def _digest(
    entry: Admitted, role: str, position: int, sha256: str, name: str | None = None
) -> dict[str, Any]:
    return {"sha256": sha256, "number": entry.index, "role": role, "position": position, "name": name}


def _first_words(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_SUMMARY else f"{line[: _MAX_SUMMARY - 1].rsplit(' ', 1)[0]}…"


def _json(value: Any) -> str:
    return canonical.encode(value).decode()


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
