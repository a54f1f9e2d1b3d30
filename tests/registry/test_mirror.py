# SPDX-License-Identifier: Apache-2.0
"""Mirrors: what they hold is the log, whole; what is not the log's never gets in."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, digest_of, submit
from tests.registry.test_fsck import README
from tests.registry.test_tensors import FILES, TABLE, model_with, put
from weighbridge import tlog
from weighbridge.errors import ConfigurationError, ForkError, InputError, LogError, UndecidedError
from weighbridge.leaves import encode_leaf
from weighbridge_registry.api import create_api
from weighbridge_registry.fsck import fsck
from weighbridge_registry.mirroring import Mirror, Mirrored
from weighbridge_registry.read_only import open_read_only
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Settings

Answer = tuple[int, dict[str, str], bytes]


class Registry:
    """A registry in this process, behind real HTTP, whose operator can lie: `lies` change answers by path."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.service = open_service(Settings(data=data, public_sigstore=False))
        self.client = TestClient(create_api(self.service))
        self.publisher = Publisher(self.service.origin)
        self.vkey = str(self.client.get("/api/v1/log").json()["vkey"])
        self.lies: dict[str, Callable[[Answer], Answer]] = {}
        self.asked: list[str] = []
        self.url = ""
        self.number = 0

    def answer(self, path: str, headers: dict[str, str]) -> Answer:
        self.asked.append(path)
        kept = {name: value for name, value in headers.items() if name.lower() == "accept"}
        found = self.client.get(path, headers=kept | {"accept-encoding": "identity"})
        answer = found.status_code, {"content-type": found.headers["content-type"]}, found.content
        for prefix, lie in self.lies.items():
            if path.startswith(prefix):
                answer = lie(answer)
        return answer

    def publish(self, count: int = 1) -> None:
        for _ in range(count):
            self.number += 1
            files = {"a.safetensors": b"%d" % self.number}
            card = {"readme": {"sha256": digest_of(README), "size": len(README)}}
            release = self.publisher.release("tiny", str(self.number), files, card=card)
            submit(self.client, self.publisher.oms(files), release)

    def signer(self) -> tlog.Signer:
        return tlog.Signer.from_private_key((self.data / "keys" / "log.key").read_text())


@contextmanager
def served(registry: Registry) -> Iterator[Registry]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = registry.answer(self.path, dict(self.headers))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    registry.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
        registry.service.close()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with served(Registry(tmp_path / "registry")) as one:
        submit(one.client, *one.publisher.start())
        one.publish(2)
        submit(one.client, one.publisher.release("table", "1", FILES, model=model_with(TABLE)))
        assert one.client.put(f"/api/v1/blobs/{digest_of(README)}", content=README).status_code == 201
        assert put(one.client, TABLE).status_code == 201
        yield one


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy"


def mirror(registry: Registry, copy: Path) -> Mirrored:
    with Mirror(registry.url, copy, registry.vkey, public_sigstore=False) as one:
        return one.round()


def check(copy: Path) -> None:
    report = fsck(copy, public_sigstore=False)
    assert report.ok, report.to_json()


@contextmanager
def shown(copy: Path) -> Iterator[TestClient]:
    service = open_read_only(Settings(data=copy, public_sigstore=False, read_only=True))
    try:
        yield TestClient(create_api(service), raise_server_exceptions=False)
    finally:
        service.close()


