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
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Protocol, Self, TypeAlias

from sqlalchemy import Connection

from weighbridge import tlog
from weighbridge.client import RegistryClient
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
    "AddressSource",
    "Batch",
    "Entry",
    "Fault",
    "FolderSource",
    "Position",
    "Reading",
    "Replay",
    "Source",
    "refuse",
    "write_batch",
]

BATCH_ENTRIES: Final = 256
_AHEAD: Final = 8
_BATCH_BYTES: Final = 32 * 1024 * 1024
"""Bundles of one batch, together; a single one may be larger."""

Fault: TypeAlias = Callable[[str, str, Exception], None]
"""Called with the step (tiles, entries, replay), where, and what is wrong; may raise to end the replay."""


class Source(Protocol):
    """Where a log is read from; nothing of what it gives is believed.

    Its methods raise `OSError` or `WeighbridgeError`.
    """

    def tile(self, level: int, index: int, width: int) -> bytes:
        """Give a tile of hashes."""
        ...

    def entries(self, index: int, width: int) -> bytes:
        """Give a bundle of entries."""
        ...

    def announce(self, bundles: Sequence[str]) -> None:
        """Say which bundles will be asked for next, in this order: they may be fetched ahead."""
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

    def announce(self, bundles: Sequence[str]) -> None:
        """Do nothing: a disk is fast."""


