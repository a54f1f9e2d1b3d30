# SPDX-License-Identifier: Apache-2.0
"""Tiles: a log's tree cut into files of 256 hashes (C2SP tlog-tiles), written and read.

A tile is named by (level, index, width): its hashes are those of the complete subtrees of
256^level entries, number index·256 … index·256 + width - 1. Full tiles are 256 wide and never
change; a tree's right edge is made of partial tiles.

Whoever reads believes nothing: `TileReader` hashes the right edge up to the checkpoint's root,
and every other tile up to its entry in its parent, before one hash of it is used
(CVE-2026-56865 was a reader that did not).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from hmac import compare_digest

from weighbridge.errors import ProofError
from weighbridge.tlog.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    MAX_TREE_SIZE,
    Node,
    consistency_proof,
    fold,
    inclusion_proof,
    leaf_hash,
    node_hash,
    range_nodes,
)

__all__ = [
    "MAX_ENTRY_SIZE",
    "TILE_HEIGHT",
    "TILE_WIDTH",
    "Tile",
    "TileFetch",
    "TileReader",
    "edge_root",
    "edge_tiles",
    "entries_path",
    "entry_bundle",
    "new_tiles",
    "parse_entry_bundle",
    "parse_tile_path",
    "tile_path",
    "tile_width",
    "tiles_of",
]

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
MAX_ENTRY_SIZE = 65_535
_MAX_LEVEL = 63
_CACHED_TILES = 512
_CACHED_NODES = 8192

Tile = tuple[int, int, int]
"""(level, index, width)."""

TileFetch = Callable[[int, int, int], bytes]
"""Gives the bytes of the tile (level, index, width); raises if it cannot."""

_GROUPS = r"(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
_PATH = re.compile(r"tile/(?P<level>entries|0|[1-9][0-9]?)/" + _GROUPS, re.ASCII)


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Name a tile of hashes: `tile/<level>/<index>[.p/<width>]`, below the log's prefix."""
    if not 0 <= level <= _MAX_LEVEL:
        raise ProofError(f"no tile has the level {level}")
    return f"tile/{level}/{_index_path(index, width)}"


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """Name a bundle of entries: `tile/entries/<index>[.p/<width>]`, below the log's prefix."""
    return f"tile/entries/{_index_path(index, width)}"


