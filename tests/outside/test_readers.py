# SPDX-License-Identifier: Apache-2.0
"""Programs that share no line with ours read a registry over HTTP and accept every proof, and no lie.

golang.org/x/mod (Go's checksum database), aics-tlog and tlog-scales, at the sizes where tiles fill up.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import urllib3

from tests.library.servers import Asked, Handler, scripted_server
from tests.outside.logs import build_checker, grow, peer, run, saved_checkpoint
from tests.registries import Registry, running_registry
from tests.registry.publishers import Publisher
from weighbridge import tlog

pytestmark = pytest.mark.needs("go", "peers")

SIZES = (1, 255, 256, 257, 65_537)
SPARSE = 16
"""Of a large log the short form reads one tile in so many: each costs a request."""


@dataclass
class Grown:
    """A registry whose log grows from test to test, and the checkpoints that it has published."""

    registry: Registry
    folder: Path
    vkey: str
    checker: Path
    size: int = 1
    saved: dict[int, Path] = field(default_factory=dict)

    def grow(self, size: int) -> None:
        if size > self.size:
            grow(self.registry, size)
            self.size = size
        self.saved[self.size] = saved_checkpoint(self.registry, self.folder)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grown]:
    folder = tmp_path_factory.mktemp("outside")
    checker = build_checker(folder)
    with running_registry(folder, limits={}) as registry:
        yield Grown(registry, folder, registry.vkey, checker)


def accepted(log: Grown, size: int, step: int) -> None:
    """Let all three read the log; what they say is what its checkpoint says."""
    log.grow(size)
    saved = [log.saved[each] for each in sorted(log.saved)]
    found = run(log.checker, "check", str(step), log.registry.url, log.vkey, *saved)
    checkpoint = tlog.parse_checkpoint(log.saved[size].read_bytes(), [log.vkey])
    assert found["size"] == size == checkpoint.size
    assert base64.b64decode(found["root"]) == checkpoint.root
    assert found["consistent"] == sorted(log.saved)
    if step == 1:
        assert found["records"] == size
        assert found["tiles"] == len(list(tlog.tiles_of(size)))
    else:
        assert found["records"] > size // step - tlog.TILE_WIDTH
    for reader in ("aics_reader", "scales_reader") if size > 256 else ():  # small ones: Go alone
        answer = peer(reader, log.registry.url, log.vkey, *saved)
        assert (answer["size"], answer["consistent"]) == (size, sorted(log.saved))


@pytest.mark.parametrize("size", SIZES)
def test_three_strangers_accept_the_log_at_every_size_and_that_it_only_grew(log: Grown, size: int) -> None:
    accepted(log, size, 1 if size < 1000 else SPARSE)


@pytest.mark.faults
def test_three_strangers_accept_every_entry_of_a_large_log(log: Grown) -> None:
    for size in SIZES:
        accepted(log, size, 1)


def test_a_receipt_of_a_published_model_is_a_proof_to_go(log: Grown) -> None:
    """Real statements, on top of whatever the log holds by now."""
    answer = log.registry.post(Publisher(log.registry.origin).start())
    assert answer.status == 201
    for result in answer.json()["results"]:
        receipt, leaf = log.folder / "receipt", log.folder / "leaf"
        receipt.write_text(result["receipt"])
        leaf.write_bytes(base64.b64decode(result["leaf"]))
        assert run(log.checker, "receipt", log.vkey, receipt, leaf)["index"] == result["index"]
        leaf.write_bytes(leaf.read_bytes().replace(b'"v":1', b'"v":2'))
        refused = run(log.checker, "receipt", log.vkey, receipt, leaf, expect=1)
        assert "invalid transparency proof" in refused


def test_a_stranger_who_is_given_the_key_goes_on_with_the_same_tree(log: Grown) -> None:
    """What handing a log over rests on (docs/scale.md): the same tiles and signed bytes, then growth."""
    folder = log.folder / "taken over"
    shown = urllib3.request("GET", f"{log.registry.url}/checkpoint").data
    old = tlog.parse_checkpoint(shown, [log.vkey])
    key = log.registry.data / "keys" / "log.key"
    run(log.checker, "takeover", log.registry.url, key, folder, str(old.size + 300))
    assert (folder / f"checkpoint-{old.size}").read_bytes() == shown, "two signatures over one tree differ"
    for tile in tlog.tiles_of(old.size):
        name = tlog.tile_path(*tile)
        assert (folder / name).read_bytes() == urllib3.request("GET", f"{log.registry.url}/{name}").data
    new = tlog.parse_checkpoint((folder / f"checkpoint-{old.size + 300}").read_bytes(), [log.vkey])
    reader = tlog.TileReader(lambda *tile: (folder / tlog.tile_path(*tile)).read_bytes(), new.size, new.root)
    assert reader.root_at(old.size) == old.root
    other = log.folder / "other.key"
    other.write_text(tlog.Signer.generate(log.registry.origin).private_key)
    words = run(log.checker, "takeover", log.registry.url, other, folder, str(old.size), expect=1)
    assert "is not what the log has signed" in words


@pytest.fixture(scope="module")
def small(log: Grown) -> dict[str, bytes]:
    """All files of the log when it had 257 entries, as the registry serves them."""
    log.grow(257)
    assert 257 in log.saved, "run the tests above first, or this one alone"
    names = [tlog.tile_path(*tile) for tile in tlog.tiles_of(257)]
    names += [tlog.entries_path(0), tlog.entries_path(1, 1)]
    files = {name: urllib3.request("GET", f"{log.registry.url}/{name}").data for name in names}
    return files | {"checkpoint": log.saved[257].read_bytes()}


@pytest.mark.parametrize(
    ("name", "place", "words"),
    [
        (None, 0, None),
        ("checkpoint", 40, "the checkpoint"),
        ("tile/0/000", 100, "inconsistent tile"),
        ("tile/0/001.p/1", 3, "inconsistent tile"),
        ("tile/1/000.p/1", 3, "inconsistent tile"),
        ("tile/entries/000", 60, "record 0: "),
    ],
)
def test_the_strangers_notice_one_flipped_bit(
    log: Grown, small: dict[str, bytes], name: str | None, place: int, words: str | None
) -> None:
    """The checks above can fail: the same programs, a server that changes one bit of one file."""

    def serve(handler: Handler, asked: Asked) -> None:
        data = small.get(asked.path[1:])
        if data is None:
            handler.answer(404)
            return
        if asked.path[1:] == name:
            data = data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]
        text = asked.path == "/checkpoint"
        handler.answer(200, data, "text/plain; charset=utf-8" if text else "application/octet-stream")

    with scripted_server(serve) as server:
        if words is None:
            assert run(log.checker, "check", "1", server.url, log.vkey)["size"] == 257
        else:
            assert words in run(log.checker, "check", "1", server.url, log.vkey, expect=1)
            if name in ("checkpoint", "tile/entries/000"):  # one of each kind: starting it takes a while
                assert peer("aics_reader", server.url, log.vkey, expect=1)
