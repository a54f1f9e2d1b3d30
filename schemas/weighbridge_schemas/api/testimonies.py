# SPDX-License-Identifier: Apache-2.0
"""What anyone says of digests, data sets and models: always with who says it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from weighbridge_schemas.advisory import Advisory, AdvisoryId, Severity
from weighbridge_schemas.base import Count, Digest, Document, Flag, Kind, Line, NamespaceName
from weighbridge_schemas.dataset import Dataset

from .parts import Address, AsOf, EntryRef, SignerSummary

__all__ = [
    "AboutRole",
    "AdvisoryDocument",
    "AdvisoryList",
    "AdvisorySummary",
    "DatasetDescription",
    "DatasetDocument",
    "StatementAbout",
]

AboutRole = Literal[
    "subject", "superseded_by", "affects", "fixed_by", "parent", "croissant", "derived_from", "model"
]
"""As what a statement names a digest."""


class StatementAbout(Document):
    """One statement that speaks of a digest."""

    index: Count
    """Its entry."""
    kind: Kind
    """Its kind."""
    statement: Digest
    """Statement digest."""
    role: AboutRole
    """As what it names the digest."""
    namespace: NamespaceName | None = None
    """Folded name of the namespace that it speaks for; null: the signer speaks for themselves."""
    signer: SignerSummary
    """Who says so."""
    received: Count
    """When it was taken, Unix seconds."""
    replaced: Flag = False
    """True if a later statement of the same party stands in its place."""
    summary: Line
    """One sentence in plain words."""
    url: Address
    """Page of the statement."""


class DatasetDescription(Document):
    """What one party says of a data set, as it now stands."""

    index: Count
    """Entry of the statement."""
    statement: Digest
    """Statement digest."""
    signer: SignerSummary
    """Who says so."""
    received: Count
    """When it was taken, Unix seconds."""
    dataset: Dataset
    """The statement's predicate; without its files if there are more than 1,000."""
    files_total: Count
    """Number of files that it lists."""
    url: Address
    """Page of the entry."""


class DatasetDocument(Document):
    """`GET /api/v1/datasets/<sha256>`: what is said of a data set; the oldest description first."""

    digest: Digest
    """The digest asked for: root of files, or digest of the Croissant description."""
    descriptions: tuple[DatasetDescription, ...]
    """One for each namespace or signer that describes it; at most 20."""
    descriptions_total: Count
    """Number of descriptions, also those not listed."""
    withdrawn: Count
    """How many of all descriptions withdraw it."""
    statements: tuple[StatementAbout, ...] = ()
    """What else is said about it, newest first; at most 100."""
    url: Address
    """Its page."""
    as_of: AsOf
    """State of the log."""


class AdvisorySummary(Document):
    """One advisory in a list, as it now stands."""

    index: Count
    """Entry of its newest statement."""
    statement: Digest
    """Digest of that statement."""
    id: AdvisoryId
    """Its name, chosen by the signer."""
    severity: Severity
    """How bad it is, as the signer says."""
    summary: Line
    """What is wrong, in one line."""
    subject: Digest
    """What it is about."""
    subject_name: Annotated[str, Field(max_length=1024)]
    """Informational name of the subject, chosen by the signer."""
    withdrawn: Flag
    """True if the signer took it back."""
    signer: SignerSummary
    """Who says so."""
    received: Count
    """When the newest statement was taken, Unix seconds."""
    url: Address
    """Its page."""


class AdvisoryList(Document):
    """`GET /api/v1/advisories`: advisories, newest first."""

    about: Digest | None
    """The digest that they are about, if one was asked for."""
    advisories: tuple[AdvisorySummary, ...]
    """This page of the list."""
    next: str | None
    """Cursor of the next page; null at the end."""
    as_of: AsOf
    """State of the log."""


class AdvisoryDocument(Document):
    """`GET /api/v1/advisories/<statement>`: one statement of an advisory."""

    index: Count
    """Its entry."""
    statement: Digest
    """Statement digest."""
    subject: Digest
    """What it is about."""
    subject_name: Annotated[str, Field(max_length=1024)]
    """Informational name of the subject, chosen by the signer."""
    subject_url: Address
    """Page of the subject."""
    signer: SignerSummary
    """Who says so."""
    received: Count
    """When it was taken, Unix seconds."""
    advisory: Advisory
    """The statement's predicate."""
    replaced_by: Digest | None
    """Newest statement of the same advisory, if it is not this one; null, too, if that one is withheld."""
    history: tuple[EntryRef, ...]
    """Statements of the same advisory, newest first."""
    url: Address
    """Its page."""
    as_of: AsOf
    """State of the log."""