def parse_tile_path(path: str) -> tuple[int | None, int, int]:
    """Read a path that `tile_path` or `entries_path` writes, and no other: (level, index, width).

    The level is None for entries. Raises `ProofError`.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise ProofError("not the path of a tile", evidence={"path": path[:200]})
    level = None if match["level"] == "entries" else int(match["level"])
    index = int(re.sub(r"[x/]", "", match["index"]))
    width = int(match["width"] or TILE_WIDTH)
    spelt = entries_path(index, width) if level is None else tile_path(level, index, width)
    if spelt != path:
        raise ProofError("not the path of a tile", evidence={"path": path[:200]})
    return level, index, width


def tile_width(level: int, index: int, size: int) -> int:
    """Hashes in a tile of the tree of `size` entries: 256, less at the right edge, 0 if there is none."""
    return max(0, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH))


def edge_tiles(size: int) -> list[Tile]:
    """List the partial tiles of a tree, lowest level first: together they hold its root."""
    edge: list[Tile] = []
    for level in range(_levels(size)):
        hashes = size >> TILE_HEIGHT * level
        if hashes % TILE_WIDTH:
            edge.append((level, hashes // TILE_WIDTH, hashes % TILE_WIDTH))
    return edge


def tiles_of(size: int) -> Iterator[Tile]:
    """List every tile of a tree of `size` entries, full and partial, level by level."""
    for level in range(_levels(size)):
        hashes = size >> TILE_HEIGHT * level
        for index in range(hashes // TILE_WIDTH):
            yield level, index, TILE_WIDTH
        if hashes % TILE_WIDTH:
            yield level, hashes // TILE_WIDTH, hashes % TILE_WIDTH


def edge_root(size: int, read_tile: TileFetch) -> bytes:
    """Compute the root of a tree from its partial tiles alone (at most eight are read)."""
    return _root_of_edge({tile: _read_tile(read_tile, tile) for tile in edge_tiles(size)})


def new_tiles(old_size: int, leaf_hashes: Sequence[bytes], read_tile: TileFetch) -> dict[Tile, bytes]:
    """Compute the tiles that appending entries to a tree adds.

    `read_tile` is asked for the partial tiles of the old tree only. The answer holds each newly
    full tile and the new partial tile of each level that changed; tiles are never changed, so
    old partial ones may stay or be deleted once the full one stands (tlog-tiles, "Partial
    Tiles"). The work is proportional to the entries added.
    """
    if not 0 <= old_size <= old_size + len(leaf_hashes) <= MAX_TREE_SIZE:
        raise ProofError(f"{len(leaf_hashes)} entries cannot be appended to {old_size}")
    tiles: dict[Tile, bytes] = {}
    level, added = 0, list(leaf_hashes)
    while added:
        first, kept = divmod(old_size >> TILE_HEIGHT * level, TILE_WIDTH)
        before = _read_tile(read_tile, (level, first, kept)) if kept else b""
        hashes = before + b"".join(added)
        added = []
        for start in range(0, len(hashes), TILE_WIDTH * HASH_SIZE):
            tile = hashes[start : start + TILE_WIDTH * HASH_SIZE]
            index = first + start // (TILE_WIDTH * HASH_SIZE)
            tiles[level, index, len(tile) // HASH_SIZE] = tile
            if len(tile) == TILE_WIDTH * HASH_SIZE:
                added.append(_subtree(tile))
        level += 1
    return tiles


class TileReader:
    """Proofs from the tiles of one tree, each authenticated before it is used.

    `fetch` gets (level, index, width) and gives bytes from wherever: they are checked here.
    `size` and `root` come from a checkpoint whose signature was verified. A proof reads a
    number of tiles that is logarithmic in the size; some hundreds of verified tiles are kept.
    Every method raises `ProofError` if what was fetched is not of this tree.
    """

    def __init__(self, fetch: TileFetch, size: int, root: bytes) -> None:
        self.size = size
        self.root = root
        self._fetch = fetch
        self._edge: dict[Tile, bytes] | None = None
        self._full: OrderedDict[Tile, bytes] = OrderedDict()
        self._nodes: dict[Node, bytes] = {}

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Build the proof that entry `index` is in this tree."""
        return inclusion_proof(index, self.size, self.hashes)

    def consistency_proof(self, old_size: int) -> list[bytes]:
        """Build the proof that this tree begins with the tree of its first `old_size` entries."""
        return consistency_proof(old_size, self.size, self.hashes)

    def root_at(self, old_size: int) -> bytes:
        """Compute the root that the log had at `old_size` entries (at most the size of this tree)."""
        if not 0 <= old_size <= self.size:
            raise ProofError(f"a tree of {self.size} entries does not reach {old_size}")
        nodes = range_nodes(0, old_size)
        return fold(self.hashes(nodes)) if nodes else EMPTY_ROOT

    def leaf_hashes(self, index: int) -> list[bytes]:
        """Give the leaf hashes of the entries index·256 … of the level-0 tile `index`."""
        width = tile_width(0, index, self.size)
        return _hashes(self.tile(0, index)) if width else []

    def entries(self, index: int, data: bytes) -> list[bytes]:
        """Read the bundle of entries beside the level-0 tile `index`, each checked against its hash."""
        expected = self.leaf_hashes(index)
        entries = parse_entry_bundle(data, len(expected))
        for place, (entry, leaf) in enumerate(zip(entries, expected, strict=True)):
            if not compare_digest(leaf_hash(entry), leaf):
                raise ProofError(
                    f"entry {index * TILE_WIDTH + place} is not the one that the tree commits to",
                    evidence={"index": index * TILE_WIDTH + place, "root": self.root.hex()},
                )
        return entries

    def hashes(self, nodes: Sequence[Node]) -> list[bytes]:
        """Give the hashes of complete subtrees: the `HashReader` of this tree."""
        return [self._node(level, index) for level, index in nodes]

    def tile(self, level: int, index: int) -> bytes:
        """Give a tile of this tree, verified up to the root."""
        width = tile_width(level, index, self.size)
        if width <= 0:
            raise ProofError(f"a tree of {self.size} entries has no tile {level}/{index}")
        if width < TILE_WIDTH:
            return self._verified_edge()[level, index, width]
        return self._verified_full((level, index, width))

    def _node(self, level: int, index: int) -> bytes:
        """Hash of one complete subtree, from the tile whose hashes lie below it.

        Those that had to be computed are kept, some thousands of them: proofs of neighbours share most.
        """
        if (level, index) in self._nodes:
            return self._nodes[level, index]
        tile_level, rest = divmod(level, TILE_HEIGHT)
        start = index << rest
        tile = self.tile(tile_level, start // TILE_WIDTH)
        place = start % TILE_WIDTH * HASH_SIZE
        part = tile[place : place + (HASH_SIZE << rest)]
        if len(part) != HASH_SIZE << rest:
            raise ProofError(f"a tree of {self.size} entries has no subtree {level}/{index}")
        if not rest:
            return part
        if len(self._nodes) >= _CACHED_NODES:
            self._nodes.clear()
        self._nodes[level, index] = _subtree(part)
        return self._nodes[level, index]

    def _verified_edge(self) -> dict[Tile, bytes]:
        """Fetch the partial tiles once and hash them up to the root."""
        if self._edge is None:
            edge = {tile: _read_tile(self._fetch, tile) for tile in edge_tiles(self.size)}
            if not compare_digest(_root_of_edge(edge), self.root):
                raise ProofError(
                    "the tiles served are not of the tree that the checkpoint commits to",
                    hint="the log is broken or lies; keep its checkpoint and tell others",
                    evidence={"size": self.size, "root": self.root.hex()},
                )
            self._edge = edge
        return self._edge

    def _verified_full(self, tile: Tile) -> bytes:
        """Fetch a full tile and compare its hash with its entry in its parent, itself verified."""
        if tile in self._full:
            self._full.move_to_end(tile)
            return self._full[tile]
        level, index, _ = tile
        parent = self.tile(level + 1, index // TILE_WIDTH)
        place = index % TILE_WIDTH * HASH_SIZE
        data = _read_tile(self._fetch, tile)
        if not compare_digest(_subtree(data), parent[place : place + HASH_SIZE]):
            raise ProofError(
                f"the tile {tile_path(level, index)} is not the one that its parent commits to",
                hint="the log is broken or lies; keep its checkpoint and tell others",
                evidence={"tile": tile_path(level, index), "size": self.size, "root": self.root.hex()},
            )
        self._full[tile] = data
        if len(self._full) > _CACHED_TILES:
            self._full.popitem(last=False)
        return data


def entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Spell entries as a bundle: each after its length as a big-endian uint16."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_SIZE:
            raise ProofError(f"an entry of {len(entry)} bytes: a log takes {MAX_ENTRY_SIZE}")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def parse_entry_bundle(data: bytes, width: int) -> list[bytes]:
    """Read a bundle that must hold exactly `width` entries; raises `ProofError`."""
    entries: list[bytes] = []
    place = 0
    for _ in range(width):
        start = place + 2
        place = start + int.from_bytes(data[place:start], "big")
        if start > len(data) or place > len(data):
            raise ProofError(f"a bundle of entries ends within entry {len(entries)} of {width}")
        entries.append(data[start:place])
    if place != len(data):
        raise ProofError(f"a bundle of entries goes on after its {width} entries")
    return entries


def _index_path(index: int, width: int) -> str:
    """Spell an index in groups of three digits, and the width of a partial tile."""
    if index < 0 or not 0 < width <= TILE_WIDTH:
        raise ProofError(f"no tile has the index {index} and the width {width}")
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    path = "/".join(reversed(groups))
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def _levels(size: int) -> int:
    """Levels of tiles that a tree has."""
    return (size.bit_length() + TILE_HEIGHT - 1) // TILE_HEIGHT


def _read_tile(read: TileFetch, tile: Tile) -> bytes:
    """Read a tile and check its length, before anything is made of it."""
    data = read(*tile)
    if len(data) != tile[2] * HASH_SIZE:
        raise ProofError(
            f"the tile {tile_path(*tile)} has {len(data)} bytes, not {tile[2] * HASH_SIZE}",
            evidence={"tile": tile_path(*tile), "bytes": len(data)},
        )
    return data


def _hashes(data: bytes) -> list[bytes]:
    return [data[place : place + HASH_SIZE] for place in range(0, len(data), HASH_SIZE)]


def _subtree(data: bytes) -> bytes:
    """Hash a power of two of concatenated hashes into the one above them."""
    row = _hashes(data)
    while len(row) > 1:
        row = [node_hash(row[place], row[place + 1]) for place in range(0, len(row), 2)]
    return row[0]


def _root_of_edge(edge: dict[Tile, bytes]) -> bytes:
    """Fold the partial tiles, given lowest level first, into the root of their tree."""
    subtrees: list[bytes] = []
    for (_, _, width), data in reversed(edge.items()):
        for level, start in range_nodes(0, width):
            place = (start << level) * HASH_SIZE
            subtrees.append(_subtree(data[place : place + (HASH_SIZE << level)]))
    return fold(subtrees) if subtrees else EMPTY_ROOT
