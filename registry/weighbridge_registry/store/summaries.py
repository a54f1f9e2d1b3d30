# SPDX-License-Identifier: Apache-2.0
"""Entries in plain words."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from weighbridge_registry.state import Candidate
from weighbridge_schemas.advisory import Advisory
from weighbridge_schemas.attestation import Attestation
from weighbridge_schemas.base import Withdrawal
from weighbridge_schemas.card import CardRevision
from weighbridge_schemas.dataset import Dataset
from weighbridge_schemas.deployment import Deployment
from weighbridge_schemas.disclosure import Disclosure
from weighbridge_schemas.lineage import LineageRevision
from weighbridge_schemas.namespace import Namespace
from weighbridge_schemas.oms import OmsPredicate
from weighbridge_schemas.operator import Action, AllowList, Genesis, Operator, Reassign, Restore, Takedown
from weighbridge_schemas.position import Position
from weighbridge_schemas.release import Release
from weighbridge_schemas.signer import SignerIntroduction
from weighbridge_schemas.status import Status

__all__ = ["release_path", "summary"]

_LONGEST: Final = 400
_TARGETS: Final = {"bundle": "a signed statement", "attachment": "an attached file"}


def release_path(namespace: str, name: str, version: str) -> str:
    """Return the path of a release's page."""
    return f"/models/{quote(namespace, safe='')}/{quote(name, safe='')}/{quote(version, safe='+')}"


def summary(candidate: Candidate, page: str | None) -> str:
    """Say in one sentence what an entry does. `page` is the path of the release that it is about."""
    match candidate.document:
        case Release() as document:
            return f"Released {document.namespace}/{document.name}@{document.version}"
        case Namespace() as document:
            return _namespace(document)
        case OmsPredicate() as document:
            return _manifest(document)
        case Operator() as document:
            return _decision(document.decision)
        case CardRevision() | LineageRevision() | SignerIntroduction():
            return _revision(candidate.kind, page)
        case _:
            text = _testimony(candidate, page)
            return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _namespace(document: Namespace) -> str:
    owners = f"{len(document.owners)} owner{'s' if len(document.owners) > 1 else ''}"
    if document.previous is None:
        return f"Claimed the namespace {document.namespace} for {owners}"
    return f"Changed the namespace {document.namespace} to {owners}"


def _manifest(document: OmsPredicate) -> str:
    sharded = document.serialization.shard_size is not None
    names = (resource.name for resource in document.resources)
    count = len({name.rsplit(":", 2)[0] if sharded else name for name in names})
    return f"Signed a manifest of {count} file{'s' if count > 1 else ''}"


def _decision(decision: Action) -> str:
    match decision:
        case Genesis():
            return "Opened this log"
        case AllowList():
            return "Changed who may claim names"
        case Takedown():
            return f"Withheld {_TARGETS[decision.target]} ({_words(decision.reason)})"
        case Restore():
            return f"Serves {_TARGETS[decision.target]} again that was withheld"
        case Reassign():
            owners = f"{len(decision.owners)} other owner{'s' if len(decision.owners) > 1 else ''}"
            return f"Gave the namespace {decision.namespace} to {owners} ({_words(decision.reason)})"


def _words(code: str) -> str:
    return code.replace("_", " ")


def _testimony(candidate: Candidate, page: str | None) -> str:
    """Say what somebody says of something else."""
    match candidate.document:
        case Status() as document:
            text = f"{document.state.capitalize()} {_release(page)}: {document.reason}"
        case Dataset() as document:
            text = _withdrew("the data set", document.name, document.withdrawn)
            text = text or f"Described the data set {document.name}"
        case Advisory() as document:
            text = _withdrew("the advisory", document.id, document.withdrawn)
            text = text or f"Warned ({document.id}, {document.severity}): {document.summary}"
        case Position() as document:
            text = _position(document)
        case Disclosure() as document:
            text = _withdrew("what was disclosed about", document.name, document.withdrawn)
            text = text or _disclosed(document)
        case Deployment() as document:
            count = len(document.models)
            ended = " (ended)" if document.until is not None else ""
            text = f"Said that {document.name} serves {count} model{'s' if count > 1 else ''}{ended}"
        case Attestation() as document:
            count = len(candidate.statement.subjects)
            found = f", {document.result}," if document.result is not None else ""
            text = f"{document.name}{found} about {count} digest{'s' if count > 1 else ''}"
        case _:
            text = f"Signed a statement of the kind {candidate.kind}"
    return text


def _withdrew(what: str, name: str, withdrawn: Withdrawal | None) -> str:
    return f"Withdrew {what} {name}: {withdrawn.reason}" if withdrawn is not None else ""


def _disclosed(document: Disclosure) -> str:
    left = sum(field.left_open is not None for field in document.fields)
    answered = len(document.fields) - left
    return f"Disclosed {answered} point{'' if answered == 1 else 's'} about {document.name}, left {left} open"


def _position(document: Position) -> str:
    verbs = {"acknowledges": "Acknowledged", "disputes": "Disputed", "withdrawn": "Took back a position on"}
    how = {"knowledge": "", "recomputed": ", recomputed", "rederived": ", made again"}[document.basis]
    what = f"a {document.of.kind} statement" if document.of is not None else "an edge of a lineage"
    why = f": {document.reason}" if document.reason is not None else ""
    return f"{verbs[document.stance]} {what}{how}{why}"


def _release(page: str | None) -> str:
    namespace, name, version = (page or "/models/?/?/?").removeprefix("/models/").split("/")
    return f"{namespace}/{name}@{version}"


def _revision(kind: str, page: str | None) -> str:
    if page is None:
        return "Introduced a public key"
    return f"Revised the {kind} of {_release(page)}"
