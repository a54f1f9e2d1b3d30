# SPDX-License-Identifier: Apache-2.0
"""Entries in plain words."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from weighbridge_registry.state import Candidate
from weighbridge_schemas.namespace import Namespace
from weighbridge_schemas.oms import OmsPredicate
from weighbridge_schemas.operator import Action, AllowList, Genesis, Operator, Reassign, Restore, Takedown
from weighbridge_schemas.release import Release

__all__ = ["release_path", "summary"]

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
            owners = f"{len(document.owners)} owner{'s' if len(document.owners) > 1 else ''}"
            if document.previous is None:
                return f"Claimed the namespace {document.namespace} for {owners}"
            return f"Changed the namespace {document.namespace} to {owners}"
        case OmsPredicate() as document:
            sharded = document.serialization.shard_size is not None
            names = (resource.name for resource in document.resources)
            count = len({name.rsplit(":", 2)[0] if sharded else name for name in names})
            return f"Signed a manifest of {count} file{'s' if count > 1 else ''}"
        case Operator() as document:
            return _decision(document.decision)
        case _:
            return _revision(candidate.kind, page)


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


def _revision(kind: str, page: str | None) -> str:
    if page is None:
        return "Introduced a public key"
    namespace, name, version = page.removeprefix("/models/").split("/")
    return f"Revised the {kind} of {namespace}/{name}@{version}"
