# SPDX-License-Identifier: Apache-2.0
"""What one entry is about to change, and the checks that several kinds share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter

from weighbridge import canonical, identities
from weighbridge.errors import ConflictError, ForbiddenError, UnprocessableError
from weighbridge.identities import Identity
from weighbridge_schemas.base import Reference, fold_name
from weighbridge_schemas.namespace import Owner

from .candidates import Candidate
from .facts import Fact, State, required

__all__ = ["Change", "owned_by", "owner_values", "owners_of"]

_CLOCKS_DIFFER: Final = 24 * 60 * 60
"""Seconds by which a signer's clock may be ahead of the log's."""

_OWNERS: Final[TypeAdapter[tuple[Owner, ...]]] = TypeAdapter(tuple[Owner, ...])


class Change:
    """The entry being decided: reads see the state before it, writes are collected."""

    def __init__(
        self, state: State, index: int, received: int, candidate: Candidate, identity: Identity
    ) -> None:
        self.state = state
        self.index = index
        self.received = received
        self.candidate = candidate
        self.identity = identity
        self.signer = identities.signer_id(identity)
        self.facts: dict[str, Fact] = {}
        self.namespace: str | None = None
        self.release: int | None = None

    def put(self, key: str, value: Fact) -> None:
        """Write one fact."""
        self.facts[key] = value

    def identity_value(self) -> Fact:
        """Return the canonical signer as JSON."""
        return canonical.decode(identities.canonical(self.identity))

    def check_log(self, logs: Sequence[str]) -> None:
        """Refuse a statement that its signer meant for other logs (422)."""
        origin = required(self.state, "log/genesis")["origin"]
        if origin not in logs:
            raise UnprocessableError(
                f"the statement is meant for {', '.join(logs)}, not for this log, {origin}",
                hint="publish to the registry that you signed it for, or sign it again for this one",
                evidence={"logs": list(logs), "origin": origin},
            )

    def check_previous(self, previous: Reference | None, current: str | None, what: str) -> None:
        """Refuse a statement that replaces something other than the current one (409)."""
        named = previous.sha256 if previous is not None else None
        if named == current:
            return
        raise ConflictError(
            f"the statement replaces {_shown(named)}, but the current {what} is {_shown(current)}",
            hint="somebody changed it since you looked: fetch the current one, then sign again",
            evidence={"previous": named, "current": current},
        )

    def check_past(self, moment: str | None, member: str) -> None:
        """Refuse a time (RFC 3339) after this entry's own, give or take a day (422)."""
        if moment is None:
            return
        seconds = int(datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S%z").timestamp())
        if seconds > self.received + _CLOCKS_DIFFER:
            raise UnprocessableError(
                f"{member}, {moment}, is in the future",
                hint="say what is so now; sign another statement when it has come",
                evidence={member: moment, "received": self.received},
            )

    def required_release(self, statement: str) -> Fact:
        """Return the facts of a release by its statement digest (bare hex); 422 if there is none."""
        facts = self.state.get(f"release/{statement}")
        if facts is None:
            raise UnprocessableError(
                f"no release with the statement digest {statement[:16]}… is recorded here",
                hint="publish the release first; it is referred to by the digest of its release statement",
                evidence={"release": statement},
            )
        return facts

    def check_owner(self, name: str) -> Fact:
        """Return the facts of a namespace that the signer owns; 403 if nobody or another does."""
        self.namespace = fold_name(name)
        facts = self.state.get(f"namespace/{self.namespace}")
        if facts is None:
            raise ForbiddenError(
                f"nobody has claimed the namespace {name} yet",
                hint="claim it with a namespace/v1 statement in the same submission, as publish does",
            )
        if facts["name"] != name:
            raise ConflictError(
                f"the namespace {name} is registered as {facts['name']}",
                hint=f"names are unique ignoring case and -_. : write {facts['name']}",
            )
        if not owned_by(facts["owners"], self.identity):
            raise ForbiddenError(
                f"{identities.describe(self.identity)} is not an owner of the namespace {name}",
                hint="ask an owner to add you, or publish under a namespace of your own",
                evidence={"namespace": name, "signer": self.signer},
            )
        return facts


def owners_of(values: Any) -> tuple[Owner, ...]:
    """Return owners from their JSON."""
    return _OWNERS.validate_python(values)


def owner_values(owners: Iterable[Owner]) -> Fact:
    """Return owners as JSON."""
    return [owner.to_json() for owner in owners]


def owned_by(values: Any, identity: Identity) -> bool:
    """Tell whether an identity is one of the owners."""
    return any(identities.matches(owner, identity) for owner in owners_of(values))


def _shown(digest: str | None) -> str:
    return "nothing" if digest is None else f"statement {digest[:16]}…"
