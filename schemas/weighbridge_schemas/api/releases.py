# SPDX-License-Identifier: Apache-2.0
"""Models, releases, lineage and provenance."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from weighbridge_schemas.base import (
    Count,
    Digest,
    Document,
    Flag,
    Line,
    Location,
    ModelName,
    NamespaceName,
    Reference,
    Timestamp,
    Version,
)
from weighbridge_schemas.card import Card, ComponentName
from weighbridge_schemas.release import ChatTemplate, ReleaseFile, RootDigest, TensorSummary

from .deployments import DeploymentNote
from .disclosures import DisclosureScore
from .lineages import LineageDocument, UpstreamNote
from .parts import Address, AsOf, Base64, EntryRef, SignerSummary
from .testimonies import StatementAbout

__all__ = [
    "AnsweredWarnings",
    "ModelDocument",
    "ModelList",
    "ModelSummary",
    "Openness",
    "OpennessAnswer",
    "OpennessComponent",
    "ProvenanceDocument",
    "RecordLineDocument",
    "ReleaseDocument",
    "ReleaseStatus",
    "Successor",
    "VersionSummary",
]


class Successor(Document):
    """The release that takes the place of a superseded one."""

    namespace: NamespaceName
    """Its namespace, which may be another one."""
    name: ModelName
    """Its name."""
    version: Version
    """Its version."""
    url: Address
    """Its page."""


class ReleaseStatus(Document):
    """What the owners last said of a release; `released` if nothing."""

    state: Literal["released", "yanked", "deprecated", "superseded", "withheld"]
    """Latest state; `released`, too, after a restoration. `withheld` is the operator's doing: the release's
    own address then answers 451."""
    reason: Line | None = None
    """Reason that was given."""
    statement: Reference | None = None
    """Statement that says so."""
    index: Count | None = None
    """Its entry."""
    superseded_by: Successor | None = None
    """The release that takes its place, as its owners say."""


class OpennessComponent(Document):
    """One component of the Model Openness Framework, as the card has it."""

    name: ComponentName
    """Which component."""
    needed_by: Literal[1, 2, 3]
    """Class that first needs it; 3 is the first class."""
    required: Flag
    """False if no class asks for it."""
    content: Literal["code", "data", "document"]
    """What it is made of, which decides whose licence it falls back to."""
    present: Flag | None
    """Whether the card says that it is released; null if the card does not mention it."""
    license: Line | None
    """Licence that was used: an SPDX expression, or the text that was given."""
    license_from: Literal["own", "content type", "distribution"] | None
    """Where in the card that licence was found."""
    open: Flag
    """It is released under an open licence."""
    appropriate: Flag
    """That licence is made for this sort of content."""
    counts: Flag
    """It counts for the class."""
    basis: Literal["evidence seen", "declared", "not said"]
    """What its presence rests on: something in this very release, or the publisher's word."""
    evidence: Line | None = None
    """What was seen."""
    warnings: tuple[Line, ...] = ()
    """What is doubtful about it."""
    fix: Line | None = None
    """What to do so that it counts; null if it does."""


class OpennessAnswer(Document):
    """One row of the Open Source AI Definition's checklist."""

    name: Literal["data information", "code", "parameters"]
    """Which row."""
    asks: Line
    """What it asks for."""
    answer: Literal["yes", "no", "not said"]
    """What the card answers."""
    reasons: tuple[Line, ...]
    """Why."""


class Openness(Document):
    """Openness by named rules, computed from the signed card as it now stands."""

    class_: Annotated[Literal[1, 2, 3] | None, Field(alias="class")]
    """1, 2, 3, or null for unclassified."""
    ruleset: Line
    """Name and version of the ruleset, and of the licence list that it reads."""
    missing: tuple[Line, ...] = ()
    """Components that the next class needs, by name."""
    components: tuple[OpennessComponent, ...] = ()
    """All 17, class III first."""
    definition: Line | None = None
    """Definition that `osaid` answers."""
    osaid: tuple[OpennessAnswer, ...] = ()
    """Its three rows."""
    unknown_licenses: tuple[Line, ...] = ()
    """Licence identifiers of the card that SPDX does not know."""


class AnsweredWarnings(Document):
    """Standing advisories of others that name a release, and how many of them its owners answered."""

    total: Count
    """Advisories by signers who are no owners; the oldest 64 are looked at."""
    answered: Count
    """Those that an owner acknowledges or disputes in a position."""


class VersionSummary(Document):
    """One release in a list."""

    version: Version
    """Version."""
    model_digest: Digest
    """Model digest."""
    weights_digest: Digest | None
    """Weights digest."""
    released_at: Timestamp | None
    """When, as the publisher says; null if the release is withheld."""
    received: Count
    """When the operator took it, Unix seconds."""
    index: Count
    """Entry of the release."""
    status: ReleaseStatus
    """Status."""
    signer: SignerSummary
    """Who signed."""
    url: Address
    """Page of the release."""