class AddressSource:
    """A registry's address as a source; bundles are fetched ahead, a few at a time.

    At most `_AHEAD` bundles of 16 MiB wait in memory. Use it in a `with` block, by one thread.
    """

    def __init__(self, url: str) -> None:
        self.client = RegistryClient(url)
        self.tile = self.client.tile
        self.entries = self.client.entries
        self._url = url
        self._local = threading.local()
        self._threads = ThreadPoolExecutor(_AHEAD, thread_name_prefix="weighbridge-fetch")
        self._coming: deque[str] = deque()
        self._running: dict[str, Future[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def announce(self, bundles: Sequence[str]) -> None:
        """Say which bundles will be asked for next."""
        self._coming = deque(dict.fromkeys(bundles))

    def bundle(self, sha256: str, /) -> bytes:
        """Give a bundle, fetched ahead or now; raises what its fetching raised."""
        self._fetch_ahead()
        running = self._running.pop(sha256, None)
        return self._fetch(sha256) if running is None else running.result()

    def _fetch_ahead(self) -> None:
        while self._coming and len(self._running) < _AHEAD:
            sha256 = self._coming.popleft()
            self._running[sha256] = self._threads.submit(self._fetch, sha256)

    def _fetch(self, sha256: str) -> bytes:
        client: RegistryClient | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = RegistryClient(self._url)
        return client.bundle(sha256)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a log was read: entries, and the root of the tree of just these."""

    size: int = 0
    root: bytes = tlog.EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it was read: `data` is the leaf's bytes, `raw` the bundle's.

    `raw` is None if the bundle is withheld; `withheld` is then the account that was given instead, and
    `admitted` what its operator says that it did. `admitted` is None if it was not applied: nobody
    asked, or nothing can be said because of this entry or one before it.
    """

    index: int
    data: bytes
    leaf: Leaf
    raw: bytes | None
    withheld: Withheld | None = None
    admitted: Admitted | WithheldEntry | None = None


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


class Reading:
    """One reading of the tree of a verified checkpoint, from `start` to `end` (else: all of it).

    Gives entries as they are, without asking what they mean. `complete` stays true as long as nothing
    was wrong; `withheld` counts bundles for which only the operator's word stands.
    """

    def __init__(
        self,
        source: Source,
        checkpoint: tlog.SignedCheckpoint,
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
        self.withheld = 0
        self._source = source
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

    def entries(self) -> Iterator[Entry]:
        """Yield entries in order; each leaf is the tree's, each bundle the leaf's, or withheld."""
        for place in range(self.start.size // tlog.TILE_WIDTH, -(-self.end // tlog.TILE_WIDTH)):
            leaves = self._leaves(place)
            self._source.announce([leaf.bundle_sha256 for _, _, leaf in leaves])
            for index, data, leaf in leaves:
                self.looked_at += 1
                entry = self._entry(index, data, leaf)
                if entry is not None:
                    yield entry

    def batches(self) -> Iterator[Batch]:
        """Yield the same entries, some at a time, within bounds of number and bytes."""
        waiting: list[Entry] = []
        try:
            for entry in self.entries():
                waiting.append(entry)
                if _is_full(waiting):
                    yield Batch(tuple(waiting), {})
                    waiting = []
        except WeighbridgeError:
            if waiting:
                yield Batch(tuple(waiting), {})  # what was read before the fault is good
            raise
        if waiting:
            yield Batch(tuple(waiting), {})

    def _leaves(self, place: int) -> list[tuple[int, bytes, Leaf]]:
        """Read the bundle of entries `place`: (index, leaf's bytes, leaf) of each one wanted."""
        width = tlog.tile_width(0, place, self.checkpoint.size)
        found: list[tuple[int, bytes, Leaf]] = []
        try:
            leaves = self.reader.entries(place, self._source.entries(place, width))
        except (OSError, WeighbridgeError) as error:
            self._broken("entries", tlog.entries_path(place, width), error)
            return found
        for index, data in enumerate(leaves, start=place * tlog.TILE_WIDTH):
            if not self.start.size <= index < self.end:
                continue
            try:
                found.append((index, data, parse_leaf(data)))
            except LogError as error:
                self.looked_at += 1
                self._broken("entries", f"entry {index}", error)
        return found

    def _entry(self, index: int, data: bytes, leaf: Leaf) -> Entry | None:
        """Give an entry with its bundle; None if that could not be had or is another."""
        try:
            raw = self._source.bundle(leaf.bundle_sha256)
        except WithheldError as error:
            self.withheld += 1
            return Entry(index, data, leaf, None, withheld=error.withheld)
        except (OSError, WeighbridgeError) as error:
            self._broken("entries", f"entry {index}: its bundle cannot be read", error)
            return None
        found = hashlib.sha256(raw).hexdigest()
        if found != leaf.bundle_sha256:
            wrong = ProofError(f"it has the digest {found}, not {leaf.bundle_sha256}")
            self._broken("entries", f"entry {index}: the bundle served for it is another", wrong)
            return None
        return Entry(index, data, leaf, raw)

    def _broken(self, step: str, where: str, error: Exception) -> None:
        """Report what is wrong; from here on nothing is applied."""
        self.complete = False
        self._fault(step, where, error)


class Replay(Reading):
    """A reading that also applies the entries. `state` holds the facts at `start`.

    Before the next batch is asked for, the facts of the last one must be in the state. `word_from` is the
    first entry for which the operator's word stands: what the state says from there on rests on it.
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
        super().__init__(source, checkpoint, start=start, end=end, fault=fault)
        self.applied = 0
        self.word_from: int | None = None
        self._owed: dict[str, int] = {}
        self._authenticate = authenticate
        self._state = state

    def batches(self) -> Iterator[Batch]:
        """Yield entries that may stand where they stand, with the facts that they write."""
        waiting: list[Entry] = []
        overlay = Overlay(self._state)
        try:
            for entry in self.entries():
                waiting.append(self._applied(entry, overlay))
                if _is_full(waiting):
                    yield Batch(tuple(waiting), overlay.facts)
                    waiting, overlay = [], Overlay(self._state)
        except WeighbridgeError:
            if waiting:
                yield Batch(tuple(waiting), overlay.facts)  # what may stand before the fault stands
            raise
        if waiting:
            yield Batch(tuple(waiting), overlay.facts)
        if self.complete and self.end == self.checkpoint.size:
            self._check_decided()

    def _applied(self, entry: Entry, overlay: Overlay) -> Entry:
        if not self.complete:
            return entry  # the facts before it are not known, so nothing can be said of it
        where = f"entry {entry.index}"
        try:
            if entry.raw is None:
                admitted: Admitted | WithheldEntry = self._believed(entry, overlay)
            else:
                candidate = read_candidate(entry.raw)
                admitted = apply(overlay, entry.index, entry.leaf, candidate, self._authenticate)
                if entry.index == 0:
                    self._check_genesis(admitted)
        except (RefusedError, WithheldError) as error:
            self._broken("replay", where, error)
            return entry
        self.applied += 1
        overlay.update(admitted.facts)
        return replace(entry, admitted=admitted)

    def _believed(self, entry: Entry, overlay: Overlay) -> WithheldEntry:
        """Apply a withheld entry by its operator's word, if the log has the decision that gives it."""
        facts = self._account(entry)
        if facts is None:
            raise WithheldError(
                "its statement is withheld with all that it did, so nothing after it can be judged",
                withheld=entry.withheld,
                hint="ask for a copy of the bundle elsewhere: a mirror that has it can still be replayed",
            )
        applied = apply_withheld(overlay, entry.index, entry.leaf, facts)
        self.word_from = entry.index if self.word_from is None else self.word_from
        return applied

    def _account(self, entry: Entry) -> Mapping[str, Fact] | None:
        """Return what the withheld entry did. An address proves the decision; a folder's must be found."""
        sha256, withheld = entry.leaf.bundle_sha256, entry.withheld
        if withheld is None or isinstance(self._source, FolderSource):
            self._owed[sha256] = 0
            return withheld.facts if withheld is not None else None
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


def _is_full(entries: Sequence[Entry]) -> bool:
    held = sum(len(entry.raw or b"") for entry in entries)
    return len(entries) >= BATCH_ENTRIES or held >= _BATCH_BYTES


def write_batch(connection: Connection, batch: Batch) -> None:
    """Write facts and views of a batch into a registry's database."""
    write_facts(connection, batch.facts)
    project(connection, batch.admitted)
