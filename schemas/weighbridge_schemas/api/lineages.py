# SPDX-License-Identifier: Apache-2.0
"""Lineage with its evidence: the edges of one release, the graph around a digest, what stands on it."""

from __future__ import annotations

from typing import Literal

from weighbridge_schemas.base import (
    Count,
    Digest,
    Document,
    FilePath,
    Flag,
    Hex256,
    HttpsUrl,
    Line,
    Location,
    ModelName,
    NamespaceName,
    Reference,
    Version,
)
from weighbridge_schemas.lineage import Relation, Stage

from .parts import Address, AsOf, Edge, SignerSummary

__all__ = [
    "DatasetEdge",
    "EdgePosition",
    "GraphEdge",
    "ImpactDocument",
    "ImpactItem",
    "LicenseCheck",
    "LicenseFinding",
    "LineageDocument",
    "LineageGraph",
    "LineageNode",
    "ParentEdge",
    "StatedLicense",
    "TensorMatch",
    "UpstreamNote",
]


class TensorMatch(Document):
    """What two tensor tables have in common, as both publishers signed them. Never a proof of descent."""

    equal: Count
    """Tensors of the child whose very bytes are also in the parent."""
    count: Count
    """Tensors of the child."""
    equal_bytes: Count
    """Bytes of those that are equal."""
    bytes: Count
    """Bytes of all tensors of the child."""
    compared: Count
    """Other tensors that were compared by their sketches (docs/spec/resemblance.md)."""
    near: Count
    """Those of them that are nearer to one of the parent's than chance allows."""
    differing: Count | None
    """Median share of the bits in which they differ, in thousandths; 500 is what strangers have."""
    error: Count | None
    """Half the width of its error bar, in thousandths."""
    finding: Literal["equal", "shares", "resembles", "fits", "no sign"]
    """What it comes to, strongest first: all tensors equal, some that say something, alike in their sketches,
    an adapter that fits; or no sign, which means nothing by itself."""
    words: Line
    """The same in a sentence."""


class StatedLicense(Document):
    """A licence as somebody states it, with where its text is. Nobody checked that it applies."""

    spdx: Line | None = None
    """SPDX licence expression, as stated: it may be none."""
    text: Line | None = None
    """Name that was given in place of one."""
    url: HttpsUrl | None = None
    """Where its text is, as stated."""
    path: FilePath | None = None
    """File of the release that holds its text, as stated."""
    sha256: Hex256 | None = None
    """SHA-256 of that file, if the release has it."""
    of: Literal["weights", "data", "distribution", "data set"]
    """For what it is stated: the weights themselves, data with parameters, the whole, or a data set."""
    statement: Digest | None = None
    """Statement that says so."""


class LicenseFinding(Document):
    """One obligation of a parent's licence that its child drops, or may drop."""

    obligation: Literal[
        "non_commercial", "no_derivatives", "share_alike", "use_restrictions", "naming", "attribution"
    ]
    """Which."""
    words: Line
    """What the parent's licence asks for, and what the child does."""
    source: Line
    """Where the text of that licence is, by the table."""


class LicenseCheck(Document):
    """Two stated licences side by side, by a named ruleset (docs/spec/license-terms.md). No legal advice."""

    result: Literal["conflict", "unknown", "nothing found"]
    """`conflict`: the child's licence does not keep what the parent's asks for. `unknown`: the table cannot
    tell. `nothing found` is no permission: the table is small and reads no texts."""
    words: Line
    """The same in a sentence."""
    findings: tuple[LicenseFinding, ...] = ()
    """Each obligation that is dropped or may be; empty if there is none, or all is unknown."""
    child: StatedLicense | None = None
    """What the child's card states; null if nothing."""
    parent: StatedLicense | None = None
    """What the parent's card, or whoever describes the data set, states; null if nothing."""
    ruleset: Line
    """Name and version of the ruleset, and of the licence list that it reads."""


