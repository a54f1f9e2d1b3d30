# SPDX-License-Identifier: Apache-2.0
"""What every driver owes: bytes under a name never change, and the checkpoint moves from what was seen."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.registry.s3 import KEY_ID, S3, SECRET, answering, running_proxy
from weighbridge import tlog
from weighbridge.errors import ConfigurationError, ForkError, LogError, NoteError, UnavailableError
from weighbridge_registry.store.buckets import open_bucket
from weighbridge_registry.store.files import DigestFiles, LogFiles
from weighbridge_registry.store.folders import FolderObjects
from weighbridge_registry.store.objects import Objects

TILE, PARTIAL, ENTRIES = "tile/0/000", "tile/0/001.p/3", "tile/entries/000"
BUNDLE, BLOB = f"bundles/{'ab' * 32}", f"blobs/{'cd' * 32}"


@pytest.fixture(params=["folder", "bucket"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Objects]:
    if request.param == "folder":
        driver: Objects = FolderObjects(tmp_path)
    else:
        server: S3 = request.getfixturevalue("s3")
        driver = open_bucket(server.address(f"contract/{tmp_path.name}"))
    yield driver
    driver.close()


def names(objects: Objects, under: str = "") -> set[str]:
    return {one.name for one in objects.list(under)}


def test_what_was_put_is_there_and_may_be_put_again(objects: Objects) -> None:
    several = {TILE: b"t" * 8192, PARTIAL: b"p" * 96, ENTRIES: b"e" * 300, BUNDLE: b"{}", BLOB: b"z"}
    for _ in range(2):
        objects.put(several)
    assert {name: objects.get(name) for name in several} == several
    assert names(objects) == set(several)
    assert names(objects, "tile/0/001.p") == {PARTIAL}
    assert names(objects, "tile/0/002.p") == set()
    assert names(objects, "bundles") == {BUNDLE}
    assert names(objects, "blobs") == {BLOB}
    assert objects.size(TILE) == 8192


def test_other_bytes_under_the_same_name_are_refused_and_the_old_ones_stay(objects: Objects) -> None:
    for name in (TILE, ENTRIES, BUNDLE):
        objects.put({name: b"first"})
        for other in (b"other", b"firs", b"first and more"):
            with pytest.raises(LogError, match="never changes"):
                objects.put({name: other})
        assert objects.get(name) == b"first"


def test_what_is_not_there(objects: Objects) -> None:
    for ask in (objects.get, objects.size):
        with pytest.raises(FileNotFoundError):
            ask(TILE)
    assert objects.versioned() is None
    objects.delete([TILE, BUNDLE])
    objects.discard(["tile/0/000.p"])


@pytest.mark.parametrize(
    "name", ["", "x", "tile/0/../../keys/log.key", "bundles/AB", "checkpoint/x", "/etc/passwd"]
)
def test_a_name_that_no_object_can_have(objects: Objects, name: str) -> None:
    for ask in (
        objects.get,
        objects.size,
        lambda one: objects.put({one: b""}),
        lambda one: objects.delete([one]),
    ):
        with pytest.raises(LogError, match="no object"):
            ask(name)


def test_deleted_is_deleted(objects: Objects) -> None:
    objects.put({BUNDLE: b"{}", TILE: b"t"})
    objects.delete([BUNDLE])
    assert names(objects) == {TILE}


def test_the_checkpoint_moves_only_from_the_version_that_was_seen(objects: Objects) -> None:
    first = objects.replace(b"one", None)
    assert first is not None
    assert objects.replace(b"two", None) is None
    second = objects.replace(b"two", first)
    assert second is not None
    assert objects.replace(b"back to one", first) is None, "a process that slept"
    now = objects.versioned()
    assert now is not None
    assert (now.data, now.version) == (b"two", second)


def test_of_many_writers_one_wins(tmp_path: Path) -> None:
    several = [FolderObjects(tmp_path) for _ in range(8)]
    seen = several[0].replace(b"start", None)
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda place: several[place].replace(b"%d" % place, seen), range(8)))
    assert sum(version is not None for version in won) == 1


def test_too_much_is_never_read(objects: Objects, s3: S3, tmp_path: Path) -> None:
    """Somebody has put a file of any size where a tile should be."""
    if isinstance(objects, FolderObjects):
        objects.put({TILE: b"t"})
        objects.path(TILE).write_bytes(b"t" * 8193)
    else:
        s3.overwrite(f"contract/{tmp_path.name}/{TILE}", b"t" * 8193)
    with pytest.raises(LogError, match="more than the 8192 bytes"):
        objects.get(TILE)


def note(size: int, root: bytes = b"r" * 32, origin: str = "log.example.org") -> bytes:
    return tlog.sign_checkpoint(tlog.Checkpoint(origin, size, root), tlog.Signer.generate(origin))


def test_a_published_checkpoint_never_goes_back(objects: Objects) -> None:
    files, sleeper = LogFiles(objects), LogFiles(objects)
    files.publish(note(5))
    sleeper.publish(note(6))
    files.publish(note(9))
    with pytest.raises(LogError, match="not taken back to 7"):
        sleeper.publish(note(7))
    with pytest.raises(ForkError) as forked:
        sleeper.publish(note(9, b"x" * 32))
    assert {"published", "new"} <= forked.value.evidence.keys()
    with pytest.raises(ForkError):
        sleeper.publish(note(10, origin="other.example.org"))
    cosigned = note(9)
    sleeper.publish(cosigned)
    assert files.published() == sleeper.published() == cosigned


def test_a_checkpoint_that_is_none(objects: Objects) -> None:
    objects.replace(b"hello", None)
    with pytest.raises(NoteError):
        LogFiles(objects).publish(note(5))


def test_a_bundle_that_was_changed_is_not_given_out(objects: Objects) -> None:
    objects.put({BUNDLE: b"not what its name says"})
    with pytest.raises(LogError, match="has the digest"):
        DigestFiles(objects, "bundles", verified=True).read("ab" * 32)


def test_a_cache_can_serve_the_bucket_as_it_is(s3: S3) -> None:
    """The same headers as the registry's own answers."""
    objects = open_bucket(s3.address("served"))
    leaves = [b"leaf %d" % number for number in range(256)]
    tiles = tlog.new_tiles(0, [tlog.leaf_hash(leaf) for leaf in leaves], lambda *_tile: b"")
    files = LogFiles(objects)
    files.append(0, leaves, tiles)
    files.publish(note(256))
    objects.put({BUNDLE: b"{}", BLOB: gzip.compress(b"# Tiny")})
    wanted = {
        "checkpoint": ("text/plain; charset=utf-8", "no-cache", None),
        TILE: ("application/octet-stream", "public, max-age=31536000, immutable", None),
        ENTRIES: ("application/octet-stream", "public, max-age=31536000, immutable", "gzip"),
        BUNDLE: ("application/json", "public, max-age=31536000, immutable", None),
        BLOB: ("application/gzip", "public, max-age=31536000, immutable", None),
    }
    found = {name: s3.object(f"served/{name}") for name in wanted}
    headers = ("Content-Type", "Cache-Control", "Content-Encoding")
    assert {name: tuple(one.headers.get(key) for key in headers) for name, one in found.items()} == wanted
    assert gzip.decompress(found[ENTRIES].data) == tlog.entry_bundle(leaves)
    assert found[BLOB].headers["Content-Disposition"] == "attachment"
    objects.close()


