# SPDX-License-Identifier: Apache-2.0
"""Who owned a namespace, and when: read from its recorded statements, judged by log index.

Pure. Only entries that a pinned log proves are taken; each list must be authorised by the one before
it. So the owners cannot be chosen by whoever handed over the record: that person can leave lines out
(see docs/spec/verification.md, step 4), but neither add nor reorder any. The operator alone can give a
namespace to others, by a logged decision that begins a new epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighbridge.errors import SignerError, StatementError
from weighbridge.identities import Identity, KeyIdentity, describe, matches
from weighbridge.keys import load_public_key, spki_sha256
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
    """One namespace statement, or one reassignment: these owners, from entry `index` of the log on.

    `epoch` is 1 for the first owners and one more with each reassignment that the record holds, `begun`
    the entry of the reassignment that opened it, None for the first.
    """

    index: int
    owners: tuple[Owner, ...]
    statement_digest: str
    signer: Identity
    epoch: int = 1
    begun: int | None = None


@dataclass(frozen=True, slots=True)
class Ownership:
    """All proved owner lists of a namespace in one log, oldest first."""

    namespace: str
    origin: str
    lists: tuple[OwnerList, ...]

    def in_force(self, index: int) -> tuple[Owner, ...]:
        """Return the owners at an entry: the latest list that was recorded before it."""
        found = self.at(index)
        return found.owners if found is not None else ()

    def at(self, index: int) -> OwnerList | None:
        """Return the latest list that was recorded before an entry, or None."""
        before = [each for each in self.lists if each.index < index]
        return before[-1] if before else None

    def owns(self, identity: Identity, index: int) -> bool:
        """Tell whether a signer was an owner when entry `index` was made."""
        return any(matches(owner, identity) for owner in self.in_force(index))


def claims_of(namespace: str, entries: Iterable[Entry]) -> list[Entry]:
    """Return the statements that set the owners of one namespace, whether proved or not."""
    return [each for each in entries if fold_name(_named(each)) == fold_name(namespace)]


def read_ownership(
    namespace: str, entries: Iterable[Entry], authenticate: Authenticate
) -> dict[str, Ownership]:
    """Replay the proved namespace statements of each log; the result is keyed by log origin.

    Raises `SignerError` (step 4) if a list is not authorised: a claim by somebody who is not on it, a
    change by somebody who was no owner, a change that does not follow the list before it.
    """
    by_log: dict[str, dict[int, Entry]] = {}
    operators: dict[str, str] = {}
    known = list(entries)
    for entry in claims_of(namespace, known):
        if entry.proved:
            by_log.setdefault(entry.origin, {})[entry.index] = entry
    for entry in known:
        if entry.proved and entry.kind == "operator" and entry.index == 0:
            operators[entry.origin] = _operator_of(entry)
    return {
        origin: Ownership(
            namespace,
            origin,
            _replay(namespace, [at[i] for i in sorted(at)], authenticate, operators.get(origin)),
        )
        for origin, at in by_log.items()
    }


def _named(entry: Entry) -> str:
    """Return the namespace whose owners a statement sets; "" if it sets none."""
    predicate = entry.statement.predicate
    if entry.kind == "namespace":
        return str(predicate.get("namespace", ""))
    decision = predicate.get("decision") if entry.kind == "operator" else None
    if isinstance(decision, dict) and decision.get("action") == "reassign":
        return str(decision.get("namespace", ""))
    return ""


def _operator_of(genesis: Entry) -> str:
    """Return the SHA-256 of the operator key that entry 0 of a log names; "" if it names none."""
    from weighbridge_schemas.operator import Genesis, Operator

    document = parse_statement(genesis.bundle.payload, strict=True).document()
    if not isinstance(document, Operator) or not isinstance(document.decision, Genesis):
        return ""
    return spki_sha256(load_public_key(document.decision.operator_key.encode()))


def _reassigned(
    entry: Entry, before: OwnerList | None, authenticate: Authenticate, operator: str | None
) -> OwnerList:
    """Take a reassignment, if the log's own operator signed it: entry 0 says who that is."""
    from weighbridge_schemas.operator import Operator, Reassign

    if not operator:
        raise SignerError(
            f"{entry.source}: the owners are set by the operator of {entry.origin}, and the record does not "
            "hold entry 0, which says who that is.",
            hint="Get the record again from the registry.",
            evidence={"index": entry.index, "origin": entry.origin},
        )
    signer = authenticate(entry)
    document = parse_statement(entry.bundle.payload, strict=True).document()
    decision = document.decision if isinstance(document, Operator) else None
    if signer != KeyIdentity(operator) or not isinstance(decision, Reassign):
        raise SignerError(
            f"{entry.source}: the namespace is given to others at entry {entry.index} by {describe(signer)}, "
            "who is not the operator of the log.",
            hint="Do not use this record: its log admitted what it must not. Tell the log's monitors.",
            evidence={"index": entry.index, "origin": entry.origin},
        )
    epoch = 2 if before is None else before.epoch + 1
    return OwnerList(
        entry.index, decision.owners, entry.bundle.statement_digest, signer, epoch, begun=entry.index
    )


def _replay(
    namespace: str, entries: list[Entry], authenticate: Authenticate, operator: str | None
) -> tuple[OwnerList, ...]:
    lists: list[OwnerList] = []
    for entry in entries:
        if entry.kind == "operator":
            lists.append(_reassigned(entry, lists[-1] if lists else None, authenticate, operator))
            continue
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
        epoch, begun = (lists[-1].epoch, lists[-1].begun) if lists else (1, None)
        digest = entry.bundle.statement_digest
        lists.append(OwnerList(entry.index, document.owners, digest, signer, epoch, begun))
    return tuple(lists)


def _document(entry: Entry, namespace: str) -> Namespace:
    from weighbridge_schemas.namespace import Namespace

    document = parse_statement(entry.bundle.payload, strict=True).document()
    if not isinstance(document, Namespace):
        raise StatementError(f"{entry.source}: not a namespace statement.", evidence={"namespace": namespace})
    return document
