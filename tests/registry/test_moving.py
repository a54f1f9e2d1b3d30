# SPDX-License-Identifier: Apache-2.0
"""From SQLite to PostgreSQL and back: nothing is lost, and at no moment can two databases be written."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, Engine, event

from tests import guides
from tests.guides import Reader
from tests.registry.postgres import running_postgres
from tests.registry.publishers import Publisher, digest_of
from tests.registry.test_crashes import buried, dying_at
from tests.registry.test_fsck import sql
from tests.registry.test_operations import settled
from tests.registry.test_rebuild import README, data, note_of, original, shown, size_of
from tests.reports import check
from weighbridge import tlog
from weighbridge.errors import ConfigurationError, InputError, UnavailableError
from weighbridge_cli.main import run
from weighbridge_registry import moving, rebuilding
from weighbridge_registry.api import create_api
from weighbridge_registry.fsck import fsck
from weighbridge_registry.log.places import Place
from weighbridge_registry.moving import move
from weighbridge_registry.read_only import open_read_only
from weighbridge_registry.rebuilding import elected
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Settings
from weighbridge_registry.store.database import open_database

__all__ = ["data", "original"]  # fixtures of a registry that was used

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = [pytest.mark.files, pytest.mark.needs("postgresql", "unprivileged")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with running_postgres() as address:
        yield address


@pytest.fixture
def url(cluster: str, request: pytest.FixtureRequest) -> str:
    """An empty database."""
    return empty(cluster, f"d{digest_of(request.node.nodeid)[:16]}")


def empty(cluster: str, name: str) -> str:
    with psycopg.connect(cluster.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return f"{cluster.rpartition('/')[0]}/{name}"


@pytest.fixture
def home(data: Path) -> Path:
    """The data folder of a registry at its place, stopped."""
    open_service(shown(data)).close()
    return data


def settings(home: Path, url: str | None = None) -> Settings:
    return Settings(data=home, database_url=url, public_sigstore=False)


def whole(home: Path, url: str | None = None) -> str:
    """Prove all of a registry; return its state digest."""
    report = fsck(home, database_url=url, public_sigstore=False)
    assert report.ok, report.to_json()
    return report.state_digest


def refuses_to_start(home: Path, where: str, url: str | None = None) -> None:
    """Whoever starts from the old database by mistake, even showing a checkpoint, is told where it is now."""
    seen = ((home / "public" / "checkpoint").read_bytes(),)
    for started in (settings(home, url), replace(settings(home, url), saw_checkpoints=seen)):
        with pytest.raises(ConfigurationError, match="has moved to the database") as caught:
            open_service(started)
        assert where in caught.value.message + caught.value.hint
    with pytest.raises(ConfigurationError, match="has moved to the database"):
        open_read_only(replace(settings(home, url), read_only=True))


def test_a_registry_moves_and_goes_on_where_it_was(
    home: Path, url: str, cluster: str, capsys: pytest.CaptureFixture[str]
) -> None:
    service = open_service(settings(home))
    publisher = Publisher(service.origin, "late", "late")
    asked = service.hand_in(publisher.start(), kept=True)
    asked.queued.result(20)
    assert settled(TestClient(create_api(service)), f"/api/v1/submissions/{asked.token}").status_code == 200
    arguments = ["db", "move", "--data", str(home), "--to", url, "--json"]
    assert run(arguments) == 2
    assert "another weighbridge process is working" in capsys.readouterr().out
    service.close()
    before, size = whole(home), size_of(home)

    assert run(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    check("MoveReport", told)
    assert told["state_digest"].removeprefix("sha256:") == before
    moved = told["moved"]
    assert (moved["size"], moved["staged"], moved["attachments"]) == (size, 0, 2)
    assert moved["submissions"] >= 1
    refuses_to_start(home, url)

    service = open_service(settings(home, url))
    client = TestClient(create_api(service))
    assert settled(client, f"/api/v1/submissions/{asked.token}").status_code == 200, "an outcome came along"
    assert client.get(f"/api/v1/blobs/{digest_of(README)}").content == README
    assert client.get("/api/v1/models/acme/tiny/2").status_code == 200
    assert service.submit([publisher.oms({"a": b"1"})]).result(20)[0].index == size
    service.close()
    whole(home, url)

    assert run(arguments) == 0
    assert json.loads(capsys.readouterr().out)["moved"] is None
    with pytest.raises(ConfigurationError, match="has moved to the database"):
        move(home, empty(cluster, "third"), public_sigstore=False)
    refuses_to_start(home, url)


def test_it_comes_back(home: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["db", "move", "--data", str(home)]
    assert run([*arguments, "--to", url]) == 0
    before = whole(home, url)
    back = [*arguments, "--database-url", url, "--to", "sqlite"]
    assert run(back) == 2
    assert "the new database holds a log already" in capsys.readouterr().err
    (home / "registry.db").rename(home / "old.db")
    for rest in ("-wal", "-shm"):
        (home / f"registry.db{rest}").unlink(missing_ok=True)
    service = open_service(settings(home, url))
    with pytest.raises(InputError, match="a registry leads this log"):
        move(home, "sqlite", database_url=url, public_sigstore=False)
    service.close()
    assert run(back) == 0
    assert "start it without --database-url" in capsys.readouterr().out
    assert whole(home) == before
    refuses_to_start(home, "leave --database-url out", url)
    open_service(settings(home)).close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    "step",
    ["swapped", *(pytest.param(one, marks=pytest.mark.faults) for one in ("staged", "tiles", "published"))],
)
def test_what_a_crash_left_is_finished_in_the_new_database(home: Path, url: str, step: str) -> None:
    """A checkpoint that only a witness may have seen is never signed otherwise."""
    size = size_of(home)
    dying = open_service(settings(home), dying_at(step, 1))
    late = Publisher(dying.origin, "late", "late")
    dying.submit([*late.start()])
    buried(dying)
    signed = note_of(home)
    done = move(home, url, public_sigstore=False)
    assert done is not None
    assert (done.rebuilt.staged, done.rebuilt.size) == (2, size)
    service = open_service(settings(home, url))
    assert service.queries.log().size == size + 2
    published = service.queries.checkpoint().data
    assert step == "staged" or published == signed
    service.close()
    whole(home, url)


class PowerCutError(Exception):
    """The machine went off."""


@contextmanager
def cut_before_the_commit() -> Iterator[None]:
    """The old database says that the registry has gone; the new one does not have it yet."""

    def cut(connection: Connection) -> None:
        if connection.dialect.name == "postgresql" and connection.get_transaction() is not None:
            filled = connection.exec_driver_sql("SELECT count(*) FROM meta WHERE key = 'vkey'").scalar()
            if filled:
                raise PowerCutError

    event.listen(Engine, "commit", cut)
    try:
        yield
    finally:
        event.remove(Engine, "commit", cut)


def test_a_power_cut_between_the_two_databases(home: Path, url: str) -> None:
    before = whole(home)
    with cut_before_the_commit(), pytest.raises(PowerCutError):
        move(home, url, public_sigstore=False)
    refuses_to_start(home, url)
    done = move(home, url, public_sigstore=False)
    assert done is not None
    assert whole(home, url) == before
    open_service(settings(home, url)).close()


def test_a_power_cut_before_the_place_is_marked(
    home: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_place: Place) -> None:
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(moving.Place, "mark", cut)
        with pytest.raises(PowerCutError):
            move(home, url, public_sigstore=False)
    refuses_to_start(home, url)
    assert move(home, url, public_sigstore=False) is None
    open_service(settings(home, url)).close()


def test_what_goes_wrong_on_the_way_leaves_the_registry_where_it_was(
    home: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rebuilding, "remake", cut)
        with pytest.raises(KeyboardInterrupt):
            move(home, url, public_sigstore=False)
    open_service(settings(home)).close()
    whole(home)
    assert move(home, url, public_sigstore=False) is not None


def older(home: Path) -> None:
    """A backup of the database is put back that does not know the newest entries."""
    backup = (home / "registry.db").read_bytes()
    service = open_service(settings(home))
    service.submit([*Publisher(service.origin, "late", "late").start()]).result(20)
    service.close()
    (home / "registry.db").write_bytes(backup)
    for rest in ("-wal", "-shm"):
        (home / f"registry.db{rest}").unlink(missing_ok=True)


def copied(home: Path) -> None:
    """The whole folder is a copy: the real one may be running elsewhere."""
    shutil.copytree(home, home.with_name("copy"))
    shutil.rmtree(home)
    home.with_name("copy").rename(home)


REFUSALS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "an older database": (older, "may be a copy or a restored backup"),
    "a copied folder": (copied, "may be a copy or a restored backup"),
    "a forged fact": (
        lambda home: sql(home, "UPDATE fact SET value = '1' WHERE key LIKE 'namespace/%'"),
        "the log and the old database disagree",
    ),
    "no database": (lambda home: (home / "registry.db").unlink(), "holds no registry.db"),
    "a copy of another's log": (
        lambda home: (home / "mirror.json").write_text(
            json.dumps({"v": 1, "origin": "l", "vkey": tlog.Signer.generate("l").verifier.vkey, "url": "u"})
        ),
        "is a copy of another's log",
    ),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_what_must_not_move_stays(home: Path, url: str, why: str) -> None:
    spoil, words = REFUSALS[why]
    spoil(home)
    with pytest.raises((ConfigurationError, InputError), match=words):
        move(home, url, public_sigstore=False)
    database = open_database(url)
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM checkpoint").scalar() == 0
    database.close()


def test_a_database_that_somebody_uses_is_never_written_over(home: Path, url: str, tmp_path: Path) -> None:
    open_service(settings(tmp_path / "other", url)).close()
    with pytest.raises(ConfigurationError, match="the new database holds a log already"):
        move(home, url, public_sigstore=False)
    open_service(settings(home)).close()
    with pytest.raises(InputError, match="there already"):
        move(home, "sqlite", public_sigstore=False)


def test_who_was_waiting_for_the_lead_does_not_get_it_in_the_old_database(home: Path, url: str) -> None:
    """A second registry was started on the old PostgreSQL while the move had the lead."""
    move(home, url, public_sigstore=False)
    leader = open_service(settings(home, url))
    leader.close()
    database = open_database(url)
    with elected(database, leader.folder, leader.origin):
        waiting: Service = open_service(settings(home, url))
        assert not waiting.sequencer.leads
        with database.write() as connection:
            connection.exec_driver_sql(
                "INSERT INTO meta VALUES ('moved', 'postgresql+psycopg://elsewhere/db')"
            )
    late = Publisher(waiting.origin, "late", "late")
    asked = waiting.hand_in(late.start())
    deadline = time.monotonic() + 1.5  # it stands for election every half second
    while time.monotonic() < deadline:
        assert not waiting.sequencer.leads
        assert not asked.answer.done()
        time.sleep(0.1)
    waiting.close(0.1)
    with pytest.raises(UnavailableError):
        asked.answer.result(10)
    database.close()


def test_the_guide_is_followed_to_the_letter(home: Path, url: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    section = text.partition("### Move a registry to PostgreSQL\n")[2].partition("\n## ")[0]
    (block,) = guides.blocks(section)
    typed = block.text.replace("/srv/weighbridge", str(home)).replace(
        "postgresql+psycopg://weighbridge@db.example.org/weighbridge", url
    )
    assert typed.count(url) == 2
    size = size_of(home)
    (tmp_path / "terminal").mkdir()
    reader = Reader(tmp_path / "terminal")
    try:
        done = reader.type(typed)
        assert done.returncode == 0, done.stdout
        assert "moved: everything agrees" in done.stdout
        shown_size = reader.type(f"weighbridge log fsck {reader.address} --log-key '{vkey(home)}' --json")
        assert json.loads(shown_size.stdout)["size"] == size
    finally:
        reader.close()


def vkey(home: Path) -> str:
    return tlog.Signer.from_private_key((home / "keys" / "log.key").read_text()).verifier.vkey