@pytest.mark.parametrize(
    ("damaged", "told"),
    [
        (b"no gzip", "not gzip"),
        (gzip.compress(b"e" * 100, mtime=0)[:-4], "cut off"),
        (gzip.compress(b"e" * 100, mtime=0) + b"more", "goes on"),
        (gzip.compress(bytes(17_000_000)), "more than"),
    ],
    ids=["other bytes", "cut off", "goes on", "too much"],
)
def test_compressed_bytes_that_lie(s3: S3, damaged: bytes, told: str) -> None:
    with running_proxy(s3) as proxy:
        objects = open_bucket(proxy.address("bombs"), write=False)
        with (
            proxy.fault(answering(200, damaged, ("Content-Encoding", "gzip")), "GET", ENTRIES),
            pytest.raises(LogError, match=told),
        ):
            objects.get(ENTRIES)
        objects.close()


def test_full_tiles_take_the_place_of_partial_ones(objects: Objects) -> None:
    files, signed = LogFiles(objects), 0
    for count in (100, 100, 56, 20):
        leaves = [b"leaf %d" % (signed + place) for place in range(count)]
        files.append(
            signed, leaves, tlog.new_tiles(signed, [tlog.leaf_hash(x) for x in leaves], files.read_tile)
        )
        signed += count
    deadline = time.monotonic() + 20
    while names(objects, "tile/0/000.p") | names(objects, "tile/entries/000.p"):  # a bucket's go later
        assert time.monotonic() < deadline
        time.sleep(0.02)
    left = names(objects, "tile")
    assert {TILE, ENTRIES, "tile/0/001.p/20", "tile/entries/001.p/20", "tile/1/000.p/1"} <= left
    assert files.read_tile(0, 0, 100) == files.read_tile(0, 0, 256)[:3200]
    assert len(tlog.parse_entry_bundle(files.read_entries(0, 200), 200)) == 200
    assert files.reaches_beyond(275)
    assert not files.reaches_beyond(276)