@pytest.mark.everywhere
def test_a_copy_is_whole_and_answers_as_the_registry_does(registry: Registry, copy: Path) -> None:
    done = mirror(registry, copy)
    assert (done.size, done.new_entries, done.new_attachments, done.problems) == (8, 8, 2, ())
    check(copy)
    assert not (copy / "keys" / "log.key").exists()
    outside = fsck(registry.data, public_sigstore=False)
    assert fsck(copy, public_sigstore=False).state_digest == outside.state_digest
    with shown(copy) as client:
        for path in (
            "/checkpoint",
            "/tile/0/000.p/8",
            "/tile/entries/000.p/8",
            "/api/v1/log",
            "/api/v1/models",
            "/api/v1/models/acme/tiny/1",
            "/api/v1/models/acme/table/1/provenance",
            "/api/v1/namespaces/acme",
            f"/api/v1/blobs/{digest_of(README)}",
            f"/api/v1/blobs/{digest_of(TABLE)}",
        ):
            here, there = client.get(path), registry.client.get(path)
            assert (here.status_code, here.content) == (there.status_code, there.content), path
        asked = client.post("/api/v1/digests", json={"digests": [digest_of(b"1")]})
        assert asked.json()["unknown"] == 0


@pytest.mark.files
def test_a_copy_takes_no_statements_and_says_where_they_go(registry: Registry, copy: Path) -> None:
    mirror(registry, copy)
    with shown(copy) as client:
        for answer in (
            client.post("/api/v1/statements", content=registry.publisher.oms({"x": b"1"})),
            client.put(f"/api/v1/blobs/{digest_of(README)}", content=README),
        ):
            assert answer.status_code == 405
            assert answer.headers["allow"] == "GET, HEAD"
            assert registry.url in answer.json()["hint"]
    with pytest.raises(ConfigurationError, match=r"log\.key is missing"):
        open_service(Settings(data=copy))


def test_a_copy_follows_and_fetches_only_what_is_new(registry: Registry, copy: Path) -> None:
    mirror(registry, copy)
    registry.publish()
    registry.asked.clear()
    done = mirror(registry, copy)
    assert (done.size, done.new_entries, done.new_attachments) == (10, 2, 0)
    assert sum(path.startswith("/bundles/") for path in registry.asked) == 2
    check(copy)
    assert mirror(registry, copy).new_entries == 0


@pytest.mark.everywhere
def test_a_registrys_folder_is_shown_beside_the_process_that_writes_it(registry: Registry) -> None:
    """From a bucket, whose checkpoint is read again after a second, as well."""
    with shown(registry.data) as client:
        assert client.get("/api/v1/log").json()["size"] == 8
        registry.publish()
        deadline = time.monotonic() + 20
        while client.get("/api/v1/log").json()["size"] != 10:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert client.post("/api/v1/statements", content=b"{}").status_code == 405
        assert client.get("/api/v1/models/acme/tiny/3").status_code == 200


def test_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no log"):
        open_read_only(Settings(data=tmp_path, read_only=True))


class PowerCutError(Exception):
    """The machine went off."""


@pytest.mark.parametrize("step", ["_store", "_publish", "_replay", "_attachments"])
def test_a_mirror_that_was_killed_goes_on(
    registry: Registry, copy: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: Any = getattr(Mirror, step)

    def cut(self: Mirror, *arguments: Any) -> None:
        done(self, *arguments)
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Mirror, step, cut)
        with pytest.raises(PowerCutError):
            mirror(registry, copy)
    if step == "_store":
        assert not (copy / "public" / "checkpoint").exists(), "shown before it was whole"
    assert mirror(registry, copy).size == 8
    check(copy)


# An operator who lies


def other_bytes(answer: Answer) -> Answer:
    status, headers, body = answer
    place = len(body) // 2
    return status, headers, body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


def gone(answer: Answer) -> Answer:
    return 404, {"content-type": "text/plain"}, b"no"


def files_of(copy: Path) -> set[str]:
    public = copy / "public"
    return {
        str(path.relative_to(public))
        for path in public.rglob("*")
        if path.is_file() and path.name != ".tmp" and not path.name.startswith(".")
    }