class EdgePosition(Document):
    """What somebody signed about an edge."""

    stance: Literal["acknowledges", "disputes", "rechecked"]
    """What they say of it."""
    signer: SignerSummary
    """Who."""
    party: Literal["parent", "child", "other"]
    """Whether the signer owns the parent's namespace now, the child's, or neither."""
    reason: Line | None = None
    """Why, in their words."""
    statement: Digest
    """Statement that says so."""
    index: Count
    """Its entry."""
    url: Address
    """Page of the entry."""


class ParentEdge(Document):
    """One edge child → parent, with the evidence for it."""

    child: Digest
    """Model digest of the child."""
    parent: Digest | None
    """Digest of the parent as stated; null at level 0."""
    relation: Relation | None
    """How the child was made from it; null if not said."""
    level: Edge
    """Evidence level."""
    declared: Flag
    """True if the publisher of the child stated it."""
    evidence: tuple[Line, ...]
    """Why the level is what it is, in plain words."""
    name: str | None = None
    """Name as stated."""
    location: Location | None = None
    """Location as stated."""
    namespace: NamespaceName | None = None
    """Namespace of the registered parent (or child, in a list of children)."""
    model: ModelName | None = None
    """Name of that model."""
    version: Version | None = None
    """Version of that release."""
    url: Address | None = None
    """Page of that release."""
    match: TensorMatch | None = None
    """What the tensor tables of the two releases have in common; null if not both are here."""
    contradicted: Flag = False
    """True if the tables refute the relation."""
    positions: tuple[EdgePosition, ...] = ()
    """What others signed about this edge: no stranger's word changes the level."""
    license: LicenseCheck | None = None
    """The stated licences of the two side by side; null for an edge that nobody declared. It changes no level
    and no verdict."""


class DatasetEdge(Document):
    """One edge model → data set."""

    child: Digest
    """Model digest of the model."""
    stage: Stage | None
    """What it was used for; null if not said."""
    name: str
    """Name as stated."""
    digest: Digest | None = None
    """Digest as stated."""
    level: Edge
    """Evidence level."""
    declared: Flag
    """True if the publisher of the model stated it."""
    evidence: tuple[Line, ...]
    """Why the level is what it is, in plain words."""
    location: Location | None = None
    """Location as stated."""
    note: str | None = None
    """Note as stated."""
    url: Address | None = None
    """Page of the data set, if somebody described it here."""
    license: LicenseCheck | None = None
    """The model's licence beside that of the data set; null if nobody states one for it, or it only served to
    evaluate."""


class LineageDocument(Document):
    """Lineage of one release: what it states, and who registered here states it as parent."""

    statement: Reference
    """Statement that the edges come from: the release or its latest lineage revision."""
    from_scratch: Flag
    """True if the publisher claims that there is no parent."""
    parents: tuple[ParentEdge, ...]
    """What it descends from."""
    datasets: tuple[DatasetEdge, ...]
    """What it was trained or evaluated on."""
    children: tuple[ParentEdge, ...] = ()
    """Registered releases that name this one."""
    children_total: Count = 0
    """Number of such releases, also those not listed; counted up to 10,000."""
    proposed: tuple[ParentEdge, ...] = ()
    """Parents that nobody declared: what the registry noticed in the tensor tables. Never a proof."""
    proposed_children: tuple[ParentEdge, ...] = ()
    """Later releases that the registry noticed in the same way."""


class UpstreamNote(Document):
    """Something that is said of what a release was made from, and that concerns it, too."""

    kind: Literal["yanked", "advisory", "data_withdrawn"]
    """A release was withdrawn by its owners, somebody warns of it, or a data set was withdrawn."""
    generation: Count
    """Steps up to what it is said of: 1 is a parent; 0 a data set of the release itself."""
    subject: Digest
    """What it is said of: model digest of a release, or digest of a data set."""
    name: Line
    """Its name."""
    text: Line
    """The reason, or the summary of the warning, in the words of whoever says so."""
    severity: Line | None = None
    """How bad it is, as an advisory says."""
    by_owner: Flag
    """True if the signer owns the namespace of what it is said of, or described the data set that is named;
    all else is the word of a third party."""
    signer: SignerSummary
    """Who says so."""
    statement: Digest
    """Statement that says so."""
    index: Count
    """Its entry."""
    url: Address
    """Page of what it is said of, or of the statement."""


