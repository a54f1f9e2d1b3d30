# SPDX-License-Identifier: Apache-2.0
"""The read path as C2SP tlog-tiles words it: paths, types, caching, coding, what is not there."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.outside.logs import append
from weighbridge import tlog
from weighbridge_registry.api import create_api
from weighbridge_registry.api.tiles import takes_gzip
from weighbridge_registry.log.writing import Log
from weighbridge_registry.service import open_service
from weighbridge_registry.settings import Settings

SIZES = (1, 255, 256, 300, 600)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A log that has published checkpoints of each of these sizes."""
    data: Path = tmp_path_factory.mktemp("tiles") / "data"
    service = open_service(Settings(data=data, public_sigstore=False))
    for size in SIZES[1:]:
        append(Log(service.database, service.folder.log, service.keys.log), size)
    yield TestClient(create_api(service), headers={"accept-encoding": "identity"})
    service.close()


def test_the_checkpoint_is_text_and_is_asked_for_anew(log: TestClient) -> None:
    answer = log.get("/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    note = tlog.split_note(answer.content)
    assert tlog.parse_checkpoint_text(note[0]).size == 600
    assert len(note[1]) == 1


@pytest.mark.parametrize("path", ["/tile/0/000", "/tile/0/002.p/88", "/tile/1/000.p/2", "/tile/entries/001"])
def test_tiles_and_entries_are_octets_for_ever(log: TestClient, path: str) -> None:
    answer = log.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("size", SIZES)
def test_every_tile_of_every_published_size_is_served_at_its_width(log: TestClient, size: int) -> None:
    """Partial tiles of sizes that had a checkpoint stay readable when the full tile stands."""
    read: dict[tlog.Tile, bytes] = {}
    for level, index, width in tlog.tiles_of(size):
        answer = log.get(f"/{tlog.tile_path(level, index, width)}")
        assert answer.status_code == 200, (level, index, width)
        assert len(answer.content) == width * 32
        read[level, index, width] = answer.content
        if level == 0:
            bundle = log.get(f"/{tlog.entries_path(index, width)}").content
            hashes = b"".join(map(tlog.leaf_hash, tlog.parse_entry_bundle(bundle, width)))
            assert hashes == answer.content
    assert tlog.edge_root(size, lambda level, index, width: read[level, index, width])


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/002",  # not full yet
        "/tile/0/002.p/89",  # more than there is
        "/tile/0/003.p/1",
        "/tile/1/000",
        "/tile/1/000.p/3",
        "/tile/2/000.p/1",  # empty: 600 entries have two levels
        "/tile/63/000.p/1",
        "/tile/63/000",
        "/tile/entries/002",
        "/tile/entries/002.p/89",
        "/tile/entries/003.p/1",
        "/tile/0/x999/x999/x999/x999/x999/x999/999",
        "/tile/entries/x009/x223/x372/x036/x854/x775/807",  # the tile of entry 2^63 and beyond
    ],
)
def test_what_the_tree_does_not_have_is_not_found_and_that_is_not_cached(log: TestClient, path: str) -> None:
    """It may exist tomorrow: a cache that kept the 404 would hide it."""
    answer = log.get(path)
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/000.p/01",
        "/tile/0/000.p/088",
        "/tile/00/000",
        "/tile/01/000",
        "/tile/64/000",
        "/tile/-1/000",
        "/tile/+1/000",
        "/tile/0/0",
        "/tile/0/0000",
        "/tile/0/x000/000",
        "/tile/0/000/001",
        "/tile/0/x001",
        "/tile/0/X001/000",
        "/tile/0/000/",
        "/tile/0/000.p/",
        "/tile/0/000.p",
        "/tile/0/%D9%A0%D9%A0%D9%A0",  # digits, but not ASCII
        "/tile/entries/000.p/0",
        "/tile/data/000",  # static-ct-api's name
        "/tile/8/0/000",  # the checksum database's height
        "/tile/0/%2e%2e/0/000",
        "/tile/",
        "/tile",
    ],
)
def test_a_path_has_one_spelling(log: TestClient, path: str) -> None:
    assert log.get(path).status_code == 404


def test_entries_are_compressed_for_who_takes_it_and_caches_are_told(log: TestClient) -> None:
    plain = log.get("/tile/entries/000")
    assert "content-encoding" not in plain.headers
    packed = log.get("/tile/entries/000", headers={"accept-encoding": "gzip, identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < len(plain.content) // 4
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    assert plain.headers["etag"] != packed.headers["etag"]


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("gzip;q=1.000", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("gzipped", False),
        ("gzip;q=nan", False),
        ("gzip;q=-1", False),
    ],
)
def test_gzip_only_for_those_who_said_so(accepted: str, *, taken: bool) -> None:
    assert takes_gzip(accepted) is taken


@pytest.mark.parametrize("path", ["/checkpoint", "/tile/0/000", "/tile/entries/000"])
def test_who_has_it_already_is_told_so(log: TestClient, path: str) -> None:
    first = log.get(path)
    tag = first.headers["etag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = log.get(path, headers={"if-none-match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == first.headers["cache-control"]
    assert log.get(path, headers={"if-none-match": '"other"'}).content == first.content


def test_half_a_tile_is_not_served(log: TestClient) -> None:
    """A range may be ignored (RFC 9110 section 14.2); a reader gets the whole, and is told beforehand."""
    answer = log.get("/tile/0/000", headers={"range": "bytes=0-31"})
    assert (answer.status_code, len(answer.content)) == (200, 8192)
    assert answer.headers["accept-ranges"] == "none"


@pytest.mark.parametrize("path", ["/checkpoint", "/tile/0/000", "/tile/entries/000", "/tile/9/000"])
def test_head_says_what_get_would(log: TestClient, path: str) -> None:
    get, head = log.get(path), log.head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    for name in ("content-length", "content-type", "cache-control"):
        assert head.headers[name] == get.headers[name]
    assert head.headers.get("etag") == get.headers.get("etag")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nobody_writes_a_tile(log: TestClient, method: str) -> None:
    for path in ("/checkpoint", "/tile/0/000", "/tile/entries/000"):
        assert log.request(method, path).status_code == 405


def test_a_tile_is_the_same_bytes_whoever_compresses(log: TestClient) -> None:
    """`gzip` writes a time into its header unless it is told not to: a cache would see another body."""
    bodies = set()
    for _ in range(2):
        with log.stream("GET", "/tile/entries/000", headers={"accept-encoding": "gzip"}) as answer:
            bodies.add(b"".join(answer.iter_raw()))
    (body,) = bodies
    assert gzip.decompress(body) == log.get("/tile/entries/000").content
