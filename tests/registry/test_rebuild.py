# SPDX-License-Identifier: Apache-2.0
"""Rebuild: whatever happened to the database, the log makes it again, and nothing else can."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, digest_of, submit
from tests.registry.test_crashes import buried, dying_at
from tests.registry.test_fsck import README, check, flip, some_bundle, sql
from tests.registry.test_tensors import FILES, TABLE, model_with, put
from weighbridge import tlog
from weighbridge.errors import ConfigurationError, InputError, LogError
from weighbridge_registry import rebuilding
from weighbridge_registry.api import create_api
from weighbridge_registry.copies import vkey_of
from weighbridge_registry.fsck import fsck
from weighbridge_registry.log.election import election_of
from weighbridge_registry.rebuilding import Rebuilt, elected, rebuild
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Settings
from weighbridge_registry.store.database import open_database
from weighbridge_registry.store.files import DataFolder

TABLES = (
    *("fact", "entry", "signer", "owner", "model", "release", "digest", "edge", "datause", "term"),
    *("blob", "tensor", "band", "likeness"),
)


def used(settings: Settings) -> Publisher:
    """Publish, revise, attach: something in every table."""
    service = open_service(settings)
    client = TestClient(create_api(service))
    publisher = Publisher(service.origin)
    submit(client, *publisher.start())
    card = {"identity": {"title": "Tiny"}, "readme": {"sha256": digest_of(README), "size": len(README)}}
    for number in range(3):
        files = {"a.safetensors": b"%d" % number}
        parents = [{"relation": "finetune", "digest": f"sha256:{digest_of(str(number))}"}]
        lineage = {"parents": parents, "datasets": []}
        release = publisher.release("tiny", str(number), files, card=card, lineage=lineage)
        submit(client, publisher.oms(files), release)
    assert client.put(f"/api/v1/blobs/{digest_of(README)}", content=README).status_code == 201
    submit(client, publisher.release("table", "1", FILES, model=model_with(TABLE)))
    assert put(client, TABLE).status_code == 201
    service.close()
    return publisher


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("original") / "data"
    used(Settings(data=data, public_sigstore=False))
    return data


@pytest.fixture
def data(original: Path, tmp_path: Path) -> Path:
    """A copy of the data folder of a registry that was used and stopped."""
    return Path(shutil.copytree(original, tmp_path / "data"))


def shown(data: Path) -> Settings:
    """How an operator starts a copy, or with a new database: the newest checkpoint is shown."""
    newest = (data / "public" / "checkpoint").read_bytes()
    return Settings(data=data, public_sigstore=False, saw_checkpoints=(newest,))


def remade(data: Path) -> Rebuilt:
    return rebuild(data, public_sigstore=False)


def content(data: Path) -> dict[str, list[tuple[object, ...]]]:
    with contextlib.closing(sqlite3.connect(data / "registry.db")) as connection:
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in TABLES}  # noqa: S608


DAMAGES: dict[str, Callable[[Path], None]] = {
    "nothing": lambda _d: None,
    "facts lost": lambda d: sql(d, "DELETE FROM fact"),
    "an owner forged": lambda d: sql(d, "UPDATE fact SET value = '1' WHERE key LIKE 'namespace/%'"),
    "views lost": lambda d: sql(d, "DELETE FROM release"),
    "attachments and tensors forgotten": lambda d: sql(d, "DELETE FROM blob"),
    "a tensor that nobody signed": lambda d: sql(d, "INSERT INTO tensor VALUES ('x', 'y', 1, 'z')"),
    "the database lost": lambda d: (d / "registry.db").unlink(),
    "the checkpoint lost": lambda d: sql(d, "DELETE FROM checkpoint"),
}


@pytest.mark.files
@pytest.mark.parametrize("damage", DAMAGES)
def test_the_database_is_made_again(data: Path, damage: str) -> None:
    before, report = content(data), check(data)
    DAMAGES[damage](data)
    done = remade(data)
    assert content(data) == before
    assert (done.state_digest, done.root, done.size) == (report.state_digest, report.root, report.size)
    assert (done.attachments, done.problems) == (2, ())
    assert done.restored == (damage in {"the database lost", "the checkpoint lost"})
    assert check(data).ok
    open_service(shown(data)).close()


@pytest.mark.files
def test_a_running_registry_keeps_its_database(data: Path) -> None:
    service = open_service(shown(data))
    try:
        with pytest.raises(InputError, match="another weighbridge process"):
            remade(data)
    finally:
        service.close()


@pytest.mark.files
def test_an_interrupted_rebuild_leaves_what_was_there(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(data)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rebuilding, "remake", interrupted)
    with pytest.raises(KeyboardInterrupt):
        remade(data)
    assert content(data) == before


def newest(folder: Path) -> Path:
    return max(folder.glob("000.p/*"), key=lambda path: int(path.name))


TAMPERINGS: dict[str, Callable[[Path], None]] = {
    "a tile": lambda d: flip(newest(d / "public/tile/0")),
    "a missing tile": lambda d: newest(d / "public/tile/0").unlink(),
    "entries": lambda d: flip(newest(d / "public/tile/entries")),
    "a bundle": lambda d: flip(some_bundle(d)),
    "a missing bundle": lambda d: some_bundle(d).unlink(),
}


@pytest.mark.files
@pytest.mark.parametrize("what", TAMPERINGS)
def test_files_that_are_not_the_logs_are_not_rebuilt_from(data: Path, what: str) -> None:
    before = content(data)
    TAMPERINGS[what](data)
    with pytest.raises(LogError):
        remade(data)
    assert content(data) == before


@pytest.mark.files
def test_a_changed_attachment_is_left_out_and_named(data: Path) -> None:
    path = next(p for p in (data / "blobs").glob("*/*") if p.name.startswith(digest_of(README)))
    flip(path)
    done = remade(data)
    assert done.attachments == 1
    assert len(done.problems) == 1
    assert digest_of(README) in done.problems[0]
    assert check(data).ok


@pytest.mark.files
def test_another_logs_database_is_refused(data: Path, tmp_path: Path) -> None:
    open_service(Settings(data=tmp_path / "other", public_sigstore=False)).close()
    shutil.copy(tmp_path / "other" / "registry.db", data / "registry.db")
    with pytest.raises(ConfigurationError, match="holds the log of"):
        remade(data)


@pytest.mark.files
def test_a_database_older_than_what_was_published_moves_forwards(data: Path) -> None:
    """Its tiles and statements are all here, so nothing below the published checkpoint is signed again."""
    backup = (data / "registry.db").read_bytes()
    service = open_service(shown(data))
    late = Publisher(service.origin, "late", "late")
    submit(TestClient(create_api(service)), *late.start())
    size = service.queries.log().size
    service.close()
    (data / "registry.db").write_bytes(backup)
    done = remade(data)
    assert (done.size, done.restored) == (size, True)
    assert check(data).ok
    service = open_service(shown(data))
    submit(TestClient(create_api(service)), late.oms({"more": b"1"}))
    service.close()
    assert check(data).ok


@pytest.mark.files
def test_a_published_checkpoint_of_another_history_is_refused(data: Path) -> None:
    """Somebody with the log's key has put a checkpoint of another tree in its place."""
    signer = tlog.Signer.from_private_key((data / "keys" / "log.key").read_text())
    other = tlog.sign_checkpoint(tlog.Checkpoint(signer.name, 1000, bytes(32)), signer)
    (data / "public" / "checkpoint").write_bytes(other)
    with pytest.raises(LogError):
        remade(data)