class ModelSummary(Document):
    """One model in a list; facts are of its latest release."""

    namespace: NamespaceName
    """Namespace."""
    name: ModelName
    """Name."""
    version: Version
    """Latest version."""
    title: Line | None = None
    """Title from the card."""
    summary: str | None = None
    """First words of the card's description."""
    task: Line | None = None
    """Task from the card."""
    license: Line | None = None
    """Licence of the distribution, from the card."""
    model_digest: Digest
    """Model digest."""
    releases: Count
    """Number of releases."""
    status: ReleaseStatus
    """Status of the latest release."""
    signer: SignerSummary
    """Who signed the latest release."""
    received: Count
    """When the operator took it, Unix seconds."""
    index: Count
    """Entry of the latest release."""
    url: Address
    """Page of the model."""


class ModelList(Document):
    """`GET /api/v1/models[?q=]`."""

    query: str
    """What was searched for; empty lists all, newest first."""
    models: tuple[ModelSummary, ...]
    """This page of the list."""
    next: str | None
    """Cursor of the next page; null at the end."""
    total: Count | None = None
    """Number of models found, where it is cheap to say."""
    as_of: AsOf
    """State of the log."""


class ModelDocument(Document):
    """`GET /api/v1/models/<ns>/<name>`."""

    namespace: NamespaceName
    """Namespace."""
    name: ModelName
    """Name as its first release wrote it."""
    latest: Version
    """Version that was released last."""
    versions: tuple[VersionSummary, ...]
    """All releases, newest first."""
    url: Address
    """Page of the model."""
    as_of: AsOf
    """State of the log."""


class ReleaseDocument(Document):
    """`GET /api/v1/models/<ns>/<name>/<version>`: all that is known of one release."""

    namespace: NamespaceName
    """Namespace."""
    name: ModelName
    """Name."""
    version: Version
    """Version."""
    epoch: Count
    """Epoch of the namespace when it was released."""
    model_digest: Digest
    """Fingerprint of all files."""
    root_digests: tuple[RootDigest, ...]
    """OMS root digests."""
    weights_digest: Digest | None
    """Fingerprint of the weights; null without tensors."""
    files: tuple[ReleaseFile, ...]
    """All files that the model digest covers."""
    files_total: Count
    """Number of files."""
    bytes_total: Count
    """Sum of their sizes."""
    chat_templates: tuple[ChatTemplate, ...] = ()
    """Chat templates."""
    tensors: TensorSummary | None
    """The tensor table in three values."""
    tensor_table: Address | None = None
    """Where the attached table is served."""
    card: Card | None
    """The card as it now stands."""
    card_statement: Reference | None
    """Statement that the card comes from."""
    readme: Address | None = None
    """Where the attached README.md is served."""
    lineage: LineageDocument | None
    """The lineage as it now stands; null if none was stated."""
    upstream: tuple[UpstreamNote, ...] = ()
    """What is said of its ancestors and data sets that concerns it, nearest first; at most 50. Only edges
    that name a digest are followed."""
    status: ReleaseStatus
    """What the owners last said of it."""
    openness: Openness | None
    """Openness class; null if it was not computed."""
    disclosure: DisclosureScore | None = None
    """How much of what can be said of it was said; null if it was not computed."""
    warnings_of_others: AnsweredWarnings | None = None
    """What others warn of, and what of that was answered; null if it was not counted."""
    signer: SignerSummary
    """Who signed the release."""
    oms_signer: SignerSummary | None
    """Who signed the OMS statement of the same root digest; null if none is logged."""
    statement: Digest
    """Statement digest of the release."""
    oms_statement: Digest | None
    """Statement digest of the OMS statement."""
    entries: tuple[EntryRef, ...]
    """Every entry about this release, oldest first: OMS, release, revisions, status, namespace."""
    received: Count
    """When the operator took the release, Unix seconds."""
    released_at: Timestamp
    """When, as the publisher says."""
    locations: tuple[Location, ...] = ()
    """Where the model can be had, as the publisher says."""
    warnings: tuple[Line, ...] = ()
    """Plain warnings: files that can run code when loaded, and the like."""
    superseded_by: Version | None = None
    """Newest version of the same model, if it is not this one; it may be yanked, too."""
    statements: tuple[StatementAbout, ...] = ()
    """What has been said about this release, its files and its edges, newest first; at most 100."""
    statements_total: Count = 0
    """Number of such statements, also those not listed."""
    deployments: tuple[DeploymentNote, ...] = ()
    """Where it is served, as signers say: the owners' word first, then the newest; at most 20."""
    deployments_total: Count = 0
    """Number of statements that say so; counted up to 1,000."""
    url: Address
    """Page of the release."""
    provenance: Address
    """Record file: all bundles with their receipts."""
    as_of: AsOf
    """State of the log."""


class RecordLineDocument(Document):
    """One line of a record file (`provenance.jsonl`)."""

    v: Literal[1]
    """Format version."""
    bundle: Base64
    """The bundle's bytes."""
    leaf: Base64
    """The leaf's bytes."""
    receipt: str
    """Proof of recording, C2SP tlog-proof text."""


class ProvenanceDocument(Document):
    """`GET …/provenance`: the lines of a release's record file, namespace statements first.

    As `application/jsonl` it is the record file itself, one line each.
    """

    namespace: NamespaceName
    """Namespace."""
    name: ModelName
    """Name."""
    version: Version
    """Version."""
    lines: tuple[RecordLineDocument, ...]
    """Lines of the record file."""
    as_of: AsOf
    """State of the log."""
