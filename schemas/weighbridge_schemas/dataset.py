# SPDX-License-Identifier: Apache-2.0
"""dataset/v1: what a data set is, where it comes from, under which terms it may be used.

Anyone may describe a data set: a description is its signer's word, and shown as such. With `namespace`
it is that of the namespace, whose owners may revise it; without, only the same signer may. A later
description with `withdrawn` withdraws the data set as far as that signer's or namespace's word goes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from .base import (
    Count,
    Digest,
    Document,
    FilePath,
    Hex256,
    HttpsUrl,
    Line,
    Location,
    Name,
    NamespaceName,
    Origins,
    Paragraph,
    Reference,
    Revision,
    Withdrawal,
    predicate_type,
)
from .card import License
from .card_data import EuCategory, LanguageTag, Period

__all__ = [
    "KIND",
    "PREDICATE_TYPE",
    "Consent",
    "Croissant",
    "Dataset",
    "DatasetFile",
    "DatasetParent",
    "DatasetSource",
    "PersonalData",
]

KIND: Final = "dataset"
PREDICATE_TYPE: Final = predicate_type(KIND)

MAX_DATASET_FILES: Final = 10_000
"""Most files that a description may list; larger ones describe theirs in Croissant."""


class Croissant(Document):
    """A Croissant description (MLCommons) of the data set, by its bytes."""

    sha256: Hex256
    """SHA-256 of the description's bytes."""
    size: Count | None = None
    """Its bytes."""
    version: Line | None = None
    """What it conforms to, such as `http://mlcommons.org/croissant/1.1`."""
    location: Location | None = None
    """Where it can be had."""


class DatasetFile(Document):
    """One file of the data set."""

    path: FilePath
    """Path inside the data set."""
    size: Count
    """Bytes."""
    sha256: Hex256
    """SHA-256 of its bytes."""


class DatasetSource(Document):
    """Where the data was taken from."""

    name: Line
    """What it is."""
    location: Location | None = None
    """Where it is."""
    note: Line | None = None
    """What part of it was taken, or how."""


class Consent(Document):
    """On what ground the data is used."""

    basis: Literal[
        "consent",
        "opt_out",
        "contract",
        "license",
        "public_domain",
        "legal_exception",
        "not_needed",
        "unknown",
    ]
    """The ground."""
    note: Paragraph | None = None
    """How it was obtained, and how to object."""
    url: HttpsUrl | None = None
    """Where people can object or read more."""


class PersonalData(Document):
    """What is said of personal data in it."""

    state: Literal["none_known", "present", "removed", "pseudonymised", "unknown"]
    """Whether there is any."""
    note: Paragraph | None = None
    """Which, and what was done about it."""


class DatasetParent(Document):
    """A data set that this one was made from."""

    name: Name
    """Name as people know it."""
    digest: Digest | None = None
    """Root of its files, or the digest of its Croissant description."""
    statement: Reference | None = None
    """A dataset/v1 statement about it."""
    location: Location | None = None
    """Where it can be had."""
    revision: Revision | None = None
    """Commit, tag or date of the state that was used."""
    note: Line | None = None
    """What was done with it."""

    @model_validator(mode="after")
    def _statement_kind(self) -> Self:
        if self.statement is not None and self.statement.kind != KIND:
            raise ValueError("statement must refer to a dataset")
        return self


class Dataset(Document):
    """Predicate of dataset/v1. Subject: the data set's digest, as `identity` says."""

    name: Name
    """Name of the data set as people know it."""
    version: Revision | None = None
    """Version, commit, tag or date of this state of it."""
    identity: Literal["files", "root", "croissant"]
    """What the subject is: `files`, the tree hash over all files, made as a model digest; `root`, an OMS root
    digest; `croissant`, the SHA-256 of its Croissant description."""
    namespace: NamespaceName | None = None
    """Namespace for which this is said; its signer owns it. Null: the signer speaks for themselves."""
    summary: Paragraph | None = None
    """What is in it."""
    files: Annotated[tuple[DatasetFile, ...], Field(max_length=MAX_DATASET_FILES)] = ()
    """All files, sorted by the bytes of their path; with `files` as identity they hash to the subject."""
    bytes: Count | None = None
    """Bytes of all files."""
    records: Count | None = None
    """Number of examples, documents, images or rows."""
    croissant: Croissant | None = None
    """Its Croissant description."""
    license: License | None = None
    """Under which terms it may be used."""
    languages: Annotated[tuple[LanguageTag, ...], Field(max_length=1024)] = ()
    """Natural languages, BCP 47."""
    sources: Annotated[tuple[DatasetSource, ...], Field(max_length=1024)] = ()
    """Where the data was taken from."""
    period: Period | None = None
    """The time that the data is from."""
    method: Paragraph | None = None
    """How it was collected, selected and prepared."""
    consent: Consent | None = None
    """On what ground it is used."""
    personal_data: PersonalData | None = None
    """Whether there is personal data in it."""
    availability: Literal["public", "on_request", "licensed", "private"] | None = None
    """Who can have it."""
    eu_categories: Annotated[tuple[EuCategory, ...], Field(max_length=7)] = ()
    """Categories of the EU public summary of training content that apply."""
    derived_from: Annotated[tuple[DatasetParent, ...], Field(max_length=256)] = ()
    """Data sets that it was made from."""
    mirrors: Annotated[tuple[Location, ...], Field(max_length=64)] = ()
    """Where it can be had."""
    withdrawn: Withdrawal | None = None
    """Set when it must not be used any more."""
    logs: Origins
    """Origins of the logs that the signer means it for."""
    previous: Reference | None
    """The dataset/v1 statement that it replaces: of the same subject, by the same namespace or signer."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        paths = [file.path.encode() for file in self.files]
        if any(a >= b for a, b in pairwise(paths)):
            raise ValueError("files must be sorted by the bytes of their path, each once")
        if "README.md" in {file.path for file in self.files}:
            raise ValueError("files must not list the top-level README.md, which the digest does not cover")
        if self.identity == "croissant" and self.croissant is None:
            raise ValueError("a data set known by its Croissant description needs croissant")
        if self.files and self.bytes is not None and self.bytes != sum(file.size for file in self.files):
            raise ValueError("bytes is not the sum of the files")
        if self.previous is not None and self.previous.kind != KIND:
            raise ValueError("previous must refer to a dataset statement")
        return self
