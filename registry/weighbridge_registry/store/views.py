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
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel, col

from weighbridge import canonical, identities, keys
from weighbridge.identities import CertificateIdentity, Identity, KeyIdentity, SigstoreIdentity
from weighbridge.weighing import Tensor
from weighbridge_registry.state import Admitted, Fact, WithheldEntry, owners_of, withheld_key
from weighbridge_schemas.base import fold_name
from weighbridge_schemas.card import Card, CardRevision
from weighbridge_schemas.lineage import Lineage, LineageRevision
from weighbridge_schemas.namespace import CertificateOwner, KeyOwner, Namespace, Owner, SigstoreOwner
from weighbridge_schemas.oms import OmsPredicate
from weighbridge_schemas.operator import Action, Reassign, Takedown
from weighbridge_schemas.operator import Operator as OperatorStatement
from weighbridge_schemas.release import Release as ReleaseStatement
from weighbridge_schemas.signer import SignerIntroduction

from . import tables
from .summaries import release_path, summary
from .withholding import hide, insert_withheld

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
    for entry in entries:
        if isinstance(entry, Admitted):
            _admitted(connection, entry)
        else:
            _withheld(connection, entry)


def write_facts(connection: Connection, facts: Mapping[str, Fact]) -> None:
    """Write facts, replacing those with the same keys."""
    rows = [{"key": key, "value": canonical.encode(value).decode()} for key, value in facts.items()]
    _upsert(connection, tables.Fact, rows, ("value",))


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
    for part in _parts(rows):
        _upsert(connection, tables.Tensor, part, ("name",))


def insert_blob(connection: Connection, blob: tables.Blob) -> None:
    """Write that an attachment is stored."""
    _upsert(connection, tables.Blob, [blob.model_dump()], ("stored",))


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


def _admitted(connection: Connection, entry: Admitted) -> None:
    _entry(connection, entry, _release_page(connection, entry))
    match entry.candidate.document:
        case ReleaseStatement() as document:
            _release(connection, entry, document)
        case CardRevision() as document:
            _card_revision(connection, entry, document)
        case LineageRevision() as document:
            _lineage_revision(connection, entry, document)
        case Namespace() as document:
            _owners(connection, fold_name(document.namespace), document.owners)
        case OmsPredicate():
            _insert(connection, tables.Digest, [_digest(entry, "root", 0, entry.candidate.subject)])
        case SignerIntroduction() as document:
            connection.execute(
                update(_table(tables.Signer))
                .where(col(tables.Signer.id) == entry.signer)
                .values(introduction=entry.index, label=document.label)
            )
        case OperatorStatement() as document:
            _decision(connection, entry, document.decision)
        case _:
            pass


def _decision(connection: Connection, entry: Admitted, decision: Action) -> None:
    if isinstance(decision, Takedown) and decision.target == "bundle":
        hide(connection, entry.facts[withheld_key("bundle", _hex(decision.sha256))]["entry"])
    elif isinstance(decision, Reassign):
        _owners(connection, fold_name(decision.namespace), decision.owners)


def _withheld(connection: Connection, entry: WithheldEntry) -> None:
    insert_withheld(connection, entry)
    if entry.kind == "namespace" and entry.namespace is not None:
        _owners(connection, entry.namespace, owners_of(entry.facts[f"namespace/{entry.namespace}"]["owners"]))


