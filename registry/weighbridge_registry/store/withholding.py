# SPDX-License-Identifier: Apache-2.0
"""Views of withheld entries: what is still said of them, and nothing of what they held.

A row keeps only what the facts of the entry give again, so that a registry that has lost the
bytes, and anybody who never had them, come to the same rows as the one that withheld them. Words
and names of files go; digests, places and names in the facts stay.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update
from sqlmodel import col

from weighbridge import canonical
from weighbridge.errors import LogError
from weighbridge_registry.state import Fact, WithheldEntry
from weighbridge_schemas.base import fold_name

from . import tables, testimonies
from .rows import plain

__all__ = ["SUMMARY", "forget_edges", "hide", "insert_withheld"]

SUMMARY: Final = "Withheld by the operator"


def hide(connection: Connection, number: int) -> None:
    """Take what an entry held out of the views: it was just withheld."""
    entry = connection.execute(select(plain(tables.Entry)).where(col(tables.Entry.number) == number)).one()
    _set_entry(connection, number)
    connection.execute(
        delete(plain(tables.Digest)).where(
            col(tables.Digest.number) == number, col(tables.Digest.role) != "model"
        )
    )
    testimonies.forget(connection, number)
    if entry.kind == "signer":
        _unlabel(connection, number)
    if entry.release is None:
        return
    release = connection.execute(
        select(plain(tables.Release)).where(col(tables.Release.number) == entry.release)
    ).one()
    if entry.kind == "release":
        _blank(connection, number)
        _forget_texts(connection, number)
    if number == (release.card if release.card is not None else release.number):
        _forget_card(connection, release)
    if number == (release.lineage if release.lineage is not None else release.number):
        forget_edges(connection, release.number)


def forget_edges(connection: Connection, number: int | None) -> None:
    """Take the parents and data sets of a release, given by its entry, out of the views."""
    for table in (tables.Edge, tables.DataUse):
        connection.execute(delete(plain(table)).where(plain(table).c.number == number))


def insert_withheld(connection: Connection, entry: WithheldEntry) -> None:
    """Write the rows of an entry that nobody can read any more, from its facts alone."""
    row = {
        "number": entry.index,
        "kind": entry.kind,
        "statement": entry.statement,
        "bundle": entry.leaf.bundle_sha256,
        "signer": entry.signer,
        "subject": "",
        "subject_name": "",
        "received": entry.leaf.received,
        "namespace": entry.namespace,
        "release": entry.release,
        "release_page": None,
        "summary": SUMMARY,
    }
    connection.execute(insert(plain(tables.Entry)), [row])
    signer = entry.facts.get(f"signer/{entry.signer}")
    if signer is not None:
        identity = canonical.encode(signer["identity"]).decode()
        connection.execute(
            insert(plain(tables.Signer)), [{"id": entry.signer, "identity": identity, "first": entry.index}]
        )
    match entry.kind:
        case "signer":
            connection.execute(
                update(plain(tables.Signer))
                .where(col(tables.Signer.id) == entry.signer)
                .values(introduction=entry.index, label=None)
            )
        case "release":
            _insert_release(connection, entry)
        case "card":
            _revise(connection, entry, card=entry.index, headline="{}")
        case "lineage":
            _revise(connection, entry, lineage=entry.index)
            forget_edges(connection, entry.release)
        case _:
            testimonies.insert_withheld(connection, entry)


def _set_entry(connection: Connection, number: int) -> None:
    connection.execute(
        update(plain(tables.Entry))
        .where(col(tables.Entry.number) == number)
        .values(subject="", subject_name="", release_page=None, summary=SUMMARY)
    )


def _unlabel(connection: Connection, number: int) -> None:
    connection.execute(
        update(plain(tables.Signer)).where(col(tables.Signer.introduction) == number).values(label=None)
    )


def _blank(connection: Connection, number: int) -> None:
    connection.execute(
        update(plain(tables.Release))
        .where(col(tables.Release.number) == number)
        .values(released_at="", weights_digest=None)
    )


def _forget_texts(connection: Connection, number: int) -> None:
    """Take the digests of licence texts away: they are of files that only the release named."""
    revisions = select(col(tables.Entry.number)).where(
        col(tables.Entry.release) == number, col(tables.Entry.kind) == "card"
    )
    connection.execute(
        update(plain(tables.License)).where(col(tables.License.number).in_(revisions)).values(sha256=None)
    )


def _forget_card(connection: Connection, release: Any) -> None:
    """Take the words of a card out of lists and search; the model is found by its address alone."""
    connection.execute(
        update(plain(tables.Release))
        .where(col(tables.Release.number) == release.number)
        .values(headline="{}")
    )
    latest = connection.execute(
        select(col(tables.Model.latest)).where(col(tables.Model.key) == release.model)
    ).scalar_one()
    if latest == release.number:
        connection.execute(delete(plain(tables.Term)).where(col(tables.Term.model) == release.model))


def _insert_release(connection: Connection, entry: WithheldEntry) -> None:
    facts = _fact(entry, f"release/{entry.statement}")
    key = f"{fold_name(facts['namespace'])}/{fold_name(facts['name'])}"
    model_digest = str(facts["model_digest"]).removeprefix("sha256:")
    row = {
        "number": entry.index,
        "model": key,
        "namespace": facts["namespace"],
        "name": facts["name"],
        "version": facts["version"],
        "statement": entry.statement,
        "bundle": entry.leaf.bundle_sha256,
        "signer": entry.signer,
        "received": entry.leaf.received,
        "released_at": "",
        "model_digest": model_digest,
        "weights_digest": None,
        "headline": "{}",
    }
    connection.execute(insert(plain(tables.Release)), [row])
    changed = connection.execute(
        update(plain(tables.Model))
        .where(col(tables.Model.key) == key)
        .values(latest=entry.index, releases=col(tables.Model.releases) + 1)
    )
    if changed.rowcount == 0:
        model = {"key": key, "namespace": fold_name(facts["namespace"]), "latest": entry.index, "releases": 1}
        connection.execute(insert(plain(tables.Model)), [model])
    digest = {"sha256": model_digest, "number": entry.index, "role": "model", "position": 0, "name": None}
    connection.execute(insert(plain(tables.Digest)), [digest])
    connection.execute(delete(plain(tables.Term)).where(col(tables.Term.model) == key))


def _revise(connection: Connection, entry: WithheldEntry, **values: Any) -> None:
    release = connection.execute(
        select(plain(tables.Release)).where(col(tables.Release.number) == entry.release)
    ).one()
    connection.execute(
        update(plain(tables.Release)).where(col(tables.Release.number) == release.number).values(**values)
    )
    if "card" in values:
        _forget_card(connection, release)


def _fact(entry: WithheldEntry, key: str) -> Fact:
    value = entry.facts.get(key)
    if value is None:
        raise LogError(f"the operator's account of the withheld entry {entry.index} lacks {key}")
    return value