LIES: dict[str, tuple[str, Callable[[Answer], Answer], type[Exception], str]] = {
    "a forged tile": ("/tile/0/", other_bytes, LogError, "not of the tree"),
    "a changed entry": ("/tile/entries/", other_bytes, LogError, "tree commits to|ends within"),
    "a swapped bundle": ("/bundles/", other_bytes, LogError, "serves other bytes"),
    "a withheld bundle": ("/bundles/", gone, UndecidedError, "does not know /bundles/"),
    "a checkpoint by nobody": ("/checkpoint", other_bytes, LogError, "checkpoint|note|signature"),
    "another attachment": ("/api/v1/blobs/", other_bytes, AssertionError, ""),
}


@pytest.mark.parametrize("lie", [name for name in LIES if name != "another attachment"])
def test_what_was_not_verified_is_not_stored(registry: Registry, copy: Path, lie: str) -> None:
    path, change, error, words = LIES[lie]
    registry.lies[path] = change
    with pytest.raises(error, match=words):
        mirror(registry, copy)
    assert files_of(copy) == set()
    registry.lies.clear()
    assert mirror(registry, copy).size == 8
    check(copy)


def test_an_attachment_with_other_bytes_is_refused_alone(registry: Registry, copy: Path) -> None:
    path, change, _, _ = LIES["another attachment"]
    registry.lies[path] = change
    done = mirror(registry, copy)
    assert (done.new_attachments, len(done.problems)) == (0, 2)
    assert not [path for path in (copy / "blobs").rglob("*") if path.is_file()]
    registry.lies[path] = gone
    assert mirror(registry, copy).absent_attachments == 2
    registry.lies.clear()
    assert mirror(registry, copy).new_attachments == 2
    check(copy)


def sign(registry: Registry, leaves: list[bytes]) -> tuple[bytes, dict[tlog.Tile, bytes]]:
    """Sign another tree with the log's own key, as its operator can."""
    hashes = [tlog.leaf_hash(leaf) for leaf in leaves]
    tiles = tlog.new_tiles(0, hashes, lambda *_: b"")
    signer = registry.signer()
    checkpoint = tlog.Checkpoint(signer.name, len(leaves), tlog.root_hash(hashes))
    return tlog.sign_checkpoint(checkpoint, signer), tiles


def serve(registry: Registry, leaves: list[bytes]) -> None:
    """Serve that other tree, every tile of it."""
    note, tiles = sign(registry, leaves)
    octets = {"content-type": "application/octet-stream"}
    registry.lies["/checkpoint"] = lambda _: (200, {"content-type": "text/plain"}, note)
    for tile, data in tiles.items():
        registry.lies[f"/{tlog.tile_path(*tile)}"] = lambda _, data=data: (200, octets, data)  # type: ignore[misc]  # bound now
    entries = tlog.entries_path(0, len(leaves))
    registry.lies[f"/{entries}"] = lambda _: (200, octets, tlog.entry_bundle(leaves))


def leaves_of(service: Service) -> list[bytes]:
    size = service.queries.log().size
    return tlog.parse_entry_bundle(service.folder.log.read_entries(0, size), size)


REWRITES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "rewrites an entry": (lambda leaves: [*leaves[:-1], encode_leaf("0" * 64, 2**33)], "two different trees"),
    "drops an entry": (lambda leaves: leaves[:-1], "showed a tree of size 8 before, and now one of size 7"),
    "drops one and goes on": (
        lambda leaves: [*leaves[:3], *leaves[4:], leaves[3], leaves[3]],
        "does not begin with that of size 8",
    ),
}


@pytest.mark.parametrize("forgets", [False, True], ids=["remembers", "forgets"])
@pytest.mark.parametrize("rewrite", REWRITES)
def test_an_operator_who_rewrites_history_is_caught(
    registry: Registry, copy: Path, rewrite: str, *, forgets: bool
) -> None:
    """With both checkpoints in a file, and with the copy as it was; also if the memory beside it is gone."""
    change, words = REWRITES[rewrite]
    mirror(registry, copy)
    held = (copy / "public" / "checkpoint").read_bytes()
    if forgets:
        shutil.rmtree(copy / "memory")
    serve(registry, change(leaves_of(registry.service)))
    with pytest.raises(ForkError, match=words if not forgets else "tree of size") as caught:
        mirror(registry, copy)
    evidence = json.loads(Path(caught.value.evidence["file"]).read_text())
    for note in evidence["checkpoints"]:
        tlog.parse_checkpoint(note.encode(), [registry.vkey])
    assert (copy / "public" / "checkpoint").read_bytes() == held
    registry.lies.clear()
    check(copy)


