# SPDX-License-Identifier: Apache-2.0
"""Advisories in the shape of the Open Source Vulnerability format (OSV 1.7), for tools that read it.

A view of what was signed, in other words: the signed statement is named in each record, and decides.
"""

from __future__ import annotations

from typing import Literal

from weighbridge_schemas.base import Count, Digest, Document, HttpsUrl, Line, Paragraph, Timestamp

from .parts import Address

__all__ = [
    "OsvAffected",
    "OsvList",
    "OsvPackage",
    "OsvReference",
    "OsvSeverity",
    "OsvSource",
    "OsvTarget",
    "OsvVuln",
]


class OsvPackage(Document):
    """A model by its name."""

    ecosystem: Literal["weighbridge"]
    """Names are those of this registry."""
    name: Line
    """`namespace/name` of a release here, or the name that the advisory gives."""


class OsvTarget(Document):
    """What exactly is affected."""

    digest: Digest | None = None
    """Digest that the advisory names."""
    impact: Address | None = None
    """Where the models that stand on it are listed."""


class OsvAffected(Document):
    """One thing that is affected."""

    package: OsvPackage
    """Its name."""
    versions: tuple[Line, ...] = ()
    """Versions that are affected."""
    database_specific: OsvTarget
    """Digests, which identify it; a name does not."""


class OsvSeverity(Document):
    """A CVSS vector."""

    type: Literal["CVSS_V3", "CVSS_V4"]
    """Version of CVSS."""
    score: Line
    """The vector."""


class OsvReference(Document):
    """Where more is written."""

    type: Literal["ADVISORY", "WEB"]
    """ADVISORY is the page here."""
    url: HttpsUrl | Address
    """The address."""


class OsvSource(Document):
    """Where a record comes from, and what OSV has no member for."""

    origin: Line
    """Origin of the log."""
    index: Count
    """Entry of the newest statement."""
    statement: Digest
    """Its digest."""
    signer: Line
    """Who says so: anyone may warn."""
    severity: Line
    """How bad it is, as the signer says."""
    propagates: tuple[Line, ...] = ()
    """Relations along which models made from an affected one are affected, too."""
    fixed_by: tuple[Line, ...] = ()
    """What can be used instead: digests and names."""


class OsvVuln(Document):
    """One advisory as it now stands."""

    schema_version: Literal["1.7.0"]
    """Version of the format."""
    id: Line
    """`WEIGHBRIDGE-<first 16 hex digits of the signer's id>-<the advisory's own id>`."""
    modified: Timestamp
    """When its newest statement was taken."""
    published: Timestamp
    """When its first statement was taken, as far as it is served."""
    withdrawn: Timestamp | None = None
    """When the signer took it back."""
    aliases: tuple[Line, ...] = ()
    """Names of the same thing elsewhere."""
    summary: Line
    """What is wrong, in one line."""
    details: Paragraph | None = None
    """What is wrong, and what to do until it is fixed."""
    severity: tuple[OsvSeverity, ...] = ()
    """CVSS vector, if there is one."""
    affected: tuple[OsvAffected, ...]
    """What is affected."""
    references: tuple[OsvReference, ...]
    """Where more is written; first the page here."""
    database_specific: OsvSource
    """Who says so, and where it is recorded."""


class OsvList(Document):
    """`GET /api/v1/advisories.osv[?about=]`: advisories newest first, members that are null left out."""

    vulns: tuple[OsvVuln, ...]
    """This page of the list."""
    next_page_token: str | None = None
    """`cursor` of the next page; absent at the end."""
