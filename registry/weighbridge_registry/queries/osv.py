# SPDX-License-Identifier: Apache-2.0
"""Advisories as OSV records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from weighbridge.errors import WithheldError
from weighbridge_registry.store import descent
from weighbridge_schemas.advisory import Affected, Fix
from weighbridge_schemas.api import (
    AdvisoryDocument,
    OsvAffected,
    OsvList,
    OsvPackage,
    OsvReference,
    OsvSeverity,
    OsvSource,
    OsvTarget,
    OsvVuln,
)

from . import testimonies
from .reader import Reader

__all__ = ["vulns"]

_RELEASES: Final = 16
"""Releases that are named for one digest."""
_LONGEST: Final = 60_000


def vulns(reader: Reader, about: str | None, cursor: int | None, limit: int) -> OsvList:
    """List advisories as OSV records; those whose statement is withheld are left out."""
    listed = testimonies.advisories(reader, about, cursor, limit)
    found = []
    for one in listed.advisories:
        try:
            document = testimonies.advisory(reader, one.statement.removeprefix("sha256:"))
        except WithheldError:
            continue
        if document is not None:
            found.append(_vuln(reader, document))
    return OsvList(vulns=tuple(found), next_page_token=listed.next)


def _vuln(reader: Reader, document: AdvisoryDocument) -> OsvVuln:
    advisory = document.advisory
    details = [advisory.details, advisory.workaround and f"Workaround: {advisory.workaround}"]
    received = [entry.received for entry in document.history] or [document.received]
    withdrawn = document.received if advisory.withdrawn is not None else None
    return OsvVuln(
        schema_version="1.7.0",
        id=f"WEIGHBRIDGE-{document.signer.id[:16]}-{advisory.id}",
        modified=_time(document.received),
        published=_time(min(received)),
        withdrawn=_time(withdrawn) if withdrawn is not None else None,
        aliases=advisory.aliases,
        summary=advisory.summary,
        details="\n\n".join(filter(None, details))[:_LONGEST] or None,
        severity=_severity(advisory.cvss),
        affected=tuple(_affected(reader, document)),
        references=(
            OsvReference(type="ADVISORY", url=document.url),
            *(OsvReference(type="WEB", url=url) for url in advisory.references),
        ),
        database_specific=OsvSource(
            origin=document.as_of.origin,
            index=document.index,
            statement=document.statement,
            signer=document.signer.label,
            severity=advisory.severity,
            propagates=advisory.propagates,
            fixed_by=tuple(_fixes(advisory.fixed_by)),
        ),
    )


def _severity(cvss: str | None) -> tuple[OsvSeverity, ...]:
    if cvss is None:
        return ()
    return (OsvSeverity(type="CVSS_V4" if cvss.startswith("CVSS:4") else "CVSS_V3", score=cvss),)


def _affected(reader: Reader, document: AdvisoryDocument) -> Iterator[OsvAffected]:
    yield from _targets(reader, document.subject, document.subject_name)
    for one in document.advisory.affects:
        if (digest := _digest_of(one)) is not None:
            yield from _targets(reader, digest, one.name or "")
        elif one.name is not None:
            package = OsvPackage(ecosystem="weighbridge", name=one.name)
            yield OsvAffected(package=package, versions=one.versions, database_specific=OsvTarget())


def _targets(reader: Reader, digest: str, name: str) -> Iterator[OsvAffected]:
    """Yield the releases here that have a digest; without any, the name that was given for it."""
    bare = digest.removeprefix("sha256:")
    target = OsvTarget(digest=digest, impact=reader.url(f"/api/v1/impact/{bare}"))
    versions: dict[str, list[str]] = {}
    having = descent.having(reader.connection, bare, _RELEASES)
    for row in descent.releases(reader.connection, having).values():
        versions.setdefault(f"{row.namespace}/{row.name}", []).append(row.version)
    for model, released in (versions or {name or bare: []}).items():
        package = OsvPackage(ecosystem="weighbridge", name=model)
        yield OsvAffected(package=package, versions=tuple(released), database_specific=target)


def _digest_of(one: Affected | Fix) -> str | None:
    return one.digest or (f"sha256:{one.statement.sha256}" if one.statement is not None else None)


def _fixes(fixes: tuple[Fix, ...]) -> Iterator[str]:
    for fix in fixes:
        yield from (one for one in (_digest_of(fix), fix.name) if one is not None)


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