def test_two_trees_shown_to_two_mirrors_are_found_by_whoever_compares(
    registry: Registry, copy: Path, tmp_path: Path
) -> None:
    leaves = leaves_of(registry.service)
    mirror(registry, copy)
    registry.publish()
    serve(registry, [*leaves, encode_leaf("1" * 64, 2**33), encode_leaf("2" * 64, 2**33)])
    with pytest.raises(UndecidedError):
        mirror(registry, tmp_path / "other")  # its bundles do not exist
    other = tlog.parse_checkpoint(sign(registry, leaves[:7])[0], [registry.vkey])
    assert other.size == 7
    registry.lies.clear()
    mirror(registry, copy)
    serve(registry, [*leaves, encode_leaf("1" * 64, 2**33), encode_leaf("2" * 64, 2**33)])
    with pytest.raises(ForkError, match="two different trees of size 10"):
        mirror(registry, copy)


def test_an_entry_that_may_not_stand_is_named(registry: Registry, copy: Path) -> None:
    """The operator logs a release by somebody who does not own the namespace."""
    thief = Publisher(registry.service.origin, "thief", "acme")
    bundles = [thief.introduction(), thief.release("tiny", "9", {"a": b"evil"})]
    stored = {digest_of(bundle): bundle for bundle in bundles}
    late = 2**33
    leaves = [*leaves_of(registry.service), *(encode_leaf(one, late) for one in stored)]
    serve(registry, leaves)
    for digest, bundle in stored.items():
        registry.lies[f"/bundles/{digest}"] = lambda _, b=bundle: (  # type: ignore[misc]  # bound now
            200,
            {"content-type": "application/json"},
            b,
        )
    with pytest.raises(LogError, match=r"entry 9: .* is not an owner of the namespace acme"):
        mirror(registry, copy)
    with shown(copy) as client:
        assert client.get("/api/v1/models/acme/tiny/9").status_code == 404


def test_folders_that_are_no_copies_of_this_log(registry: Registry, copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="registry's own data folder"):
        Mirror(registry.url, registry.data, registry.vkey)
    mirror(registry, copy)
    other = tlog.Signer.generate("log.example.org").verifier.vkey
    with pytest.raises(ConfigurationError, match="is a copy of the log"):
        Mirror(registry.url, copy, other)
    with (
        Mirror(registry.url, copy, registry.vkey),
        pytest.raises(InputError, match="another weighbridge process"),
    ):
        Mirror(registry.url, copy, registry.vkey)
    (copy / "mirror.json").write_text("{")
    with pytest.raises(ConfigurationError, match="spoilt"):
        Mirror(registry.url, copy, registry.vkey)
    assert tmp_path.exists()


def test_a_mirror_of_a_mirror(registry: Registry, copy: Path, tmp_path: Path) -> None:
    """Trust is in the log's key, so it does not matter where the bytes come from."""
    mirror(registry, copy)
    service = open_read_only(Settings(data=copy, public_sigstore=False, read_only=True))
    second = Registry.__new__(Registry)
    second.__dict__.update(registry.__dict__)
    second.service, second.client = service, TestClient(create_api(service))  # type: ignore[assignment]  # shown only
    second.asked, second.lies = [], {}
    with served(second):
        with Mirror(second.url, tmp_path / "second", registry.vkey, public_sigstore=False) as one:
            assert one.round().size == 8
        answer = urllib3.request("GET", f"{second.url}/checkpoint", retries=False)
        assert answer.status == 200
    check(tmp_path / "second")
