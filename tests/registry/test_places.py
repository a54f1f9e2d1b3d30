# SPDX-License-Identifier: Apache-2.0
"""Backups that were put back, folders that were copied: nothing is signed before the head is shown."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, submit
from weighbridge import tlog
from weighbridge.errors import ConfigurationError, ForkError
from weighbridge_registry.api import create_api
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Settings


def start(data: Path, *seen: bytes, **more: bytes) -> Service:
    return open_service(Settings(data=data, public_sigstore=False, saw_checkpoints=seen, **more))  # type: ignore[arg-type]


def use(data: Path, name: str, *seen: bytes) -> bytes:
    """Start, let somebody claim a name, stop; give the checkpoint that the world has seen."""
    service = start(data, *seen)
    try:
        submit(TestClient(create_api(service)), *Publisher(service.origin, name, name).start())
        return bytes(service.queries.checkpoint().data)
    finally:
        service.close()


def test_a_registry_that_nobody_touched_starts_again_and_again(tmp_path: Path) -> None:
    for name in ("ann", "ben", "cem"):
        use(tmp_path / "data", name)


@pytest.mark.files
def test_a_restored_backup_refuses_until_the_head_is_shown(tmp_path: Path) -> None:
    """The operator restores last night's backup. Somebody has published since, and holds a receipt."""
    data, backup = tmp_path / "data", tmp_path / "backup"
    last_night = use(data, "ann")
    shutil.copytree(data, backup)
    this_morning = use(data, "ben")
    shutil.rmtree(data)
    shutil.copytree(backup, data)

    with pytest.raises(ConfigurationError, match="copy or a restored backup") as refused:
        start(data)
    assert "--saw-checkpoint" in refused.value.hint
    assert (data / "public" / "checkpoint").read_bytes() == last_night, "nothing was signed"
    with pytest.raises(ConfigurationError, match="people have seen 5 entries") as ended:
        start(data, this_morning)
    assert "--successor-of" in ended.value.hint

    again = use(data, "cem", last_night)
    assert tlog.split_note(again)[0] != tlog.split_note(this_morning)[0]
    use(data, "dan")


@pytest.mark.files
def test_a_backup_that_misses_nothing_goes_on_once_it_is_shown(tmp_path: Path) -> None:
    data, moved = tmp_path / "data", tmp_path / "moved"
    head = use(data, "ann")
    shutil.copytree(data, moved)
    with pytest.raises(ConfigurationError, match="copied"):
        start(moved)
    use(moved, "ben", head)
    use(moved, "cem")


@pytest.mark.files
def test_only_the_database_was_put_back(tmp_path: Path) -> None:
    """Keys and files stay where they are; the database is an hour older, and lies in the same inode."""
    data, copy = tmp_path / "data", tmp_path / "registry.db"
    use(data, "ann")
    with sqlite3.connect(data / "registry.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    shutil.copy(data / "registry.db", copy)
    start(data).close()
    with (data / "registry.db").open("r+b") as file:
        file.write(copy.read_bytes())
        file.truncate()
    for name in ("registry.db-wal", "registry.db-shm"):
        (data / name).unlink(missing_ok=True)
    with pytest.raises(ConfigurationError, match="different times"):
        start(data)


def test_keys_that_were_put_back_are_noticed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    use(data, "ann")
    key = data / "keys" / "log.key"
    text = key.read_bytes()
    key.unlink()
    key.write_bytes(text)
    key.chmod(0o600)
    with pytest.raises(ConfigurationError, match="keys were copied"):
        start(data)


def test_a_power_cut_between_the_two_marks_is_no_restoration(tmp_path: Path) -> None:
    data = tmp_path / "data"
    service = start(data)
    file = data / "keys" / "place.json"
    before = file.read_bytes()
    service.close()
    after = file.read_bytes()
    assert before != after
    service = start(data)  # dies without an orderly stop: its mark stands on both sides
    service.desk.close(0)
    service.sequencer.close()
    service.database.close()
    service.folder.close()
    service._crew.close()
    service._lock.release()
    use(data, "ann")


def test_what_is_shown_must_be_of_this_log_and_of_this_history(tmp_path: Path) -> None:
    data = tmp_path / "data"
    head = use(data, "ann")
    stranger = use(tmp_path / "other", "ann")
    with pytest.raises(ConfigurationError, match="no checkpoint of the log"):
        start(data, stranger)
    signer = tlog.Signer.from_private_key((data / "keys" / "log.key").read_text())
    forged = tlog.sign_checkpoint(tlog.Checkpoint(signer.name, 2, b"x" * 32), signer)
    with pytest.raises(ForkError, match="first 2 entries"):
        start(data, forged)
    start(data, head).close()


@pytest.mark.files
def test_a_receipt_shows_the_head_as_well(tmp_path: Path) -> None:
    data, moved = tmp_path / "data", tmp_path / "moved"
    use(data, "ann")
    service = start(data)
    receipt = service.queries.entry(2)
    service.close()
    assert receipt is not None
    shutil.copytree(data, moved)
    start(moved, receipt.receipt.encode()).close()


def test_a_successor_commits_to_the_log_before_it(tmp_path: Path) -> None:
    last = use(tmp_path / "old", "ann")
    service = start(tmp_path / "new", successor_of=last)
    try:
        told = service.queries.log()
        parsed = tlog.parse_checkpoint_text(tlog.split_note(last)[0])
        assert told.predecessor is not None
        assert (told.predecessor.origin, told.predecessor.size) == (parsed.origin, parsed.size)
        assert told.predecessor.root == f"sha256:{parsed.root.hex()}"
        assert told.origin != parsed.origin
        own = service.queries.checkpoint().data
    finally:
        service.close()
    start(tmp_path / "new", successor_of=last).close()
    other = use(tmp_path / "third", "ann")
    with pytest.raises(ConfigurationError, match="something else of the log before"):
        start(tmp_path / "new", successor_of=other)
    with pytest.raises(ConfigurationError, match="cannot follow itself"):
        start(tmp_path / "new", successor_of=own)
