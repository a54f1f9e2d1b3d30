# SPDX-License-Identifier: Apache-2.0
"""release/v1, card/v1, lineage/v1: name@version is admitted once, revisions follow each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

from weighbridge.errors import ConflictError, UnprocessableError
from weighbridge_schemas.base import Reference, fold_name
from weighbridge_schemas.card import CardRevision
from weighbridge_schemas.lineage import Lineage, LineageRevision
from weighbridge_schemas.release import Release

from .change import Change
from .facts import Fact

__all__ = ["release", "revise_card", "revise_lineage"]

_MAX_WALK: Final = 1000
"""Ancestors visited in search of a cycle. Beyond it a lineage is taken: readers bear cycles."""


def release(change: Change) -> None:
    """Take name@version, once and for all."""
    document = cast("Release", change.candidate.document)
    change.check_log(document.logs)
    change.check_owner(document.namespace)
    model = f"{fold_name(document.namespace)}/{fold_name(document.name)}"
    known = change.state.get(f"model/{model}")
    if known is not None and known["name"] != document.name:
        raise ConflictError(
            f"the model {document.name} is registered as {known['name']}",
            hint=f"names are unique ignoring case and -_. : write {known['name']}",
        )
    version = f"version/{model}/{document.version}"
    _check_untaken(change.state.get(version), document)
    digest = change.candidate.digest
    facts = {"statement": digest, "model_digest": document.model.model_digest, "index": change.index}
    change.put(version, facts)
    change.put(
        f"release/{digest}",
        {
            "namespace": document.namespace,
            "name": document.name,
            "version": document.version,
            "model_digest": document.model.model_digest,
            "index": change.index,
        },
    )
    if known is None:
        change.put(f"model/{model}", {"namespace": document.namespace, "name": document.name})
    own = {document.model.model_digest, *(root.root_digest for root in document.model.root_digests)}
    for one in sorted(own):
        if change.state.get(f"first/{one}") is None:
            change.put(f"first/{one}", digest)
    change.release = change.index
    if document.lineage is not None:
        _descend(change, digest, document.model.model_digest, document.lineage)


def revise_card(change: Change) -> None:
    """Replace the card of a release."""
    document = cast("CardRevision", change.candidate.document)
    change.check_log(document.logs)
    _revise(change, "card", document.previous)


def revise_lineage(change: Change) -> None:
    """Replace the lineage of a release."""
    document = cast("LineageRevision", change.candidate.document)
    change.check_log(document.logs)
    facts = _revise(change, "lineage", document.previous)
    _descend(change, change.candidate.subject, facts["model_digest"], document.lineage)


def _revise(change: Change, kind: str, previous: Reference | None) -> Fact:
    subject = change.candidate.subject
    facts = change.required_release(subject)
    change.check_owner(facts["namespace"])
    key = f"{kind}/{subject}"
    change.check_previous(previous, change.state.get(key), f"{kind} revision")
    change.put(key, change.candidate.digest)
    change.release = facts["index"]
    return facts


def _check_untaken(taken: Fact | None, document: Release) -> None:
    if taken is None:
        return
    same = taken["model_digest"] == document.model.model_digest
    name = f"{document.namespace}/{document.name}@{document.version}"
    raise ConflictError(
        f"{name} is already released with {'the same' if same else 'other'} files, as entry {taken['index']}",
        hint="a version is released once: revise its card or lineage instead"
        if same
        else "choose another version",
        evidence={
            "statement": f"sha256:{taken['statement']}",
            "model_digest": taken["model_digest"],
            "index": taken["index"],
            "yours": document.model.model_digest,
        },
    )


def _descend(change: Change, release_digest: str, model_digest: str, lineage: Lineage) -> None:
    """Record what a lineage pins; refuse one by which the release descends from itself (422)."""
    pins = sorted(set(_pins(lineage)))
    if model_digest in pins or f"release:{release_digest}" in pins or _reaches(change, release_digest, pins):
        raise UnprocessableError(
            "by this lineage the model would descend from itself",
            hint="correct the lineage file: a parent is what the model was made from",
            evidence={"model_digest": model_digest},
        )
    change.put(f"parents/{release_digest}", pins)


def _pins(lineage: Lineage) -> Iterable[str]:
    for parent in lineage.parents:
        if parent.digest is not None:
            yield parent.digest
        if parent.statement is not None:
            yield f"release:{parent.statement.sha256}"


def _reaches(change: Change, target: str, pins: Iterable[str]) -> bool:
    """Whether `target` is among the ancestors that `pins` lead to, as far as they are registered."""
    waiting = list(pins)
    seen: set[str] = set()
    while waiting and len(seen) < _MAX_WALK:
        pin = waiting.pop()
        if pin.startswith("release:"):
            found: str | None = pin.removeprefix("release:")
        else:
            found = change.facts.get(f"first/{pin}") or change.state.get(f"first/{pin}")
        if found is None or found in seen:
            continue
        if found == target:
            return True
        seen.add(found)
        waiting.extend(change.state.get(f"parents/{found}") or ())
    return False
