# SPDX-License-Identifier: Apache-2.0
"""Facts, where they are looked up, and their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias

from weighbridge import canonical
from weighbridge.errors import LogError
from weighbridge.leaves import Leaf

__all__ = ["Fact", "MemoryState", "Overlay", "State", "check_place", "digest", "required"]

Fact: TypeAlias = Any
"""A JSON value. It is never changed in place: a new value is written under the same key."""


class State(Protocol):
    """Facts by key; None for what is not known. Values must not be changed by the reader."""

    def get(self, key: str) -> Fact | None:
        """Return the value of a fact, or None."""
        ...


def required(state: State, key: str) -> Fact:
    """Return a fact that every log with a genesis has; raises `LogError` without it."""
    value = state.get(key)
    if value is None:
        raise LogError(f"the state has no fact {key}", hint="run: weighbridge log fsck")
    return value


def check_place(state: State, index: int, leaf: Leaf) -> None:
    """Check that an entry follows the ones applied, in place and time; raises `LogError`."""
    head = state.get("log/head") or {"size": 0, "received": 0}
    if index != head["size"]:
        raise LogError(f"entry {index} does not follow {head['size']} applied entries")
    if leaf.received < head["received"]:
        raise LogError(
            f"entry {index} was received before the one it follows",
            evidence={"received": leaf.received, "before": head["received"]},
        )


class MemoryState:
    """All facts in memory: for replays and tests."""

    def __init__(self) -> None:
        self.facts: dict[str, Fact] = {}

    def get(self, key: str) -> Fact | None:
        """Return the value of a fact, or None."""
        return self.facts.get(key)

    def update(self, facts: Mapping[str, Fact]) -> None:
        """Write what `apply` returned."""
        self.facts.update(facts)

    def digest(self) -> str:
        """Return the digest of all facts."""
        return digest((key, self.facts[key]) for key in sorted(self.facts, key=str.encode))


class Overlay:
    """Facts of entries that are not written yet, over a state: how a batch sees itself."""

    def __init__(self, base: State) -> None:
        self._base = base
        self.facts: dict[str, Fact] = {}

    def get(self, key: str) -> Fact | None:
        """Return the newest value of a fact, or None."""
        if key in self.facts:
            return self.facts[key]
        return self._base.get(key)

    def update(self, facts: Mapping[str, Fact]) -> None:
        """Write what `apply` returned."""
        self.facts.update(facts)


def digest(facts: Iterable[tuple[str, Fact]]) -> str:
    r"""Return the bare hex SHA-256 over `<key> <canonical JSON>\\n` of facts sorted by key bytes.

    The caller sorts, so that a state of any size can be read from a database as it goes.
    """
    state = hashlib.sha256()
    for key, value in facts:
        state.update(b"%b %b\n" % (key.encode(), canonical.encode(value)))
    return state.hexdigest()
