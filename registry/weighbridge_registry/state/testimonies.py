# SPDX-License-Identifier: Apache-2.0
"""What anyone may say: dataset/v1, advisory/v1, position/v1, disclosure/v1, deployment/v1.

Each is one party's word and replaces nobody else's. A statement that names a namespace speaks for it: its
signer must own it, and any later owner may revise it. One that names none speaks for its signer alone;
of a CI workflow all refs are one signer (`identities.lasting_id`).
"""

from __future__ import annotations

from typing import Final, TypeAlias, cast

from weighbridge import identities
from weighbridge.errors import ConflictError, UnprocessableError
from weighbridge_schemas.advisory import Advisory
from weighbridge_schemas.dataset import Dataset
from weighbridge_schemas.deployment import Deployment
from weighbridge_schemas.disclosure import Disclosure
from weighbridge_schemas.position import Position

from .change import Change

__all__ = ["MAX_ADVISORIES", "advise", "deploy", "describe_dataset", "disclose", "take_position"]

MAX_ADVISORIES: Final = 64
"""Advisories of one signer about one subject, withdrawn ones included."""

_Described: TypeAlias = Dataset | Disclosure | Deployment


def describe_dataset(change: Change) -> None:
    """Describe a data set, revise one's own description, or withdraw the data set."""
    document = cast("Dataset", change.candidate.document)
    if document.withdrawn is not None:
        change.check_past(document.withdrawn.since, "withdrawn.since")
    _describe(change, "dataset", document)


def disclose(change: Change) -> None:
    """Say of a closed model what is known, and what is left open."""
    document = cast("Disclosure", change.candidate.document)
    change.check_past(document.as_of, "as_of")
    if document.withdrawn is not None:
        change.check_past(document.withdrawn.since, "withdrawn.since")
    _describe(change, "disclosure", document)


def deploy(change: Change) -> None:
    """Say which models answer behind a service."""
    document = cast("Deployment", change.candidate.document)
    change.check_past(document.since, "since")
    _describe(change, "deployment", document)


def advise(change: Change) -> None:
    """Warn of something, or revise or withdraw one's own warning."""
    document = cast("Advisory", change.candidate.document)
    change.check_log(document.logs)
    change.check_past(document.discovered_at, "discovered_at")
    if document.withdrawn is not None:
        change.check_past(document.withdrawn.since, "withdrawn.since")
    subject, signer = change.candidate.subject, identities.lasting_id(change.identity)
    if document.subject_kind == "release":
        change.required_release(subject)
    key = f"advisory/{signer}/{document.id}"
    before = change.state.get(key)
    change.check_previous(document.previous, before["statement"] if before else None, "advisory of that id")
    if before is None:
        _count(change, f"advisories/{signer}/{subject}")
    elif before["subject"] != subject:
        raise ConflictError(
            f"your advisory {document.id} is about something else",
            hint="an id stays with its subject: list further models under affects, or choose another id",
            evidence={"id": document.id, "subject": before["subject"], "yours": subject},
        )
    withdrawn = document.withdrawn is not None
    change.put(key, {"statement": change.candidate.digest, "subject": subject, "withdrawn": withdrawn})


def take_position(change: Change) -> None:
    """Acknowledge or dispute a statement or an edge, or take that back."""
    document = cast("Position", change.candidate.document)
    change.check_log(document.logs)
    key = f"position/{identities.lasting_id(change.identity)}/{change.candidate.subject}"
    if document.edge is not None:
        key += f"/{document.edge.parent.removeprefix('sha256:')}"
    elif document.of is not None and document.of.kind == "release":
        change.required_release(document.of.sha256)
    change.check_previous(document.previous, change.state.get(key), "position of yours on that")
    change.put(key, change.candidate.digest)


def _describe(change: Change, kind: str, document: _Described) -> None:
    """Write a description of a subject by one holder, a namespace or a signer."""
    change.check_log(document.logs)
    if document.namespace is not None:
        change.check_owner(document.namespace)
        holder = f"namespace:{change.namespace}"
    else:
        holder = f"signer:{identities.lasting_id(change.identity)}"
    key = f"{kind}/{holder}/{change.candidate.subject}"
    change.check_previous(document.previous, change.state.get(key), f"{kind} statement of yours about that")
    change.put(key, change.candidate.digest)


def _count(change: Change, key: str) -> None:
    count = change.state.get(key) or 0
    if count >= MAX_ADVISORIES:
        raise UnprocessableError(
            f"you have {count} advisories about this already; no more are taken",
            hint="revise one of them, or ask the publisher to act",
            evidence={"advisories": count},
        )
    change.put(key, count + 1)
