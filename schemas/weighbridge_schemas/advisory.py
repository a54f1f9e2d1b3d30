# SPDX-License-Identifier: Apache-2.0
"""advisory/v1: something is wrong with a model, and what to do about it.

Anyone may warn: an advisory is its signer's word, listed beside what the publisher says and never as
the publisher's. It is known by signer and `id`; a later one with the same id replaces it.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .base import (
    Digest,
    Document,
    HttpsUrl,
    Line,
    Name,
    Origins,
    Paragraph,
    Reference,
    Timestamp,
    Version,
    Withdrawal,
    form,
    predicate_type,
)
from .lineage import Relation

__all__ = ["KIND", "PREDICATE_TYPE", "Advisory", "AdvisoryId", "Affected", "Fix", "Severity"]

KIND: Final = "advisory"
PREDICATE_TYPE: Final = predicate_type(KIND)

Severity = Literal["none", "low", "medium", "high", "critical"]
"""How bad it is, as CVSS names it; `none` for what only informs."""

AdvisoryId = Annotated[
    str,
    form(
        r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$",
        "is not 1 to 128 letters, digits and . _ : - that begin with a letter or digit",
    ),
]

CvssVector = Annotated[
    str,
    StringConstraints(max_length=256),
    form(r"^CVSS:[34]\.[01]/[A-Za-z:/]{3,240}$", "is not a CVSS 3 or 4 vector"),
]


class Affected(Document):
    """Something else that is affected, beside the subject."""

    digest: Digest | None = None
    """Model, weights, root or file digest."""
    statement: Reference | None = None
    """A release or data set statement."""
    name: Name | None = None
    """Name as people know it (`NS/NAME`, `org/name`): a claim."""
    versions: Annotated[tuple[Version, ...], Field(max_length=256)] = ()
    """Versions of that name."""
    note: Line | None = None
    """How it is affected."""

    @model_validator(mode="after")
    def _target(self) -> Self:
        if self.digest is None and self.statement is None and self.name is None:
            raise ValueError("needs a digest, statement or name")
        if self.versions and self.name is None:
            raise ValueError("versions are of a name")
        if self.statement is not None and self.statement.kind not in ("release", "dataset"):
            raise ValueError("statement must refer to a release or a dataset")
        return self


class Fix(Document):
    """Something that is not affected and can be used instead."""

    digest: Digest | None = None
    """Model digest."""
    statement: Reference | None = None
    """A release statement."""
    name: Name | None = None
    """Name and version as people know it."""

    @model_validator(mode="after")
    def _target(self) -> Self:
        if self.digest is None and self.statement is None and self.name is None:
            raise ValueError("needs a digest, statement or name")
        if self.statement is not None and self.statement.kind != "release":
            raise ValueError("statement must refer to a release")
        return self


class Advisory(Document):
    """Predicate of advisory/v1. Subject: what is affected, a model or other digest, or a statement."""

    id: AdvisoryId
    """Its name, chosen by the signer; of two signers, the same id means two advisories."""
    aliases: Annotated[tuple[AdvisoryId, ...], Field(max_length=32)] = ()
    """Names of the same thing elsewhere, such as CVE numbers."""
    subject_kind: Literal["digest", "release", "dataset"]
    """What the subject is: a model, weights, root or file digest, or a statement of that kind."""
    severity: Severity
    """How bad it is."""
    cvss: CvssVector | None = None
    """CVSS vector behind the severity."""
    summary: Line
    """What is wrong, in one line."""
    details: Paragraph | None = None
    """What is wrong, who is in danger and how it shows."""
    workaround: Paragraph | None = None
    """What to do until it is fixed."""
    affects: Annotated[tuple[Affected, ...], Field(max_length=256)] = ()
    """What else is affected."""
    propagates: Annotated[tuple[Relation, ...], Field(max_length=8)] = ()
    """Relations along which models made from an affected one are affected, too; empty: it stays."""
    fixed_by: Annotated[tuple[Fix, ...], Field(max_length=64)] = ()
    """What can be used instead."""
    references: Annotated[tuple[HttpsUrl, ...], Field(max_length=64)] = ()
    """Where more is written."""
    discovered_at: Timestamp | None = None
    """When it was found, as the signer says; not after the entry was taken."""
    withdrawn: Withdrawal | None = None
    """Set when the advisory no longer stands."""
    logs: Origins
    """Origins of the logs that the signer means it for."""
    previous: Reference | None
    """The advisory/v1 statement that it replaces: of the same signer, id and subject."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if "from_scratch" in self.propagates:
            raise ValueError("nothing propagates along from_scratch, which names no parent")
        for listed in (self.propagates, self.aliases, self.affects):
            if len(set(listed)) != len(listed):
                raise ValueError("propagates, aliases and affects hold each item once")
        if self.previous is not None and self.previous.kind != KIND:
            raise ValueError("previous must refer to an advisory statement")
        return self
