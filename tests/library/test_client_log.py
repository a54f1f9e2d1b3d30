# SPDX-License-Identifier: Apache-2.0
"""The log through the client: consistency from tiles that a server may delete, forge or lose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.library.servers import Asked, Handler, scripted_server
from tests.library.test_client import LOG, client, says
from weighbridge import transport
from weighbridge.client import RegistryClient
from weighbridge.errors import ForkError, ProofError, UnavailableError
from weighbridge.tlog import (
    Checkpoint,
    SignedCheckpoint,
    Signer,
    Tile,
    entry_bundle,
    leaf_hash,
    new_tiles,
    parse_checkpoint,
    parse_tile_path,
    root_hash,
    sign_checkpoint,
    verify_consistency,
)

ENTRIES = [b"entry %d" % number for number in range(700)]


def tiles_of_history(entries: list[bytes]) -> dict[Tile, bytes]:
    tiles: dict[Tile, bytes] = {}
    for size in range(0, len(entries), 100):
        leaves = [leaf_hash(entry) for entry in entries[size : size + 100]]
        tiles.update(new_tiles(size, leaves, lambda *tile: tiles[tile]))
    return tiles


def checkpoint(entries: list[bytes]) -> SignedCheckpoint:
    root = root_hash(map(leaf_hash, entries))
    signed = sign_checkpoint(Checkpoint(LOG.name, len(entries), root), LOG)
    return parse_checkpoint(signed, [LOG.verifier])


@pytest.fixture
def tile_server() -> Iterator[tuple[RegistryClient, dict[Tile, bytes], list[Asked]]]:
    """A log of 700 entries whose partial tiles below full ones were deleted, as logs may do."""
    tiles = tiles_of_history(ENTRIES)
    full = {(level, index) for level, index, width in tiles if width == 256}
    tiles = {tile: data for tile, data in tiles.items() if tile[2] == 256 or tile[:2] not in full}

    def serve(handler: Handler, asked: Asked) -> None:
        level, index, width = parse_tile_path(asked.path[1:])
        if level is None:
            body = entry_bundle(ENTRIES[index * 256 : (index + 1) * 256]) if width == 256 else None
        else:
            body = tiles.get((level, index, width))
        if body is None:
            handler.answer(404, b"{}")
        else:
            handler.answer(200, body, "application/octet-stream")

    with scripted_server(serve) as server:
        yield client(server.url), tiles, server.asked


def test_consistency_is_proved_from_tiles(
    tile_server: tuple[RegistryClient, dict[Tile, bytes], list[Asked]],
) -> None:
    registry, _, asked = tile_server
    new = checkpoint(ENTRIES)
    for size in (0, 1, 99, 256, 300, 699, 700):
        old = checkpoint(ENTRIES[:size])
        verify_consistency(size, 700, registry.consistency(old, new), old.root, new.root)
    assert len(asked) <= 5, "verified tiles are kept"


def test_a_deleted_partial_tile_is_taken_from_the_full_one(
    tile_server: tuple[RegistryClient, dict[Tile, bytes], list[Asked]],
) -> None:
    registry, _, asked = tile_server
    old, middle = checkpoint(ENTRIES[:50]), checkpoint(ENTRIES[:200])
    registry.consistency(old, middle)
    assert [one.path for one in asked] == ["/tile/0/000.p/200", "/tile/0/000"]
    assert registry.reader(middle).entries(0, registry.entries(0, 200)) == ENTRIES[:200]


def test_another_beginning_is_a_fork_with_both_checkpoints(
    tile_server: tuple[RegistryClient, dict[Tile, bytes], list[Asked]],
) -> None:
    registry = tile_server[0]
    new = checkpoint(ENTRIES)
    private = checkpoint([*ENTRIES[:60], b"for the victim only"])
    with pytest.raises(ForkError, match="does not begin with that of size 61") as caught:
        registry.consistency(private, new)
    assert caught.value.evidence["checkpoints"] == [private.data.decode(), new.data.decode()]
    with pytest.raises(ForkError):
        registry.consistency(checkpoint([b"other", *ENTRIES[1:]]), new)


def test_forged_tiles_prove_no_fork_but_nothing_else_either(
    tile_server: tuple[RegistryClient, dict[Tile, bytes], list[Asked]],
) -> None:
    registry, tiles, _ = tile_server
    tiles[0, 0, 256] = bytes(8192)
    with pytest.raises(ProofError, match="its parent commits to") as caught:
        registry.consistency(checkpoint(ENTRIES[:50]), checkpoint(ENTRIES))
    assert not isinstance(caught.value, ForkError)


def test_a_log_that_lost_its_tiles_leaves_the_question_open(
    tile_server: tuple[RegistryClient, dict[Tile, bytes], list[Asked]],
) -> None:
    registry, tiles, _ = tile_server
    tiles.clear()
    with pytest.raises(UnavailableError, match="does not serve the tree of size 700"):
        registry.consistency(checkpoint(ENTRIES[:50]), checkpoint(ENTRIES))


def test_two_logs_and_a_shrinking_one_have_no_consistency(
    tile_server: tuple[RegistryClient, dict[Tile, bytes], list[Asked]],
) -> None:
    registry = tile_server[0]
    other = Signer("log.example/two", bytes(32))
    foreign = sign_checkpoint(Checkpoint(other.name, 1, bytes(32)), other)
    with pytest.raises(ProofError, match="two logs"):
        registry.consistency(parse_checkpoint(foreign, [other.verifier]), checkpoint(ENTRIES))
    with pytest.raises(ProofError, match="cannot extend"):
        registry.consistency(checkpoint(ENTRIES), checkpoint(ENTRIES[:600]))


def test_the_checkpoint_is_fetched_as_it_is() -> None:
    data = checkpoint(ENTRIES).data
    with scripted_server(says(data, content_type="text/plain; charset=utf-8")) as server:
        assert client(server.url).checkpoint() == data


def test_the_proxy_of_the_environment_is_used_but_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = {"https_proxy": "http://proxy.example:3128"}
    monkeypatch.setenv("https_proxy", environment["https_proxy"])
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    find = lambda url: transport._proxy(transport.urlsplit(url), environment)  # noqa: E731
    assert find("https://registry.example") == "http://proxy.example:3128"
    for url in ("https://localhost:1", "https://127.0.0.1:8484", "https://[::1]:1"):
        assert find(url) is None
    assert transport._proxy(transport.urlsplit("https://registry.example"), {}) is None
