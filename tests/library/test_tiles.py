# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.errors import ProofError
from weighbridge.tlog import (
    consistency_proof,
    hashes_of,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)
from weighbridge.tlog.tiles import (
    TILE_WIDTH,
    Tile,
    TileReader,
    edge_root,
    edge_tiles,
    entries_path,
    entry_bundle,
    new_tiles,
    parse_entry_bundle,
    parse_tile_path,
    tile_path,
    tiles_of,
)

ENTRIES = [b"entry %d" % number for number in range(70_000)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


class Disk(dict[Tile, bytes]):
    """Tiles as a log keeps them; counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: Counter[Tile] = Counter()

    def read(self, level: int, index: int, width: int) -> bytes:
        self.reads[level, index, width] += 1
        return self[level, index, width]

    def append(self, old_size: int, leaves: list[bytes]) -> None:
        written = new_tiles(old_size, leaves, self.read)
        assert all(self.get(tile, data) == data for tile, data in written.items()), "a tile changed"
        self.update(written)

    def reader(self, size: int, root: bytes | None = None) -> TileReader:
        return TileReader(self.read, size, root_hash(LEAVES[:size]) if root is None else root)


@pytest.fixture(scope="module")
def big() -> Disk:
    disk = Disk()
    disk.append(0, LEAVES)
    return disk


def test_a_tree_of_70000_has_the_tiles_of_the_specification(big: Disk) -> None:
    assert set(big) == set(tiles_of(70_000))
    assert Counter((level, width) for level, _, width in big) == {
        (0, 256): 273,
        (0, 112): 1,
        (1, 256): 1,
        (1, 17): 1,
        (2, 1): 1,
    }
    assert edge_root(70_000, big.read) == root_hash(LEAVES)


def test_the_root_is_that_of_another_implementation() -> None:
    """Known answer of aics-tlog 0.2.1, `build-tiles` over the lines `leaf 0` to `leaf 69999`."""
    tiles = new_tiles(0, [leaf_hash(b"leaf %d" % number) for number in range(70_000)], Disk().read)
    root = edge_root(70_000, lambda *tile: tiles[tile])
    assert base64.b64encode(root).decode() == "2gUy/3su5W9AZxEPyWTp8ntZWflSe//z+lAap1hN6vM="


def test_a_tree_of_256_has_a_full_tile_and_a_partial_one_above() -> None:
    assert list(tiles_of(256)) == [(0, 0, 256), (1, 0, 1)]
    assert list(tiles_of(0)) == []
    assert edge_tiles(65_536) == [(2, 0, 1)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 400), max_size=12))
def test_random_batches_give_the_naive_tree(batches: list[int]) -> None:
    disk, size = Disk(), 0
    for batch in batches:
        disk.append(size, LEAVES[size : size + batch])
        size += batch
        assert edge_root(size, disk.read) == root_hash(LEAVES[:size])
    at_once = Disk()
    at_once.append(0, LEAVES[:size])
    assert set(at_once) == set(tiles_of(size))
    for tile, data in at_once.items():
        assert disk[tile] == data


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_proofs_from_tiles_are_those_of_the_tree(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 1200))
    disk = Disk()
    disk.append(0, LEAVES[:size])
    root, naive = root_hash(LEAVES[:size]), hashes_of(LEAVES[:size])
    reader = disk.reader(size, root)
    index = data.draw(st.integers(0, size - 1))
    assert reader.inclusion_proof(index) == inclusion_proof(index, size, naive)
    old = data.draw(st.integers(0, size))
    assert reader.consistency_proof(old) == consistency_proof(old, size, naive)
    assert reader.root_at(old) == root_hash(LEAVES[:old])


def test_proofs_of_a_large_tree_hold_and_read_few_tiles(big: Disk) -> None:
    root = root_hash(LEAVES)
    for index in (0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999):
        big.reads.clear()
        proof = big.reader(70_000, root).inclusion_proof(index)
        verify_inclusion(index, 70_000, LEAVES[index], proof, root)
        assert sum(big.reads.values()) <= 5
    for old in (1, 255, 256, 257, 65_536, 69_999, 70_000):
        big.reads.clear()
        proof = big.reader(70_000, root).consistency_proof(old)
        verify_consistency(old, 70_000, proof, root_hash(LEAVES[:old]), root)
        assert sum(big.reads.values()) <= 6


def test_every_tile_is_fetched_once(big: Disk) -> None:
    big.reads.clear()
    reader = big.reader(70_000)
    for index in range(0, 70_000, 97):
        reader.inclusion_proof(index)
    assert set(big.reads.values()) == {1}


def test_the_cache_of_tiles_is_bounded(big: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weighbridge.tlog.tiles._CACHED_TILES", 4)
    reader = big.reader(70_000)
    for index in range(0, 70_000, 997):
        verify_inclusion(index, 70_000, LEAVES[index], reader.inclusion_proof(index), reader.root)
    assert len(reader._full) <= 4


@pytest.mark.parametrize("tile", [(0, 3, 256), (0, 273, 112), (1, 0, 256), (1, 1, 17), (2, 0, 1)])
def test_a_forged_tile_is_caught_against_its_parent(big: Disk, tile: Tile) -> None:
    """CVE-2026-56865: a tile whose hashes are used before they are hashed up to the root."""
    level, index, _ = tile
    forged = Disk()
    forged.update(big)
    forged[tile] = bytes((big[tile][0] ^ 1,)) + big[tile][1:]
    reader = forged.reader(70_000)
    entry = index * TILE_WIDTH << 8 * level
    with pytest.raises(ProofError, match="commit"):
        reader.inclusion_proof(entry + 1)
    with pytest.raises(ProofError, match="commit"):
        reader.tile(level, index)


def test_a_forged_tile_with_a_matching_forged_parent_is_caught(big: Disk) -> None:
    """The attacker re-hashes the whole path, and cannot change the signed root."""
    forged = Disk()
    forged.append(0, [leaf_hash(b"forged"), *LEAVES[1:]])
    with pytest.raises(ProofError, match="checkpoint commits to"):
        forged.reader(70_000, root_hash(LEAVES)).inclusion_proof(0)


def test_tiles_of_another_length_are_refused(big: Disk) -> None:
    for change in (b"", big[0, 0, 256][:-32], big[0, 0, 256] + bytes(32), big[0, 0, 256][:-1]):
        forged = Disk()
        forged.update(big)
        forged[0, 0, 256] = change
        with pytest.raises(ProofError, match="bytes, not 8192"):
            forged.reader(70_000).inclusion_proof(0)


def test_an_inner_tile_cannot_stand_for_a_lower_one(big: Disk) -> None:
    forged = Disk()
    forged.update(big)
    forged[0, 0, 256] = big[1, 0, 256]
    with pytest.raises(ProofError):
        forged.reader(70_000).leaf_hashes(0)


def test_entries_are_checked_against_their_hashes(big: Disk) -> None:
    reader = big.reader(70_000)
    assert reader.entries(273, entry_bundle(ENTRIES[69_888:])) == ENTRIES[69_888:]
    swapped = [ENTRIES[1], ENTRIES[0], *ENTRIES[2:256]]
    with pytest.raises(ProofError, match="entry 0 is not the one"):
        reader.entries(0, entry_bundle(swapped))
    with pytest.raises(ProofError, match="ends within"):
        reader.entries(0, entry_bundle(ENTRIES[:255]))
    with pytest.raises(ProofError, match="goes on after"):
        reader.entries(0, entry_bundle(ENTRIES[:257]))
    assert reader.leaf_hashes(274) == []


def test_what_lies_outside_the_tree_is_refused(big: Disk) -> None:
    reader = big.reader(70_000)
    for index in (70_000, 2**62, -1):
        with pytest.raises(ProofError):
            reader.inclusion_proof(index)
    for size in (70_001, -1):
        with pytest.raises(ProofError):
            reader.consistency_proof(size)
        with pytest.raises(ProofError):
            reader.root_at(size)
    with pytest.raises(ProofError, match="no tile"):
        reader.tile(0, 274)
    with pytest.raises(ProofError, match="no subtree"):
        reader.hashes([(7, 546)])


def test_an_empty_log_has_the_empty_root() -> None:
    reader = TileReader(Disk().read, 0, root_hash([]))
    assert reader.root_at(0) == root_hash([])
    assert reader.consistency_proof(0) == []


@given(st.lists(st.binary(max_size=70), max_size=20))
def test_bundling_entries_and_reading_them_are_inverse(entries: list[bytes]) -> None:
    assert parse_entry_bundle(entry_bundle(entries), len(entries)) == entries


def test_the_longest_entry_and_no_longer_one() -> None:
    entry = bytes(65_535)
    assert parse_entry_bundle(entry_bundle([entry]), 1) == [entry]
    with pytest.raises(ProofError, match="65535"):
        entry_bundle([entry + b"\x00"])


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x05abcd", b"\xff\xff", b"\x00\x00\x00"])
def test_malformed_bundles_are_refused(data: bytes) -> None:
    with pytest.raises(ProofError):
        parse_entry_bundle(data, 1)


def test_paths_are_those_of_the_specification() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(2, 0, 1) == "tile/2/000.p/1"
    assert entries_path(273, 112) == "tile/entries/273.p/112"


@given(level=st.none() | st.integers(0, 63), index=st.integers(0, 2**55), width=st.integers(1, 256))
def test_naming_tiles_and_reading_names_are_inverse(level: int | None, index: int, width: int) -> None:
    path = entries_path(index, width) if level is None else tile_path(level, index, width)
    assert parse_tile_path(path) == (level, index, width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/0/../000",
        "tile/data/000",
        "tile/0/\u0660\u0660\u0660",
        "/tile/0/000",
        "tile/0/" + "x999/" * 5000 + "999",
    ],
)
def test_other_spellings_of_paths_are_refused(path: str) -> None:
    with pytest.raises(ProofError):
        parse_tile_path(path)


def test_impossible_tiles_have_no_name() -> None:
    for tile in ((64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)):
        with pytest.raises(ProofError):
            tile_path(*tile)


def test_leaves_of_the_tree_are_not_taken_for_nodes() -> None:
    assert node_hash(LEAVES[0], LEAVES[1]) != leaf_hash(LEAVES[0] + LEAVES[1])
