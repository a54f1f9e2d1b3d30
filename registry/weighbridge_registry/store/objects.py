# SPDX-License-Identifier: Apache-2.0
"""What a log and its statements are kept in: immutable objects under fixed names, and one checkpoint.

    checkpoint            the published checkpoint: the only object that is ever replaced
    tile/<L>/<N>[.p/<W>]  hashes, C2SP tlog-tiles paths; tile/entries/… bundles of entries
    bundles/<sha256>      signed statements
    blobs/<sha256>        attachments, gzip-compressed

The names are those of the addresses below which a registry serves the objects, so a cache can
read them where they lie. `Objects` says what every driver owes to the order of writes
(`log.writing`); `store.folders` keeps them in files, `store.buckets` in S3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from weighbridge import tlog
from weighbridge.errors import LogError
from weighbridge.tlog.tiles import MAX_ENTRY_SIZE

__all__ = [
    "CHECKPOINT",
    "IMMUTABLE",
    "Form",
    "Listed",
    "Objects",
    "Versioned",
    "check_length",
    "form_of",
    "other_bytes",
]

CHECKPOINT: Final = "checkpoint"
IMMUTABLE: Final = "public, max-age=31536000, immutable"
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Form:
    """What objects of one kind look like to whoever reads them over HTTP, and their largest size."""

    media_type: str
    limit: int
    """Bytes that one may have; more is never read."""
    cache_control: str = IMMUTABLE
    disposition: str = ""
    packed: bool = False
    """Whether to keep it gzip-compressed, as `Content-Encoding: gzip`, where the driver can say so."""


_CHECKPOINT_FORM: Final = Form("text/plain; charset=utf-8", 64 * 1024, cache_control="no-cache")
_FORMS: Final[tuple[tuple[re.Pattern[str], Form], ...]] = (
    (re.compile(CHECKPOINT), _CHECKPOINT_FORM),
    (
        re.compile(r"tile/entries/[x0-9/]{3,40}(?:\.p/[0-9]{1,3})?"),
        Form("application/octet-stream", tlog.TILE_WIDTH * (MAX_ENTRY_SIZE + 2), packed=True),
    ),
    (
        re.compile(r"tile/[0-9]{1,2}/[x0-9/]{3,40}(?:\.p/[0-9]{1,3})?"),
        Form("application/octet-stream", tlog.TILE_WIDTH * 32),
    ),
    (re.compile(r"bundles/[0-9a-f]{64}"), Form("application/json", 16 * _MIB)),
    (
        re.compile(r"blobs/[0-9a-f]{64}"),
        Form("application/gzip", 128 * _MIB, disposition="attachment"),
    ),
)


@dataclass(frozen=True, slots=True)
class Listed:
    """An object's name and its size in bytes as it is kept (a driver may compress it)."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Versioned:
    """The bytes of the checkpoint, and which of its versions they are: opaque, of one driver."""

    data: bytes
    version: str


class Objects(Protocol):
    """A driver. All methods may be called by several threads and processes at once.

    **Durability.** When `put`, `replace` or `delete` returns, its effect survives the end of the
    process, of the machine, and of its power. When one raises, nothing, a part or all of it may
    have happened; each may be done again.

    **Consistency.** An object is seen whole or not at all. What `put` or `replace` has returned
    for is seen by every later `get` of every process. Of two `replace` with the same `seen` one
    at most succeeds, however late the other comes: a process that slept can't move the
    checkpoint back.

    **Bounds.** No more of an object is read than its form allows; every call ends in bounded time.

    Besides what each method says, all raise `UnavailableError` if the storage can't be reached
    or does not do what it is asked. No error holds a credential.
    """

    @property
    def distant(self) -> bool:
        """Whether calls cross a network, so that it pays to keep what was read."""
        ...

    def get(self, name: str) -> bytes:
        """Return an object's bytes. Raises `FileNotFoundError`, `LogError` if it is over its limit."""
        ...

    def size(self, name: str) -> int:
        """Return an object's size in bytes, as kept. Raises `FileNotFoundError`."""
        ...

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Store immutable objects by their names. The same bytes again change nothing.

        Raises `LogError` if one of the names stands with other bytes, which stay.
        """
        ...

    def versioned(self) -> Versioned | None:
        """Return the checkpoint, or None before the first. Always asks the storage."""
        ...

    def replace(self, data: bytes, seen: str | None) -> str | None:
        """Replace the checkpoint if its version is still `seen` (None: if there is none).

        Returns the new version, or None if it is another one by now: then nothing was written.
        """
        ...

    def list(self, under: str = "") -> Iterator[Listed]:
        """List the objects below a folder of names, such as `tile` or `bundles`; empty for all."""
        ...

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects. Those that are not there are no error."""
        ...

    def discard(self, folders: Iterable[str]) -> None:
        """Delete all objects below these folders of names, now or later, or not: they may stay."""
        ...

    def close(self) -> None:
        """Let go of connections and threads. May be called twice; nothing else may be called after."""
        ...


def form_of(name: str) -> Form:
    """Return the form of an object; raises `LogError` for a name that none can have."""
    for pattern, form in _FORMS:
        if pattern.fullmatch(name):
            return form
    raise LogError("no object of a log has that name", evidence={"name": name[:200]})


def check_length(name: str, length: int) -> None:
    """Raise `LogError` for an object that is larger than its form allows."""
    limit = form_of(name).limit
    if length > limit:
        raise LogError(
            f"{name} is stored with more than the {limit} bytes that it may have",
            hint="something else than this registry has written there: weighbridge log fsck",
            evidence={"name": name, "bytes": length},
        )


def other_bytes(name: str) -> LogError:
    """Return the error for a name that stands with other bytes."""
    return LogError(
        f"{name} already stands with other bytes; a log never changes what it has written",
        hint="stop this registry, leave its data as it is, and run: weighbridge log fsck",
        evidence={"name": name},
    )
