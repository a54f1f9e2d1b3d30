# SPDX-License-Identifier: Apache-2.0
"""Shards: a file as consecutive ranges of one size, each with a digest of its own (OMS v1.0 section 6.3.2).

A file of no bytes has no shards, so a manifest of shards does not know it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["DEFAULT_SHARD_SIZE", "MIN_SHARD_SIZE", "Sharding"]

DEFAULT_SHARD_SIZE: Final = 1_000_000_000
"""Bytes that the specification proposes for a shard."""

MIN_SHARD_SIZE: Final = 1_000_000
"""Smallest shard that is signed here; smaller ones only make a manifest that nobody can handle."""


class Sharding(NamedTuple):
    """How files are cut: the hash of each shard, and its size in bytes."""

    algorithm: str
    size: int

    def count(self, file_size: int) -> int:
        """Return how many shards a file of this many bytes has."""
        return -(-file_size // self.size)

    def ranges(self, file_size: int, first: int = 0, count: int | None = None) -> list[tuple[int, int]]:
        """Return (start, end) of `count` shards from number `first` on, by default of all."""
        last = self.count(file_size) if count is None else min(first + count, self.count(file_size))
        return [(n * self.size, min((n + 1) * self.size, file_size)) for n in range(first, last)]
