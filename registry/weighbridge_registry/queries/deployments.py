# SPDX-License-Identifier: Apache-2.0
"""Where releases are served, as signers say: the owners' word first, and a bounded number of others'."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, select

from weighbridge_registry.store import descent, served, tables
from weighbridge_registry.store.rows import plain
from weighbridge_registry.store.served import Served
from weighbridge_registry.store.summaries import release_path
from weighbridge_schemas.api import DeploymentNote, ServedRelease

from .reader import Reader
from .standings import is_listed

__all__ = ["closed_deployments", "deployments", "served_releases"]

_OF_ONE: Final = 20
"""Deployments of one release that are shown."""
_OF_EACH: Final = 5
_OF_ALL: Final = 100
"""Deployments of each of many releases, and of all of them together."""
_RELEASES: Final = 200
"""Releases of which deployments are looked for, nearest first."""

_ENTRY: Final = plain(tables.Entry)


def deployments(
    reader: Reader, row: Row[Any], digests: Sequence[str], templates: Sequence[str]
) -> tuple[tuple[DeploymentNote, ...], int]:
    """List where a release is served, and count the statements that say so.

    `digests` are those by which it can be named, `templates` those of its chat templates, bare hex.
    """
    total = served.count(reader.connection, digests)
    if not total:
        return (), 0
    found = served.served(reader.connection, {row.number: row}, {row.number: digests}, _OF_ONE)
    told = _entries(reader, found.get(row.number, ()))
    return tuple(
        DeploymentNote(**_members(reader, one, told[one.number], templates))
        for one in found.get(row.number, ())
    ), total


def served_releases(reader: Reader, rows: Mapping[int, Row[Any]]) -> tuple[tuple[ServedRelease, ...], bool]:
    """List where some releases are served, in their order; and tell whether there is more than is listed."""
    numbers = [number for number, row in rows.items() if is_listed(reader, row)][:_RELEASES]
    own = descent.own_digests(reader.connection, numbers)
    chosen = {number: rows[number] for number in numbers}
    found = served.served(reader.connection, chosen, own, _OF_EACH + 1)
    listed = [(number, one) for number in numbers for one in found.get(number, ())[:_OF_EACH]]
    told = _entries(reader, [one for _, one in listed[:_OF_ALL]])
    more = (
        len(listed) > _OF_ALL
        or len(numbers) < len(rows)
        or any(len(ones) > _OF_EACH for ones in found.values())
    )
    return tuple(
        ServedRelease(
            **_members(reader, one, told[one.number], None),
            release=f"sha256:{rows[number].statement}",
            release_namespace=rows[number].namespace,
            model=rows[number].name,
            version=rows[number].version,
            release_url=reader.url(
                release_path(rows[number].namespace, rows[number].name, rows[number].version)
            ),
        )
        for number, one in listed[:_OF_ALL]
    ), more


def closed_deployments(reader: Reader, statements: Sequence[str]) -> tuple[tuple[DeploymentNote, ...], int]:
    """List services that name some disclosures (statement digests, bare hex), whoever says so."""
    total = served.count(reader.connection, statements)
    if not total:
        return (), 0
    found = served.naming(reader.connection, statements, _OF_ONE)
    told = _entries(reader, found)
    return tuple(DeploymentNote(**_members(reader, one, told[one.number], None)) for one in found), total


def _entries(reader: Reader, found: Sequence[Served]) -> dict[int, Row[Any]]:
    """Return the entries that are meant."""
    numbers = sorted({one.number for one in found})
    rows = reader.connection.execute(select(_ENTRY).where(_ENTRY.c.number.in_(numbers))).all()
    return {row.number: row for row in rows}


def _members(reader: Reader, one: Served, row: Row[Any], templates: Sequence[str] | None) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(one.said)
    template = said.get("chat_template_sha256")
    return {
        **said,
        "stated": f"sha256:{one.digest}",
        "own_chat_template": template in templates if template and templates is not None else None,
        "by_owner": one.by_owner,
        "namespace": row.namespace,
        "signer": reader.signer(row.signer),
        "statement": f"sha256:{row.statement}",
        "index": row.number,
        "received": row.received,
        "url": reader.entry_url(row.number),
    }
