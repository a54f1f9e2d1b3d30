# SPDX-License-Identifier: Apache-2.0
"""Read a log again and believe nothing: what fsck, rebuild, mirrors and monitors have in common.

    checkpoint → tiles, each hashed up to the root → entries → bundles by the digest in their leaf → apply

A replay begins at entry 0 or where an earlier one ended (`Position`), reads from a data folder or
from an address, and gives its entries in batches of bounded size. Between two batches the caller
writes the batch's facts to the state that it gave, so a state of any size stays in a database.

What is wrong goes to `fault(step, where, error)`. The default, `refuse`, raises; fsck's collects.
After a fault in entries or bundles the later ones are still read, but no longer applied: what they
mean depends on those before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from sqlalchemy import Connection

from weighbridge import tlog
from weighbridge.errors import (
    LogError,
    ProofError,
    RefusedError,
    UndecidedError,
    WeighbridgeError,
    WithheldError,
)
from weighbridge.leaves import Leaf, parse_leaf
from weighbridge.withholding import Withheld, prove

from .state import (
    Admitted,
    Authenticator,
    Fact,
    Overlay,
    State,
    WithheldEntry,
    apply,
    apply_withheld,
    is_withheld,
    read_candidate,
)
from .store.accounts import Accounts
from .store.files import DataFolder
from .store.views import project, write_facts

__all__ = [
    "Batch",
    "Entry",
    "Fault",
    "FolderSource",
    "Position",
    "Replay",
    "Source",
    "refuse",
    "write_batch",
]

BATCH_ENTRIES: Final = 256
_BATCH_BYTES: Final = 32 * 1024 * 1024
"""Bundles of one batch, together; a single one may be larger."""

Fault: TypeAlias = Callable[[str, str, Exception], None]
"""Called with the step (tiles, entries, replay), where, and what is wrong; may raise to end the replay."""


class Source(Protocol):
    """Where a log is read from; nothing of what it gives is believed.

    A `RegistryClient` is one, too. Its methods raise `OSError` or `WeighbridgeError`.
    """

    def tile(self, level: int, index: int, width: int) -> bytes:
        """Give a tile of hashes."""
        ...

    def entries(self, index: int, width: int) -> bytes:
        """Give a bundle of entries."""
        ...

    def bundle(self, sha256: str, /) -> bytes:
        """Give the bundle that has this digest, bare hex."""
        ...


class FolderSource:
    """A data folder as a source. Of a withheld bundle it gives the operator's own account."""

    def __init__(self, folder: DataFolder) -> None:
        self.tile = folder.log.read_tile
        self.entries = folder.log.read_entries
        self._folder = folder
        self._accounts = Accounts(folder.path)

    def bundle(self, sha256: str, /) -> bytes:
        """Give the bundle that has this digest; raises `WithheldError` if only an account of it is left."""
        try:
            return self._folder.bundles.read(sha256)
        except FileNotFoundError:
            facts = self._accounts.facts(sha256)
            if facts is None:
                raise
        account = Withheld("bundle", sha256, None, b"", b"", b"", facts)
        raise WithheldError(f"the bundle {sha256[:16]}… is withheld", withheld=account)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a log was read: entries, and the root of the tree of just these."""

    size: int = 0
    root: bytes = tlog.EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it was read: `data` is the leaf's bytes, `raw` the bundle's.

    `raw` is None if the bundle is withheld: then `admitted` is what its operator says that it did.
    `admitted` is None if nothing can be said, because of this entry or one before it.
    """

    index: int
    data: bytes
    leaf: Leaf
    raw: bytes | None
    admitted: Admitted | WithheldEntry | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive entries, and the facts that they wrote."""

    entries: tuple[Entry, ...]
    facts: Mapping[str, Fact]

    @property
    def admitted(self) -> tuple[Admitted | WithheldEntry, ...]:
        """The entries that were applied."""
        return tuple(entry.admitted for entry in self.entries if entry.admitted is not None)


def refuse(step: str, where: str, error: Exception) -> None:
    """Raise what is wrong with a log, by name: the fault of whoever needs the whole log.

    Raises `UndecidedError` as it is if something could not be had, `LogError` for all else.
    """
    if isinstance(error, UndecidedError):
        raise error
    evidence = error.evidence if isinstance(error, WeighbridgeError) else {}
    raise LogError(
        f"{where}: {error}",
        hint="the log is broken or lies: keep what you have of it, and tell its operator and others",
        evidence={**evidence, "step": step, "where": where},
    ) from error


class Replay:
    """One reading of the tree of a verified checkpoint, from `start` to `end` (else: all of it).

    `state` holds the facts at `start`. `complete` stays true as long as every entry was applied;
    `withheld` counts entries for which the operator's word stands, `word_from` is the first of them:
    what the state says from there on rests on that word.
    """

    def __init__(
        self,
        source: Source,
        checkpoint: tlog.SignedCheckpoint,
        authenticate: Authenticator,
        state: State,
        *,
        start: Position | None = None,
        end: int | None = None,
        fault: Fault = refuse,
    ) -> None:
        self.checkpoint = checkpoint
        self.start = start or Position()
        self.end = checkpoint.size if end is None else end
        self.reader = tlog.TileReader(source.tile, checkpoint.size, checkpoint.root)
        self.complete = True
        self.looked_at = 0
        self.applied = 0
        self.withheld = 0
        self.word_from: int | None = None
        self._owed: dict[str, int] = {}
        self._source = source
        self._authenticate = authenticate
        self._state = state
        self._fault = fault

    def check_start(self) -> None:
        """Check that the tree begins with what was read before; raises `ProofError`."""
        if self.reader.root_at(self.start.size) != self.start.root:
            raise ProofError(
                f"the first {self.start.size} entries of the log are not those that were read before",
                hint="the log was rewritten: keep what you have of it, and tell its operator and others",
                evidence={
                    "size": self.start.size,
                    "root": self.start.root.hex(),
                    "checkpoint": self.checkpoint.data.decode(errors="replace"),
                },
            )

    def check_tiles(self) -> int:
        """Read every tile of the tree, hashed up to the root; return how many there are."""
        count = 0
        for level, index, width in tlog.tiles_of(self.checkpoint.size):
            count += 1
            try:
                self.reader.tile(level, index)
            except (OSError, WeighbridgeError) as error:
                self._fault("tiles", tlog.tile_path(level, index, width), error)
        return count

    def position(self, size: int) -> Position:
        """Return the position after `size` entries of this tree."""
        return Position(size, self.reader.root_at(size))

    def batches(self) -> Iterator[Batch]:
        """Read on. Before the next batch is asked for, `facts` of this one must be in the state."""
        waiting: list[Entry] = []
        overlay, weight = Overlay(self._state), 0
        for index, data in self._leaves():
            self.looked_at += 1
            entry = self._entry(index, data, overlay)
            if entry is None:
                continue
            waiting.append(entry)
            weight += len(entry.raw or b"")
            if len(waiting) >= BATCH_ENTRIES or weight >= _BATCH_BYTES:
                yield Batch(tuple(waiting), overlay.facts)
                waiting, overlay, weight = [], Overlay(self._state), 0
        if waiting:
            yield Batch(tuple(waiting), overlay.facts)
        if self.complete and self.end == self.checkpoint.size:
            self._check_decided()

    def _leaves(self) -> Iterator[tuple[int, bytes]]:
        """Yield (index, leaf) in order, each the one that the tree commits to."""
        for place in range(self.start.size // tlog.TILE_WIDTH, -(-self.end // tlog.TILE_WIDTH)):
            width = tlog.tile_width(0, place, self.checkpoint.size)
            try:
                leaves = self.reader.entries(place, self._source.entries(place, width))
            except (OSError, WeighbridgeError) as error:
                self._broken("entries", tlog.entries_path(place, width), error)
                continue
            for index, leaf in enumerate(leaves, start=place * tlog.TILE_WIDTH):
                if self.start.size <= index < self.end:
                    yield index, leaf

    def _entry(self, index: int, data: bytes, overlay: Overlay) -> Entry | None:
        try:
            leaf = parse_leaf(data)
            raw = self._source.bundle(leaf.bundle_sha256)
        except WithheldError as error:
            return Entry(index, data, leaf, None, self._believed(index, leaf, error, overlay))
        except (OSError, WeighbridgeError) as error:
            self._broken("entries", f"entry {index}: its bundle cannot be read", error)
            return None
        found = hashlib.sha256(raw).hexdigest()
        if found != leaf.bundle_sha256:
            wrong = ProofError(f"it has the digest {found}, not {leaf.bundle_sha256}")
            self._broken("entries", f"entry {index}: the bundle served for it is another", wrong)
            return None
        return Entry(index, data, leaf, raw, self._applied(index, leaf, raw, overlay))

    def _applied(self, index: int, leaf: Leaf, raw: bytes, overlay: Overlay) -> Admitted | None:
        if not self.complete:
            return None  # the facts before it are not known, so nothing can be said of it
        self.applied += 1
        try:
            admitted = apply(overlay, index, leaf, read_candidate(raw), self._authenticate)
            if index == 0:
                self._check_genesis(admitted)
        except RefusedError as error:
            self._broken("replay", f"entry {index}", error)
            return None
        overlay.update(admitted.facts)
        return admitted

    def _believed(
        self, index: int, leaf: Leaf, error: WithheldError, overlay: Overlay
    ) -> WithheldEntry | None:
        """Apply a withheld entry by its operator's word, if the log has the decision that gives it."""
        if not self.complete:
            return None
        where = f"entry {index}"
        try:
            facts = self._account(leaf.bundle_sha256, error.withheld)
            if facts is None:
                self._broken("replay", where, _unaccounted(error))
                return None
            entry = apply_withheld(overlay, index, leaf, facts)
        except LogError as refuted:
            self._broken("replay", where, refuted)
            return None
        self.applied += 1
        self.withheld += 1
        self.word_from = index if self.word_from is None else self.word_from
        overlay.update(entry.facts)
        return entry

    def _account(self, sha256: str, withheld: Withheld) -> Mapping[str, Fact] | None:
        """Return what the withheld entry did. An address proves the decision; a folder's must be found."""
        if isinstance(self._source, FolderSource):
            self._owed[sha256] = 0
            return withheld.facts
        proved = prove(withheld, "bundle", sha256, [self.checkpoint.verifier])
        self._owed[sha256] = proved.index
        return proved.facts

    def _check_decided(self) -> None:
        """Check that this tree has the decision behind each withheld bundle, unless it is younger."""
        for sha256, decided in self._owed.items():
            if decided < self.end and is_withheld(self._state, "bundle", sha256) is None:
                missing = LogError(f"the bundle {sha256} is withheld, and no decision in the log says so")
                self._broken("entries", "withheld", missing)

    def _check_genesis(self, admitted: Admitted) -> None:
        named, key = admitted.facts["log/genesis"]["vkey"], self.checkpoint.verifier.vkey
        if named != key:
            raise LogError(f"its genesis names the log key {named}, not {key}")

    def _broken(self, step: str, where: str, error: Exception) -> None:
        """Report what is wrong; from here on nothing is applied."""
        self._fault(step, where, error)
        self.complete = False


def _unaccounted(error: WithheldError) -> WithheldError:
    return WithheldError(
        "its statement is withheld with all that it did, so nothing after it can be judged",
        withheld=error.withheld,
        hint="ask for a copy of the bundle elsewhere: a mirror that has it can still be replayed",
        evidence=error.evidence,
    )


def write_batch(connection: Connection, batch: Batch) -> None:
    """Write facts and views of a batch into a registry's database."""
    write_facts(connection, batch.facts)
    project(connection, batch.admitted)
