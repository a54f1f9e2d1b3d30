# SPDX-License-Identifier: Apache-2.0
"""Which files of a model need not be hashed again: those that nothing has touched since they were.

A table says how each file stood when it was listed for hashing. A file that stands exactly so still has the
bytes that were hashed then: whatever writes to a file, renames it or sets its times gives it a new ctime,
which no program can choose. The digests themselves are not in the table; they are those of the signed bundle.

Pure: listings and bytes in, decisions out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from weighbridge import canonical
from weighbridge.errors import BundleError

from .shards import Sharding
from .tree import MAX_FILES, Listed

__all__ = ["MARGIN_NS", "MAX_TABLE_BYTES", "NO_REUSE", "FileTable", "Reuse", "Standing"]

MARGIN_NS: Final = 3 * 10**9
"""A file that was touched less than this before it was listed is hashed again.

Within one tick of a file system's clock a second change leaves no trace in the times ("racy git"). The
coarsest tick in use is FAT's, two seconds; the rest is for a file server's clock that is a little behind.
"""

MAX_TABLE_BYTES: Final = 64 * 1024 * 1024
"""Longest table that is kept or read; 100,000 files with long names fit."""

_VERSION: Final = 1
_MEMBERS: Final = frozenset({"v", "bundle", "listed_at", "files"})
_LONGEST_NUMBER: Final = 20


@dataclass(frozen=True, slots=True)
class FileTable:
    """How the files of a signed model stood when they were listed for hashing.

    `bundle` is the SHA-256 (hex) of the bundle's bytes, `listed_at` in nanoseconds since 1970.
    """

    bundle: str
    listed_at: int
    files: Mapping[str, Listed]

    def encode(self) -> bytes:
        """Return the table's bytes; numbers that JSON would round are text."""
        rows = [[file.path, *map(str, file[1:])] for file in self.files.values()]
        value = {"v": _VERSION, "bundle": self.bundle, "listed_at": str(self.listed_at), "files": rows}
        return canonical.encode(value) + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> FileTable:
        """Read a table strictly; raises `BundleError` for what `encode` does not write."""
        value = canonical.decode(data, max_bytes=MAX_TABLE_BYTES, max_depth=4)
        if not isinstance(value, dict) or value.keys() != _MEMBERS or value["v"] != _VERSION:
            raise BundleError("it is no table of files of version 1")
        bundle, rows = value["bundle"], value["files"]
        if not isinstance(bundle, str) or not isinstance(rows, list) or len(rows) > MAX_FILES:
            raise BundleError("its members are not those of a table of files")
        files = {file.path: file for file in map(_row, rows)}
        if len(files) != len(rows):
            raise BundleError("it has a file twice")
        return cls(bundle, _number(value["listed_at"]), files)


def _row(row: Any) -> Listed:
    match row:
        case [str(path), size, mtime, ctime, inode, device]:
            return Listed(path, *map(_number, (size, mtime, ctime, inode, device)))
    raise BundleError("one of its rows does not describe a file")


def _number(text: Any) -> int:
    digits = text.removeprefix("-") if isinstance(text, str) else ""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_NUMBER):
        raise BundleError("one of its numbers is none")
    return int(text)


class Standing(StrEnum):
    """How a file stands to the table; the value is the word for it."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    NEW = "new"
    UNTRUSTED = "on a file system that does not tell when a file was last changed"
    FRESH = "touched so shortly before the older signing that a later change might not show"


@dataclass(frozen=True, slots=True)
class Reuse:
    """What an older signature spares: its digests, by file, and the table of how the files stood.

    Without a table nothing is spared, and `reason` says why. `digests` are one of each file, or those of its
    shards in order where the signature is of shards (`sharding`). Times on `untrusted` devices say nothing.
    """

    table: FileTable | None = None
    digests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sharding: Sharding | None = None
    untrusted: frozenset[int] = frozenset()
    reason: str = ""

    def standing(self, file: Listed) -> Standing:
        """Tell how a listed file stands to the table."""
        before = self.table.files.get(file.path) if self.table is not None else None
        if self.table is None or before is None or len(self.known(file)) != self._wanted(file):
            return Standing.NEW
        if before != file:
            return Standing.CHANGED
        if file.device in self.untrusted:
            return Standing.UNTRUSTED
        touched = max(file.mtime_ns, file.ctime_ns)
        return Standing.UNCHANGED if touched + MARGIN_NS < self.table.listed_at else Standing.FRESH

    def known(self, file: Listed) -> tuple[str, ...]:
        """Return the digests that were signed of the file of this path; a file of no bytes has no shards."""
        return self.digests.get(file.path, ())

    def _wanted(self, file: Listed) -> int:
        return 1 if self.sharding is None else self.sharding.count(file.size)

    def why_hashed(self, files: Iterable[Listed]) -> str:
        """Say in a sentence why what was not spared was not; "" if there is nothing to say."""
        if self.table is None:
            return self.reason
        found = Counter(self.standing(file) for file in files)
        told = [f"{found[one]} {one}" for one in Standing if found[one] and one is not Standing.UNCHANGED]
        return ", ".join(told)


NO_REUSE: Final = Reuse()
"""Every file is hashed."""
