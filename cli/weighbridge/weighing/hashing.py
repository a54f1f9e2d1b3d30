# SPDX-License-Identifier: Apache-2.0
"""Every digest of a file from one read of it.

A file's digests and those of its tensors must be of the same bytes, so a file is read once, into
buffers of our own, and each buffer is given to all hashes. Memory-mapping would be a little faster
and is not used: the bytes could change between two hashes, and a file that is cut short meanwhile
kills the process (SIGBUS).

Large files with several hashes are streamed through lanes: one thread per hash, a few buffers that
go round. hashlib and blake3 release the GIL for large updates, so lanes run on several cores.
"""

from __future__ import annotations

import hashlib
import mmap
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from weighbridge.errors import InputError

__all__ = [
    "ALGORITHMS",
    "GIT_MAX_BYTES",
    "Hash",
    "Interrupted",
    "SegmentHash",
    "Watch",
    "digest_of",
    "new_hash",
    "stream",
]

ALGORITHMS: Final = ("sha256", "blake2b", "blake3")
"""Hash algorithms of OMS v1.0. blake2b is the 64-byte one."""

GIT_MAX_BYTES: Final = 10 * 1024 * 1024
"""Largest file for which hubs show a git blob id; larger ones are in LFS and shown by SHA-256."""

_BUFFERS: Final = 2


class Hash(Protocol):
    """What hashlib's and blake3's objects have in common."""

    def update(self, data: Any, /) -> object:
        """Take more bytes."""
        ...

    def hexdigest(self) -> str:
        """Return the digest of all bytes so far in lowercase hex."""
        ...


def new_hash(algorithm: str, threads: int = 1) -> Hash:
    """Return a fresh hash; `threads` is how many blake3 may use for one update."""
    if algorithm == "sha256":
        return hashlib.sha256()
    if algorithm == "blake2b":
        return hashlib.blake2b()
    if algorithm == "blake3":
        from blake3 import blake3

        return blake3(max_threads=threads)
    raise InputError(f"Unknown hash algorithm {algorithm!r}.", hint=f"Use one of {', '.join(ALGORITHMS)}.")


def digest_of(algorithm: str, data: bytes) -> str:
    """Return the digest of `data` in lowercase hex."""
    digest = new_hash(algorithm)
    digest.update(data)
    return digest.hexdigest()


class Interrupted(Exception):  # noqa: N818 - a signal between our threads, never seen by callers
    """Another worker failed or the user stopped the run; this one ends without a result."""


class Watch:
    """Counts bytes for the progress display and tells all workers when to stop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.done = 0

    def add(self, count: int) -> None:
        """Count bytes as read; raises Interrupted after `stop`."""
        with self._lock:
            self.done += count
        if self._stop.is_set():
            raise Interrupted

    def stop(self) -> None:
        """Make every worker end at its next buffer."""
        self._stop.set()


class SegmentHash:
    """A digest of every range of a file, fed with the file's bytes in order.

    `ranges` are (start, end) with `end` exclusive, in file order, without overlaps; `new` makes a fresh
    hash for each. One object serves tensors as well as the shards of OMS v1.0 section 6.3.2.
    """

    def __init__(
        self, ranges: Sequence[tuple[int, int]], new: Callable[[], Hash] = hashlib.sha256, start: int = 0
    ) -> None:
        """Begin at byte `start` of the file."""
        self._ranges = ranges
        self._new = new
        self._next = 0
        self._position = start
        self._current = new()
        self.digests: list[str] = []

    def update(self, data: Any, /) -> None:
        """Take the next bytes of the file."""
        view = memoryview(data)
        begin, end = self._position, self._position + len(view)
        while self._next < len(self._ranges):
            first, last = self._ranges[self._next]
            if first > end or (first == end and last > end):
                break
            self._current.update(view[max(first, begin) - begin : max(min(last, end) - begin, 0)])
            if last > end:
                break
            self.digests.append(self._current.hexdigest())
            self._current = self._new()
            self._next += 1
        self._position = end

    def hexdigest(self) -> str:
        """Return the digest of the last range; `digests` has them all."""
        return self.digests[-1]


def stream(
    source: Any,
    hashes: Sequence[Hash],
    watch: Watch,
    *,
    chunk: int,
    lanes: bool,
    limit: int | None = None,
) -> int:
    """Feed the rest of a raw binary file, or `limit` bytes of it, to all hashes; return how many that were.

    With `lanes` each hash has a thread of its own, and reading overlaps with hashing. Buffers are few and
    small on purpose: measured, a piece that is still in the processor's cache when it is hashed counts for
    more than a longer queue.
    """
    limited = _Limited(source, limit) if limit is not None else source
    return _in_lanes(limited, hashes, watch, chunk) if lanes else _in_line(limited, hashes, watch, chunk)


def _new_buffer(size: int) -> memoryview:
    """Return writable memory that begins at a page's boundary.

    A large bytearray begins 16 bytes after one, and there some processors copy out of the page cache at a
    sixth of the speed (measured: their loads wait for stores to the same place in another page).
    """
    return memoryview(mmap.mmap(-1, size))


class _Limited:
    """A raw file that ends after `left` bytes."""

    def __init__(self, source: Any, left: int) -> None:
        self._source = source
        self._left = left

    def readinto(self, view: memoryview) -> int:
        count: int = self._source.readinto(view[: self._left])
        self._left -= count
        return count


def _in_line(source: Any, hashes: Sequence[Hash], watch: Watch, chunk: int) -> int:
    view = _new_buffer(chunk)
    total = 0
    while count := source.readinto(view):
        piece = view[:count]
        for one in hashes:
            one.update(piece)
        total += count
        watch.add(count)
    return total


class _Buffer:
    """A piece of a file on its way through the lanes; free again when the last lane is done."""

    def __init__(self, size: int) -> None:
        self.view = _new_buffer(size)
        self.filled = self.view[:0]
        self._users = 0
        self._lock = threading.Lock()

    def lend(self, count: int, users: int) -> None:
        self.filled = self.view[:count]
        self._users = users

    def give_back(self) -> bool:
        with self._lock:
            self._users -= 1
            return self._users == 0


def _in_lanes(source: Any, hashes: Sequence[Hash], watch: Watch, chunk: int) -> int:
    free: queue.SimpleQueue[_Buffer] = queue.SimpleQueue()
    for _ in range(_BUFFERS + len(hashes) - 1):
        free.put(_Buffer(chunk))
    inboxes: list[queue.SimpleQueue[_Buffer | None]] = [queue.SimpleQueue() for _ in hashes]
    threads = [
        threading.Thread(target=_lane, args=(one, inbox, free), daemon=True)
        for one, inbox in zip(hashes, inboxes, strict=True)
    ]
    for thread in threads:
        thread.start()
    total = 0
    try:
        while True:
            buffer = free.get()
            count = source.readinto(buffer.view)
            if not count:
                return total
            buffer.lend(count, len(hashes))
            for inbox in inboxes:
                inbox.put(buffer)
            total += count
            watch.add(count)
    finally:
        for inbox in inboxes:
            inbox.put(None)
        for thread in threads:
            thread.join()


def _lane(one: Hash, inbox: queue.SimpleQueue[_Buffer | None], free: queue.SimpleQueue[_Buffer]) -> None:
    """Hash whatever comes; updating a hash with a buffer in memory does not fail."""
    while (buffer := inbox.get()) is not None:
        one.update(buffer.filled)
        if buffer.give_back():
            free.put(buffer)
