# SPDX-License-Identifier: Apache-2.0
"""fsck: what an operator, a bug or a thief changed behind the log's back is found and named."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.registries import Registry
from tests.registry.publishers import Publisher, digest_of, submit
from weighbridge import tlog
from weighbridge.errors import ConfigurationError, InputError, NoteError
from weighbridge_registry.api import create_api
from weighbridge_registry.fsck import Report, fsck
from weighbridge_registry.service import open_service
from weighbridge_registry.settings import Settings
from weighbridge_registry.store.database import open_database

README = b"# Tiny\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a registry that was used and stopped."""
    folder = tmp_path / "data"
    service = open_service(Settings(data=folder, public_sigstore=False))
    client = TestClient(create_api(service))
    publisher = Publisher(service.origin)
    submit(client, *publisher.start())
    card = {"readme": {"sha256": digest_of(README), "size": len(README)}}
    for number in range(3):
        files = {"a.safetensors": b"%d" % number}
        submit(client, publisher.oms(files), publisher.release("tiny", str(number), files, card=card))
    client.put(f"/api/v1/blobs/{digest_of(README)}", content=README)
    service.close()
    return folder


def check(data: Path) -> Report:
    return fsck(data, public_sigstore=False)


def sql(data: Path, statement: str) -> None:
    """Change the registry's database behind its back, wherever that is."""
    with (
        contextlib.closing(open_database(Settings(data).database)) as database,
        database.write() as connection,
    ):
        connection.exec_driver_sql(statement)


def some_bundle(data: Path) -> Path:
    return min((data / "public" / "bundles").glob("*/*"))


def test_a_whole_log(data: Path) -> None:
    report = check(data)
    assert report.ok, report.to_json()
    assert report.size == 9
    assert {one.name for one in report.checks} == {
        "checkpoint",
        "tiles",
        "entries",
        "replay",
        "published",
        "database",
        "attachments",
    }


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def show(data: Path, checkpoint: bytes) -> None:
    (data / "public" / "checkpoint").write_bytes(checkpoint)


CHANGES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a flipped bit in a tile": ("tiles", lambda d: flip(d / "public/tile/0/000.p/9")),
    "a flipped bit in the entries": ("entries", lambda d: flip(d / "public/tile/entries/000.p/9")),
    "a lost tile": ("tiles", lambda d: (d / "public/tile/0/000.p/9").unlink()),
    "a changed bundle": ("entries", lambda d: flip(some_bundle(d))),
    "a lost bundle": ("entries", lambda d: some_bundle(d).unlink()),
    "an owner added to the facts": (
        "database",
        lambda d: sql(d, "UPDATE fact SET value = '1' WHERE key LIKE 'namespace/%'"),
    ),
    "a fact that was never logged": ("database", lambda d: sql(d, "INSERT INTO fact VALUES ('x', '1')")),
    "a release hidden from search": ("database", lambda d: sql(d, "DELETE FROM term")),
    "a digest hidden from look-up": ("database", lambda d: sql(d, "DELETE FROM digest WHERE role = 'model'")),
    "a release shown under another signer": (
        "database",
        lambda d: sql(d, "UPDATE release SET signer = 'somebody else' WHERE number = 8"),
    ),
    "a changed attachment": ("attachments", lambda d: flip(next((d / "blobs").glob("*/*")))),
    "an old checkpoint shown": (
        "published",
        lambda d: show(d, old_checkpoint(d)),
    ),
}


def old_checkpoint(data: Path) -> bytes:
    signer = tlog.Signer.from_private_key((data / "keys" / "log.key").read_text())
    return tlog.sign_checkpoint(tlog.Checkpoint(signer.name, 1, hashlib.sha256(b"x").digest()), signer)


@pytest.mark.files
@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_is_found(data: Path, change: str) -> None:
    step, tamper = CHANGES[change]
    tamper(data)
    report = check(data)
    assert not report.ok
    assert next(one.name for one in report.checks if one.problems) == step, report.to_json()


def test_a_checkpoint_by_another_key_ends_it(data: Path) -> None:
    other = tlog.Signer.generate("log.example.org").verifier.vkey
    with pytest.raises(NoteError):
        fsck(data, vkey=other, public_sigstore=False)


def test_a_folder_without_a_registry(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no registry"):
        fsck(tmp_path, public_sigstore=False)


def test_a_running_registry_is_checked_from_outside(registry: Registry) -> None:
    publisher = Publisher(registry.origin)
    assert registry.post(publisher.start()).status == 201
    outside = fsck(registry.url, vkey=registry.vkey, public_sigstore=False)
    inside = fsck(registry.data, public_sigstore=False)
    assert outside.ok
    assert inside.ok
    assert (outside.state_digest, outside.root) == (inside.state_digest, inside.root)
    with pytest.raises(InputError, match="whose log"):
        fsck(registry.url)


@pytest.mark.files
def test_a_database_older_than_the_published_checkpoint_does_not_start(data: Path) -> None:
    """Restored from an old backup: signing on would make a second tree of the same size."""
    backup = (data / "registry.db").read_bytes()
    service = open_service(Settings(data=data, public_sigstore=False))
    submit(TestClient(create_api(service)), *Publisher(service.origin, "late", "late").start())
    service.close()
    (data / "registry.db").write_bytes(backup)
    with pytest.raises(ConfigurationError, match="already published 11 entries"):
        open_service(Settings(data=data, public_sigstore=False))


@pytest.mark.files
def test_a_database_older_than_the_files_does_not_start(data: Path) -> None:
    """The same, by somebody who put the old checkpoint back, too: the marks of both sides differ."""
    backup = [(data / name, (data / name).read_bytes()) for name in ("registry.db", "public/checkpoint")]
    service = open_service(Settings(data=data, public_sigstore=False))
    submit(TestClient(create_api(service)), *Publisher(service.origin, "late", "late").start())
    service.close()
    for path, content in backup:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="last used at different times"):
        open_service(Settings(data=data, public_sigstore=False))


@pytest.mark.files
def test_a_lost_checkpoint_file_is_published_again(data: Path) -> None:
    published = (data / "public" / "checkpoint").read_bytes()
    (data / "public" / "checkpoint").unlink()
    with pytest.raises(InputError):
        check(data)
    open_service(Settings(data=data, public_sigstore=False)).close()
    assert (data / "public" / "checkpoint").read_bytes() == published


@pytest.mark.files
def test_a_folder_older_than_the_database_does_not_start(data: Path) -> None:
    (data / "public/tile/0/000.p/9").unlink()
    with pytest.raises(ConfigurationError, match="tile"):
        open_service(Settings(data=data, public_sigstore=False))


def test_settings_that_cannot_change_any_more(data: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot become log\.example\.org"):
        open_service(Settings(data=data, origin="log.example.org"))
    with pytest.raises(ConfigurationError, match="admission is open"):
        open_service(Settings(data=data, admission="restricted"))
    (data / "keys" / "log.key").unlink()
    with pytest.raises(ConfigurationError, match="missing"):
        open_service(Settings(data=data))


@pytest.mark.files
def test_a_newer_database_is_left_alone(data: Path) -> None:
    sql(data, "UPDATE meta SET value = '99' WHERE key = 'schema'")
    with pytest.raises(ConfigurationError, match="schema version 99"):
        open_service(Settings(data=data))