@pytest.mark.files
def test_a_lost_database_starts_only_if_the_newest_checkpoint_is_shown(data: Path) -> None:
    """What was signed but had reached neither files nor witnesses is gone with it."""
    (data / "registry.db").unlink()
    remade(data)
    with pytest.raises(ConfigurationError, match="may be a copy or a restored backup"):
        open_service(Settings(data=data, public_sigstore=False))
    open_service(shown(data)).close()


@pytest.mark.files
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("lost", [False, True], ids=["kept", "lost"])
@pytest.mark.parametrize("step", ["staged", "swapped", "tiles", "published"])
def test_a_batch_that_a_crash_left_is_finished_later(data: Path, step: str, *, lost: bool) -> None:
    """Also without the database: nothing that was signed is ever signed otherwise."""
    settings = shown(data)
    size = size_of(data)
    dying = open_service(settings, dying_at(step, 1))
    late = Publisher(dying.origin, "late", "late")
    dying.submit([*late.start()])
    buried(dying)
    signed = note_of(data)
    if lost:
        (data / "registry.db").unlink()
    done = remade(data)
    service = open_service(settings)
    grown = service.queries.log().size
    published = service.queries.checkpoint().data
    service.close()
    assert check(data).ok
    kept = not lost or step in {"tiles", "published"}
    assert grown == size + 2 * kept
    assert done.size + done.staged == grown
    if kept and step != "staged":
        assert published == signed


def size_of(data: Path) -> int:
    return fsck(data, public_sigstore=False).size


def note_of(data: Path) -> bytes:
    with contextlib.closing(sqlite3.connect(data / "registry.db")) as connection:
        return bytes(connection.execute("SELECT note FROM checkpoint").fetchone()[0])


@pytest.mark.everywhere
def test_a_rebuild_gives_what_was_there_and_waits_for_whoever_leads(tmp_path: Path) -> None:
    """Beside PostgreSQL the one that leads may run on another machine: its own folder says nothing."""
    settings = Settings(data=tmp_path / "data", public_sigstore=False)
    used(settings)
    service: Service = open_service(settings)
    with pytest.raises(InputError, match=r"a registry leads|another weighbridge process"):
        remade(settings.data)
    with service.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM fact")
        connection.exec_driver_sql("DELETE FROM release")
        connection.exec_driver_sql("DELETE FROM blob")
    service.close()
    done = remade(settings.data)
    assert done.attachments == 2
    report = fsck(settings.data, public_sigstore=False)
    assert report.ok, report.to_json()
    assert report.state_digest == done.state_digest
    again = open_service(settings)
    assert again.sequencer.leads
    again.close()


@pytest.mark.files
def test_who_stands_for_election_during_a_rebuild_waits(data: Path) -> None:
    folder, verifier = DataFolder(data), tlog.Verifier.from_vkey(vkey_of(DataFolder(data)))
    database = open_database(f"sqlite:///{data / 'registry.db'}")
    rival = election_of(database, data / "sequencer.lock", verifier.name)
    with elected(database, folder, verifier.name):
        assert not rival.acquire()
    assert rival.acquire()
    with pytest.raises(InputError, match="leads this log"), elected(database, folder, verifier.name):
        pass
    rival.release()
    database.close()