BAD = {
    "s3://": "bucket's name",
    "s3://UPPER/x": "bucket's name",
    "https://bucket/x": "bucket's name",
    "s3://some-bucket/a//b": "prefix",
    "s3://some-bucket/../b": "prefix",
    "s3://some-bucket/b?key=x": "options are",
    "s3://some-bucket/b?timeout=never": "timeout",
    "s3://some-bucket/b?timeout=0": "timeout",
    "s3://some-bucket/b?credentials=abc": "environment",
    f"s3://{KEY_ID}:{SECRET}@some-bucket/b": "password",
    f"s3://some-bucket/b?endpoint=http://u:{SECRET}@127.0.0.1/": "endpoint",
    "s3://some-bucket/b?endpoint=ftp://127.0.0.1/": "endpoint",
    "s3://some-bucket/b?region=a%20b": "region",
}


@pytest.mark.parametrize("url", BAD)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match=BAD[url]) as refused:
        open_bucket(url)
    assert SECRET not in f"{refused.value} {refused.value.hint} {refused.value.evidence}"
    assert refused.value.exit_code == 2


def test_a_bucket_that_is_missing_is_no_empty_one(s3: S3) -> None:
    with pytest.raises(ConfigurationError, match="NoSuchBucket") as refused:
        open_bucket(s3.address("x", bucket="never-made"))
    assert "make the bucket first" in refused.value.hint


def test_without_credentials_nobody_is_asked(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ConfigurationError, match="no credentials") as refused:
        open_bucket(s3.address("x"))
    assert "AWS_ACCESS_KEY_ID" in refused.value.hint


def test_refused_credentials_and_their_secret(s3: S3) -> None:
    """The storage repeats what it was sent, as some do; nobody else does."""
    body = (
        f"<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>{KEY_ID}</AWSAccessKeyId>"
        f"<StringToSign>{SECRET}</StringToSign></Error>"
    ).encode()
    with (
        running_proxy(s3) as proxy,
        proxy.fault(answering(403, body)),
        pytest.raises(ConfigurationError, match="403 SignatureDoesNotMatch") as refused,
    ):
        open_bucket(proxy.address("x"))
    error: BaseException | None = refused.value
    while error is not None:
        text = f"{error!r} {vars(error)}"
        assert KEY_ID not in text
        assert SECRET not in text
        assert error.__suppress_context__ or error.__context__ is None
        error = error.__cause__
    assert "s3:ListBucket" in refused.value.hint


@pytest.mark.parametrize("condition", ["if-none-match", "if-match"])
def test_a_storage_that_ignores_conditions_is_refused(s3: S3, condition: str) -> None:
    """Two registries on it would overwrite each other's checkpoint."""
    with running_proxy(s3) as proxy:
        proxy.ignored = condition
        with pytest.raises(ConfigurationError, match="does not decide between two writers"):
            open_bucket(proxy.address("careless"))
        open_bucket(proxy.address("careless"), write=False).close()


def test_a_storage_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(UnavailableError, match="no whole answer"):
        open_bucket(S3(1).address("x", timeout="0.5"))
