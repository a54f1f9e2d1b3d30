# SPDX-License-Identifier: Apache-2.0
"""The right edge of a tree: all that a writer must know of a log to add to it.

A log signs the tree that it computes from its edge. So what a disk or a bucket gives for an edge
is hashed up to the current root before anything is added to it: a storage that loses, cuts or
changes bytes can stop a log, and never make it sign a second tree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hmac import compare_digest

from weighbridge import tlog
from weighbridge.errors import ProofError

__all__ = ["Edge", "Growth"]


@dataclass(frozen=True, slots=True)
class Edge:
    """The partial tiles of a tree of `size` entries, and the entries of its partial bundle."""

    size: int
    root: bytes
    tiles: Mapping[tlog.Tile, bytes]
    entries: tuple[bytes, ...]

    @classmethod
    def read(
        cls,
        size: int,
        root: bytes | None,
        read_tile: tlog.TileFetch,
        read_entries: Callable[[int, int], bytes],
    ) -> Edge:
        """Read the edge of the tree with this root; raises `ProofError` if what is read is of another.

        Without `root` the edge is only known to agree with itself: compare what grows from it.
        """
        tiles = {tile: read_tile(*tile) for tile in tlog.edge_tiles(size)}
        found = tlog.edge_root(size, lambda *tile: tiles[tile])
        if root is not None and not compare_digest(found, root):
            raise ProofError(
                f"the tiles stored are not those of the tree of {size} entries",
                evidence={"size": size, "root": root.hex(), "found": found.hex()},
            )
        index, kept = divmod(size, tlog.TILE_WIDTH)
        entries = tlog.parse_entry_bundle(read_entries(index, kept), kept) if kept else []
        hashes = b"".join(tlog.leaf_hash(entry) for entry in entries)
        if kept and not compare_digest(hashes, tiles[0, index, kept]):
            raise ProofError(
                f"the entries stored as {tlog.entries_path(index, kept)} are not those of the tree",
                evidence={"size": size, "root": found.hex()},
            )
        return cls(size, found, tiles, tuple(entries))

    def grow(self, leaves: Sequence[bytes]) -> Growth:
        """Add entries: pure, and proportional to their number."""
        size = self.size + len(leaves)
        new = tlog.new_tiles(
            self.size, [tlog.leaf_hash(leaf) for leaf in leaves], lambda *tile: self.tiles[tile]
        )
        tiles = {tile: new[tile] if tile in new else self.tiles[tile] for tile in tlog.edge_tiles(size)}
        root = tlog.edge_root(size, lambda *tile: tiles[tile])
        entries = (*self.entries, *leaves)
        kept = size % tlog.TILE_WIDTH
        return Growth(self, Edge(size, root, tiles, entries[len(entries) - kept :]), new)


@dataclass(frozen=True, slots=True)
class Growth:
    """An edge before and after entries were added, and the tiles that this makes."""

    before: Edge
    after: Edge
    tiles: Mapping[tlog.Tile, bytes]