def _entry(connection: Connection, entry: Admitted, page: str | None) -> None:
    candidate = entry.candidate
    _insert(
        connection,
        tables.Entry,
        [
            {
                "number": entry.index,
                "kind": candidate.kind,
                "statement": candidate.digest,
                "bundle": candidate.bundle.sha256,
                "signer": entry.signer,
                "subject": candidate.subject,
                "subject_name": shown_name(candidate.statement.subject.name),
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
        _insert(connection, tables.Signer, [{"id": entry.signer, "identity": identity, "first": entry.index}])


def _owners(connection: Connection, namespace: str, owners: Sequence[Owner]) -> None:
    connection.execute(delete(_table(tables.Owner)).where(col(tables.Owner.namespace) == namespace))
    found = {identities.signer_id(one) for owner in owners if (one := owner_identity(owner)) is not None}
    _insert(connection, tables.Owner, [{"namespace": namespace, "signer": one} for one in sorted(found)])


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


def _release_page(connection: Connection, entry: Admitted) -> str | None:
    """Path of the page of the release that an entry is or revises."""
    document = entry.candidate.document
    if isinstance(document, ReleaseStatement):
        return release_path(document.namespace, document.name, document.version)
    if entry.release is None:
        return None
    row = connection.execute(
        select(col(tables.Release.namespace), col(tables.Release.name), col(tables.Release.version)).where(
            col(tables.Release.number) == entry.release
        )
    ).one()
    return release_path(*row)


def _release(connection: Connection, entry: Admitted, document: ReleaseStatement) -> None:
    namespace = fold_name(document.namespace)
    key = f"{namespace}/{fold_name(document.name)}"
    _insert(
        connection,
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
    changed = connection.execute(
        update(_table(tables.Model))
        .where(col(tables.Model.key) == key)
        .values(latest=entry.index, releases=col(tables.Model.releases) + 1)
    )
    if changed.rowcount == 0:
        _insert(
            connection,
            tables.Model,
            [{"key": key, "namespace": namespace, "latest": entry.index, "releases": 1}],
        )
    for part in _parts(_release_digests(entry, document)):
        _upsert(connection, tables.Digest, part, ("name",))
    _edges(connection, entry.index, document.lineage)
    _terms(connection, key, document.namespace, document.name, document.card)


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


def _card_revision(connection: Connection, entry: Admitted, document: CardRevision) -> None:
    connection.execute(
        update(_table(tables.Release))
        .where(col(tables.Release.number) == entry.release)
        .values(card=entry.index, headline=_json(headline(document.card)))
    )
    if document.card.readme is not None:
        row = _digest(entry, "readme", 0, document.card.readme.sha256, "README.md")
        _insert(connection, tables.Digest, [row])
    release = connection.execute(
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
        _terms(connection, release.model, release.namespace, release.name, document.card)


def _lineage_revision(connection: Connection, entry: Admitted, document: LineageRevision) -> None:
    connection.execute(
        update(_table(tables.Release))
        .where(col(tables.Release.number) == entry.release)
        .values(lineage=entry.index)
    )
    connection.execute(delete(_table(tables.Edge)).where(col(tables.Edge.number) == entry.release))
    if entry.release is not None:
        _edges(connection, entry.release, document.lineage)


def _edges(connection: Connection, number: int, lineage: Lineage | None) -> None:
    rows: list[dict[str, Any]] = []
    for place, parent in enumerate(lineage.parents if lineage is not None else ()):
        pins = {
            _hex(parent.digest) if parent.digest is not None else None,
            parent.statement.sha256 if parent.statement is not None else None,
        }
        rows += [
            {"number": number, "position": place, "digest": digest, "relation": parent.relation}
            for digest in sorted(pin for pin in pins if pin is not None)
        ]
    _insert(connection, tables.Edge, rows)


def _terms(connection: Connection, key: str, namespace: str, name: str, card: Card | None) -> None:
    """Index the words of a model's newest release; the folded names are found, too."""
    texts: list[str | None] = [namespace, name, fold_name(namespace), fold_name(name)]
    if card is not None and card.identity is not None:
        identity = card.identity
        texts += [identity.title, identity.task, identity.library, identity.producer]
        texts += [*identity.developers, *identity.tags, *identity.languages]
    if card is not None:
        texts.append(headline(card).get("license"))
    connection.execute(delete(_table(tables.Term)).where(col(tables.Term.model) == key))
    _insert(connection, tables.Term, [{"word": word, "model": key} for word in words(*texts)])


def _digest(
    entry: Admitted, role: str, position: int, sha256: str, name: str | None = None
) -> dict[str, Any]:
    return {"sha256": sha256, "number": entry.index, "role": role, "position": position, "name": name}


def _insert(connection: Connection, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(_table(table).insert(), list(rows))


def _table(table: type[SQLModel]) -> Table:
    """Return the plain table: the statements of SQLModel's classes cost several times as much to build."""
    return SQLModel.metadata.tables[str(table.__tablename__)]


def _upsert(
    connection: Connection, table: type[SQLModel], rows: Sequence[Mapping[str, Any]], changed: Sequence[str]
) -> None:
    """Insert rows, or write the `changed` columns of those that are there."""
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(_table(table))
    keys = [column.name for column in _table(table).primary_key]
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=keys, set_={name: getattr(statement.excluded, name) for name in changed}
        ),
        list(rows),
    )


def _parts(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    for row in rows:
        part.append(row)
        if len(part) == _ROWS:
            yield part
            part = []
    if part:
        yield part


def _first_words(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_SUMMARY else f"{line[: _MAX_SUMMARY - 1].rsplit(' ', 1)[0]}…"


def _json(value: Any) -> str:
    return canonical.encode(value).decode()


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