class LineageNode(Document):
    """One release, or one digest or name that no release here has."""

    digest: Digest | None
    """Model digest of the release; else the digest that a child names, null where it only gives a name."""
    statement: Digest | None
    """Statement digest of the release; null if none is registered."""
    generation: int
    """Steps from what was asked for: negative for ancestors, positive for descendants."""
    name: str | None = None
    """Name as the child gives it, where no release is registered."""
    namespace: NamespaceName | None = None
    """Namespace of the release."""
    model: ModelName | None = None
    """Name of its model."""
    version: Version | None = None
    """Its version."""
    state: Line | None = None
    """What its owners last said of it; null if none is registered."""
    signer: SignerSummary | None = None
    """Who signed the release."""
    received: Count | None = None
    """When the operator took it, Unix seconds."""
    index: Count | None = None
    """Its entry."""
    url: Address | None = None
    """Page of the release."""
    more_up: Count = 0
    """Declared parents that are not in this answer."""
    more_down: Count = 0
    """Releases that declare it as parent and are not in this answer; counted up to 50."""


class GraphEdge(ParentEdge):
    """One edge of a graph. `parent` is the model digest of the parent's release where that is registered."""

    child_statement: Digest
    """Statement digest of the child's release."""
    parent_statement: Digest | None
    """Statement digest of the parent's release; null if none is registered."""
    stated: Digest | None = None
    """Digest by which the child names the parent; null if it only gives a name, or declares nothing."""


class LineageGraph(Document):
    """`GET /api/v1/lineage/<sha256>?up=&down=`: the releases around a digest and the edges between them."""

    digest: Digest
    """The digest asked for."""
    up: Count
    """Steps to parents that were asked for, at most 10."""
    down: Count
    """Steps to children that were asked for, at most 10."""
    nodes: tuple[LineageNode, ...]
    """Nearest first, at most 1,000; those of the digest itself have generation 0. Empty: unknown here."""
    edges: tuple[GraphEdge, ...]
    """Edges between them, also those that the registry only proposes (`declared` is false)."""
    truncated: Flag = False
    """True if the walk found more than is shown."""
    as_of: AsOf
    """State of the log."""


class ImpactItem(Document):
    """One release that stands on what was asked for."""

    digest: Digest
    """Its model digest."""
    statement: Digest
    """Statement digest of the release."""
    namespace: NamespaceName
    """Namespace."""
    model: ModelName
    """Name of the model."""
    version: Version
    """Version."""
    distance: Count
    """Edges on the shortest way to it; 1 is a child, or a model made with the data set itself.

    0 is a release that the advisory asked for is about.
    """
    relation: Relation | None = None
    """How it was made from what stands before it on that way; null if not said, or if that is data."""
    state: Line
    """What its owners last said of it."""
    signer: SignerSummary
    """Who signed it."""
    received: Count
    """When the operator took it, Unix seconds."""
    index: Count
    """Its entry."""
    url: Address
    """Page of the release."""


class ImpactDocument(Document):
    """`GET /api/v1/impact/<sha256>`, `/impact?dataset=<name>`: what descends from a model or data set.

    Only declared edges are followed, and only those that name their parent by a digest: whoever gives just a
    name is not found. Nearest first.
    """

    digest: Digest | None
    """The digest asked for: of a release, its files, its weights, a data set, or an advisory's statement."""
    dataset: str | None = None
    """Name of the data set, if that was asked for."""
    total: Count
    """Releases found; at most 10,000."""
    truncated: Flag
    """True if there are more, or some are more than 10 steps away."""
    items: tuple[ImpactItem, ...]
    """This page of the list."""
    next: str | None
    """Cursor of the next page; null at the end."""
    as_of: AsOf
    """State of the log."""
