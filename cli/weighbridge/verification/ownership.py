# SPDX-License-Identifier: Apache-2.0
"""Who owned a namespace, and when: read from its recorded statements, judged by log index.

Pure. Only entries that a pinned log proves are taken; each list must be authorised by the one before
it. So the owners cannot be chosen by whoever handed over the record: that person can leave lines out
(see docs/spec/verification.md, step 4), but neither add nor reorder any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighbridge.errors import SignerError, StatementError
from weighbridge.identities import Identity, describe, matches
from weighbridge.statements import parse_statement
from weighbridge_schemas.names import fold_name

from .entries import Entry

if TYPE_CHECKING:
    from weighbridge_schemas.namespace import Namespace, Owner

__all__ = ["OwnerList", "Ownership", "claims_of", "read_ownership"]

Authenticate = Callable[[Entry], Identity]
"""Gives the signer of an entry's bundle; raises `SignerError`."""


@dataclass(frozen=True, slots=True)
class OwnerList:
    """One namespace statement: these owners, from entry `index` of the log on."""

    index: int
    owners: tuple[Owner, ...]
    statement_digest: str
    signer: Identity


@dataclass(frozen=True, slots=True)
class Ownership:
    """All proved owner lists of a namespace in one log, oldest first."""

    namespace: str
    origin: str
    lists: tuple[OwnerList, ...]

    def in_force(self, index: int) -> tuple[Owner, ...]:
        """Return the owners at an entry: the latest list that was recorded before it."""
        before = [each for each in self.lists if each.index < index]
        return before[-1].owners if before else ()

    def owns(self, identity: Identity, index: int) -> bool:
        """Tell whether a signer was an owner when entry `index` was made."""
        return any(matches(owner, identity) for owner in self.in_force(index))


def claims_of(namespace: str, entries: Iterable[Entry]) -> list[Entry]:
    """Return the namespace statements about one namespace, whether proved or not."""
    return [
        each
        for each in entries
        if each.kind == "namespace"
        and fold_name(str(each.statement.predicate.get("namespace", ""))) == fold_name(namespace)
    ]


def read_ownership(
    namespace: str, entries: Iterable[Entry], authenticate: Authenticate
) -> dict[str, Ownership]:
    """Replay the proved namespace statements of each log; the result is keyed by log origin.

    Raises `SignerError` (step 4) if a list is not authorised: a claim by somebody who is not on it, a
    change by somebody who was no owner, a change that does not follow the list before it.
    """
    by_log: dict[str, dict[int, Entry]] = {}
    for entry in claims_of(namespace, entries):
        if entry.proved:
            by_log.setdefault(entry.origin, {})[entry.index] = entry
    return {
        origin: Ownership(namespace, origin, _replay(namespace, [at[i] for i in sorted(at)], authenticate))
        for origin, at in by_log.items()
    }


def _replay(namespace: str, entries: list[Entry], authenticate: Authenticate) -> tuple[OwnerList, ...]:
    lists: list[OwnerList] = []
    for entry in entries:
        document = _document(entry, namespace)
        signer = authenticate(entry)
        previous = document.previous.sha256 if document.previous is not None else None
        expected = lists[-1].statement_digest if lists else None
        if previous != expected:
            raise SignerError(
                f"{entry.source}: the owner list of {namespace} at entry {entry.index} does not follow "
                "the one before it.",
                hint="The record leaves statements out or adds some; get it again from the registry.",
                evidence={"previous": previous, "expected": expected, "index": entry.index},
            )
        entitled = lists[-1].owners if lists else document.owners
        if not any(matches(owner, signer) for owner in entitled):
            raise SignerError(
                f"{entry.source}: the owner list of {namespace} at entry {entry.index} is signed by "
                f"{describe(signer)}, who was no owner.",
                hint="Do not use this record: its log admitted what it must not. Tell the log's monitors.",
                evidence={"index": entry.index, "origin": entry.origin},
            )
        lists.append(OwnerList(entry.index, document.owners, entry.bundle.statement_digest, signer))
    return tuple(lists)


def _document(entry: Entry, namespace: str) -> Namespace:
    from weighbridge_schemas.namespace import Namespace

    document = parse_statement(entry.bundle.payload, strict=True).document()
    if not isinstance(document, Namespace):
        raise StatementError(f"{entry.source}: not a namespace statement.", evidence={"namespace": namespace})
    return document
