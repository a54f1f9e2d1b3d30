# SPDX-License-Identifier: Apache-2.0
"""Views of what is said about releases, data sets and digests: statuses, and anyone's statements.

The newest of each chain has a row; a chain is what one party says of one thing, and its name is the key of
the fact that the entry wrote. A withheld entry takes the row of its chain away, so that whoever never had
its bytes comes to the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Connection, delete, update
from sqlmodel import SQLModel, col

from weighbridge import canonical
from weighbridge.license_terms import license_of_data
from weighbridge_registry.state import Admitted, WithheldEntry
from weighbridge_schemas.advisory import Advisory
from weighbridge_schemas.api import StatedLicense
from weighbridge_schemas.attestation import Attestation
from weighbridge_schemas.base import Reference
from weighbridge_schemas.dataset import Dataset
from weighbridge_schemas.deployment import Deployment
from weighbridge_schemas.disclosure import Disclosure
from weighbridge_schemas.position import Position
from weighbridge_schemas.status import Status

from . import tables
from .rows import Rows, plain

__all__ = ["forget", "insert_license", "insert_withheld", "named_digests", "project_testimony"]

_CHAINS: Final[dict[str, type[SQLModel]]] = {
    "dataset": tables.Description,
    "disclosure": tables.Description,
    "deployment": tables.Description,
    "advisory": tables.Advisory,
    "position": tables.Position,
}
"""Kinds whose chains have rows, and the tables."""


def project_testimony(rows: Rows, entry: Admitted) -> None:
    """Write the views of an entry that speaks of something else; nothing for other kinds."""
    document = entry.candidate.document
    match document:
        case Status():
            _set_status(rows, entry, document)
        case Dataset():
            _describe(rows, entry, document.name, ended=document.withdrawn is not None)
            insert_license(rows, entry.index, license_of_data(document.license, None))
        case Disclosure():
            _describe(rows, entry, document.name, ended=document.withdrawn is not None)
        case Deployment():
            _describe(rows, entry, document.name, ended=document.until is not None)
        case Advisory():
            _advisory(rows, entry, document)
        case Position():
            _position(rows, entry, document)
        case _:
            pass
    seen = {entry.candidate.subject}
    about: list[dict[str, Any]] = []
    for role, digest in named_digests(entry):
        if digest not in seen:
            seen.add(digest)
            about.append({"sha256": digest, "number": entry.index, "role": role})
    rows.insert(tables.About, about)


def insert_license(rows: Rows, number: int, stated: StatedLicense | None) -> None:
    """Write the licence that an entry states; nothing if it states none."""
    if stated is not None:
        row = stated.model_dump(include={"of", "spdx", "text", "url", "path", "sha256"})
        rows.insert(tables.License, [{"number": number, **row}])


def forget(connection: Connection, number: int) -> None:
    """Take out what a withheld entry said; the state of a release stays, its reason goes."""
    connection.execute(delete(plain(tables.About)).where(col(tables.About.number) == number))
    connection.execute(delete(plain(tables.License)).where(col(tables.License.number) == number))
    for table in (tables.Description, tables.Advisory, tables.Position):
        own = plain(table)
        connection.execute(delete(own).where(own.c.number == number))
    connection.execute(
        update(plain(tables.Release)).where(col(tables.Release.status_entry) == number).values(reason=None)
    )


def insert_withheld(connection: Connection, entry: WithheldEntry) -> None:
    """Write what the facts of a withheld entry still say."""
    if entry.kind == "status":
        [facts] = [value for key, value in entry.facts.items() if key.startswith("status/")]
        connection.execute(
            update(plain(tables.Release))
            .where(col(tables.Release.number) == entry.release)
            .values(
                status=facts["state"],
                status_entry=entry.index,
                status_statement=entry.statement,
                reason=None,
                superseded_by=facts["superseded_by"],
            )
        )
    elif entry.kind in _CHAINS:
        own = plain(_CHAINS[entry.kind])
        connection.execute(delete(own).where(own.c.chain == _chain(entry)))


def _chain(entry: Admitted | WithheldEntry) -> str:
    kind = entry.kind if isinstance(entry, WithheldEntry) else entry.candidate.kind
    [key] = [key for key in entry.facts if key.startswith(f"{kind}/")]
    return key


def _set_status(rows: Rows, entry: Admitted, document: Status) -> None:
    successor = document.superseded_by
    rows.execute(
        update(plain(tables.Release))
        .where(col(tables.Release.number) == entry.release)
        .values(
            status=document.state,
            status_entry=entry.index,
            status_statement=entry.candidate.digest,
            reason=document.reason,
            superseded_by=successor.sha256 if successor is not None else None,
        )
    )


def _describe(rows: Rows, entry: Admitted, name: str, *, ended: bool) -> None:
    row = {
        "chain": _chain(entry),
        "kind": entry.candidate.kind,
        "number": entry.index,
        "subject": entry.candidate.subject,
        "name": name,
        "ended": ended,
    }
    rows.insert(tables.Description, [row])


def _advisory(rows: Rows, entry: Admitted, document: Advisory) -> None:
    row = {
        "chain": _chain(entry),
        "number": entry.index,
        "subject": entry.candidate.subject,
        "severity": document.severity,
        "propagates": canonical.encode(list(document.propagates)).decode(),
        "withdrawn": document.withdrawn is not None,
    }
    rows.insert(tables.Advisory, [row])


def _position(rows: Rows, entry: Admitted, document: Position) -> None:
    edge = document.edge
    row = {
        "chain": _chain(entry),
        "number": entry.index,
        "subject": entry.candidate.subject,
        "parent": _hex(edge.parent) if edge is not None else None,
        "stance": document.stance,
        "basis": document.basis,
    }
    rows.insert(tables.Position, [row])


def named_digests(entry: Admitted) -> Iterator[tuple[str, str]]:
    """Yield (role, digest) of what a statement speaks of beside its subject; nothing for other kinds.

    Roles are those of `tables.About`. Digests are bare hex, and may come twice, or be the subject.
    """
    match entry.candidate.document:
        case Attestation():
            for subject in entry.candidate.statement.subjects:
                yield "subject", subject.sha256
        case Status() as document:
            yield from _both("superseded_by", [(None, document.superseded_by)])
        case Advisory() as document:
            yield from _both("affects", ((one.digest, one.statement) for one in document.affects))
            yield from _both("fixed_by", ((one.digest, one.statement) for one in document.fixed_by))
        case Position() as document if document.edge is not None:
            yield "parent", _hex(document.edge.parent)
        case Dataset() as document:
            if document.croissant is not None:
                yield "croissant", document.croissant.sha256
            yield from _both("derived_from", ((one.digest, one.statement) for one in document.derived_from))
        case Deployment() as document:
            yield from _both("model", ((one.digest, one.release) for one in document.models))
            yield from _both("model", ((None, one.disclosure) for one in document.models))
        case _:
            pass


def _both(role: str, targets: Iterable[tuple[str | None, Reference | None]]) -> Iterator[tuple[str, str]]:
    for digest, statement in targets:
        if digest is not None:
            yield role, _hex(digest)
        if statement is not None:
            yield role, statement.sha256


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
