# SPDX-License-Identifier: Apache-2.0
"""The documents that a registry's HTTP interface answers with (DESIGN section 8).

A page's `.json` twin is one of these, unchanged. They are a view: everything in them can be
derived from the log, and nothing in them is evidence until it was checked against the log.
`received` is Unix seconds as in the leaf: the operator's word, for display. Lists are paged by an
opaque `cursor`: pass `next` to get on, null means the end.
"""

from __future__ import annotations

from .eu_forms import EuForm, EuFormAnswer, EuFormQuestion, EuFormSection
from .events import Event, EventList, Problem, WithheldDocument
from .lineages import (
    DatasetEdge,
    EdgePosition,
    GraphEdge,
    ImpactDocument,
    ImpactItem,
    LicenseCheck,
    LicenseFinding,
    LineageDocument,
    LineageGraph,
    LineageNode,
    ParentEdge,
    StatedLicense,
    TensorMatch,
    UpstreamNote,
)
from .logs import EntryDocument, LogDocument, PredecessorDocument, StatementDocument, WitnessDocument
from .lookups import DigestAnswer, DigestMatch, DigestsAnswer, DigestsQuery, MatchKind
from .osv import (
    OsvAffected,
    OsvList,
    OsvPackage,
    OsvReference,
    OsvSeverity,
    OsvSource,
    OsvTarget,
    OsvVuln,
)
from .parts import AsOf, EntryRef, SignerSummary, StatementSubject
from .releases import (
    ModelDocument,
    ModelList,
    ModelSummary,
    Openness,
    OpennessAnswer,
    OpennessComponent,
    ProvenanceDocument,
    RecordLineDocument,
    ReleaseDocument,
    ReleaseStatus,
    Successor,
    VersionSummary,
)
from .signers import NamespaceChange, NamespaceDocument, SignerDocument, SignerStatement
from .submissions import SubmissionBatch, SubmissionQueued, SubmissionResult
from .testimonies import (
    AdvisoryDocument,
    AdvisoryList,
    AdvisorySummary,
    DatasetDescription,
    DatasetDocument,
    StatementAbout,
)

__all__ = [
    "AdvisoryDocument",
    "AdvisoryList",
    "AdvisorySummary",
    "AsOf",
    "DatasetDescription",
    "DatasetDocument",
    "DatasetEdge",
    "DigestAnswer",
    "DigestMatch",
    "DigestsAnswer",
    "DigestsQuery",
    "EdgePosition",
    "EntryDocument",
    "EntryRef",
    "EuForm",
    "EuFormAnswer",
    "EuFormQuestion",
    "EuFormSection",
    "Event",
    "EventList",
    "GraphEdge",
    "ImpactDocument",
    "ImpactItem",
    "LicenseCheck",
    "LicenseFinding",
    "LineageDocument",
    "LineageGraph",
    "LineageNode",
    "LogDocument",
    "MatchKind",
    "ModelDocument",
    "ModelList",
    "ModelSummary",
    "NamespaceChange",
    "NamespaceDocument",
    "Openness",
    "OpennessAnswer",
    "OpennessComponent",
    "OsvAffected",
    "OsvList",
    "OsvPackage",
    "OsvReference",
    "OsvSeverity",
    "OsvSource",
    "OsvTarget",
    "OsvVuln",
    "ParentEdge",
    "PredecessorDocument",
    "Problem",
    "ProvenanceDocument",
    "RecordLineDocument",
    "ReleaseDocument",
    "ReleaseStatus",
    "SignerDocument",
    "SignerStatement",
    "SignerSummary",
    "StatedLicense",
    "StatementAbout",
    "StatementDocument",
    "StatementSubject",
    "SubmissionBatch",
    "SubmissionQueued",
    "SubmissionResult",
    "Successor",
    "TensorMatch",
    "UpstreamNote",
    "VersionSummary",
    "WithheldDocument",
    "WitnessDocument",
]
