# SPDX-License-Identifier: Apache-2.0
"""Logs that other programs have written are read by ours, proofs, growth and all."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.outside.logs import build_checker, peer, run
from weighbridge import tlog
from weighbridge.errors import NoteError, ProofError

SIZES = (1, 255, 256, 257, 512, 1000, 65_537)
NAME = "stranger.example/log"

Written = tuple[Path, dict[str, str]]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("x/mod", marks=pytest.mark.needs("go")),
        pytest.param("aics-tlog", marks=pytest.mark.needs("peers")),
        pytest.param("tlog-scales", marks=pytest.mark.needs("peers")),
    ],
)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A log in a folder, as its writer left it, and the keys that sign it."""
    folder = tmp_path_factory.mktemp("written")
    sizes = [str(size) for size in SIZES]
    log = folder / "log"
    if request.param == "x/mod":
        return log, run(build_checker(folder), "write", log, NAME, *sizes)
    return log, peer("aics_writer" if request.param == "aics-tlog" else "scales_writer", log, NAME, *sizes)


def fetching(folder: Path) -> tlog.TileFetch:
    def fetch(level: int, index: int, width: int) -> bytes:
        path = folder / tlog.tile_path(level, index, width)
        if not path.exists():  # pruned once the full tile stood, as a log may
            path = folder / tlog.tile_path(level, index)
        return path.read_bytes()[: width * 32]

    return fetch


def tiles_read(tiles: dict[tlog.Tile, bytes]) -> tlog.TileFetch:
    return lambda level, index, width: tiles[level, index, width]


def bundle(folder: Path, index: int, width: int) -> bytes:
    path = folder / tlog.entries_path(index, width)
    if path.exists():
        return path.read_bytes()
    entries = tlog.parse_entry_bundle((folder / tlog.entries_path(index)).read_bytes(), 256)
    return tlog.entry_bundle(entries[:width])


def test_every_checkpoint_opens_and_leads_to_the_next(written: Written) -> None:
    folder, keys = written
    heads = [
        tlog.parse_checkpoint((folder / f"checkpoint-{size}").read_bytes(), list(keys.values()))
        for size in SIZES
    ]
    assert [head.size for head in heads] == list(SIZES)
    assert {head.origin for head in heads} == {NAME}
    assert all(len(head.note.verified) == len(keys) for head in heads)
    reader = tlog.TileReader(fetching(folder), heads[-1].size, heads[-1].root)
    for old in heads:
        assert reader.root_at(old.size) == old.root
        proof = reader.consistency_proof(old.size)
        tlog.verify_consistency(old.size, heads[-1].size, proof, old.root, heads[-1].root)


@pytest.mark.parametrize("size", SIZES)
def test_entries_are_proved_from_foreign_tiles(written: Written, size: int) -> None:
    folder, keys = written
    head = tlog.parse_checkpoint((folder / f"checkpoint-{size}").read_bytes(), list(keys.values()))
    reader = tlog.TileReader(fetching(folder), head.size, head.root)
    chance = random.Random(size)  # noqa: S311 - places to look at
    numbers = {0, size - 1, size // 2, *(chance.randrange(size) for _ in range(20))}
    for number in numbers:
        index, place = divmod(number, 256)
        entries = reader.entries(index, bundle(folder, index, tlog.tile_width(0, index, size)))
        assert entries[place] == b"entry %d" % number
        proof = reader.inclusion_proof(number)
        tlog.verify_inclusion(number, size, tlog.leaf_hash(entries[place]), proof, head.root)


def test_our_tiles_of_their_entries_are_their_tiles(written: Written) -> None:
    """Byte for byte: whatever batches a log grew by, its tiles are the same."""
    folder, _ = written
    tiles: dict[tlog.Tile, bytes] = {}
    hashes = [tlog.leaf_hash(b"entry %d" % number) for number in range(1000)]
    for start in range(0, 1000, 100):
        tiles |= tlog.new_tiles(start, hashes[start : start + 100], tiles_read(tiles))
    for tile in tlog.tiles_of(1000):
        assert fetching(folder)(*tile) == tiles[tile]


def test_a_foreign_log_is_not_believed_beyond_its_signature(written: Written) -> None:
    folder, keys = written
    data = (folder / "checkpoint-1000").read_bytes()
    with pytest.raises(NoteError, match="does not hold"):
        tlog.parse_checkpoint(data.replace(b"\n1000\n", b"\n1001\n"), list(keys.values()))
    head = tlog.parse_checkpoint(data, list(keys.values()))
    honest = fetching(folder)

    def lying(level: int, index: int, width: int) -> bytes:
        return bytes(32) + honest(level, index, width)[32:]

    reader = tlog.TileReader(lying, head.size, head.root)
    with pytest.raises(ProofError):
        reader.inclusion_proof(999)
