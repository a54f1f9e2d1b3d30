# SPDX-License-Identifier: Apache-2.0
"""The same registry with its log in S3: published, killed at each step, lied to by its storage."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import urllib3
from _pytest.mark import ParameterSet
from fastapi.testclient import TestClient

from tests.registries import running_registry
from tests.registry.postgres import running_postgres
from tests.registry.publishers import Publisher, digest_of, post, submit
from tests.registry.s3 import S3, Answer, Ask, Fault, Proxy, answering
from tests.registry.test_crashes import buried, dying_at, publish_until_death
from tests.reports import check
from weighbridge import tlog
from weighbridge.errors import ConfigurationError, ForkError, UnavailableError
from weighbridge_cli.main import run
from weighbridge_registry.api import create_api
from weighbridge_registry.exporting import export
from weighbridge_registry.fsck import Report, fsck
from weighbridge_registry.log.writing import STEPS
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Settings

pytestmark = [
    pytest.mark.files,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

README = b"# Tiny\n"


@dataclass
class Place:
    """Where one registry keeps what it has, and every checkpoint that it has signed."""

    data: Path
    storage: str
    database: str | None = None
    signed: list[bytes] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return Settings(self.data, storage=self.storage, database_url=self.database, public_sigstore=False)

    def open(self) -> Service:
        """Open the registry; what it signs is written down at the moment of the swap."""
        holder: list[Service] = []

        def hook(step: str) -> None:
            if step == "swapped" and holder:
                self.note(holder[0])

        holder.append(open_service(self.settings, hook))
        self.note(holder[0])
        return holder[0]

    def note(self, service: Service) -> None:
        with service.database.read() as connection:
            note = connection.exec_driver_sql("SELECT note FROM checkpoint").scalar_one()
        self.signed.append(bytes(note))

    def fsck(self) -> Report:
        return fsck(self.data, storage=self.storage, database_url=self.database, public_sigstore=False)

    def check_whole(self, vkey: str) -> None:
        """The log is whole, and every tree that was ever signed is the beginning of the one there now."""
        report = self.fsck()
        assert report.ok, report.to_json()
        service = self.open()
        files = service.folder.log
        now = tlog.parse_checkpoint(files.published() or b"", [vkey])
        reader = tlog.TileReader(files.read_tile, now.size, now.root)
        for note in self.signed:
            old = tlog.parse_checkpoint(note, [vkey])
            assert reader.root_at(old.size) == old.root, "two trees were signed"
        service.close()


@pytest.fixture
def postgres() -> Iterator[str]:
    with running_postgres() as address:
        yield address


@pytest.fixture
def place(proxy: Proxy, tmp_path: Path) -> Place:
    return Place(tmp_path / "data", proxy.address(f"one/{tmp_path.name}"))


@pytest.mark.faults
@pytest.mark.parametrize(
    "database",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql", "unprivileged"))],
)
def test_a_registry_lives_in_a_bucket(
    place: Place, s3: S3, tmp_path: Path, request: pytest.FixtureRequest, database: str
) -> None:
    if database == "postgresql":
        place.database = request.getfixturevalue("postgres")
    service = place.open()
    vkey = service.keys.log.verifier.vkey
    client = TestClient(create_api(service))
    publisher = Publisher(service.origin)
    submit(client, *publisher.start())
    card = {"identity": {"title": "Tiny"}, "readme": {"sha256": digest_of(README), "size": len(README)}}
    files = {"a.safetensors": b"1"}
    submit(client, publisher.oms(files), publisher.release("tiny", "1", files, card=card))
    assert post(client, publisher.release("tiny", "1", {"x": b"y"})).status_code == 409
    assert client.put(f"/api/v1/blobs/{digest_of(README)}", content=README).status_code == 201
    assert client.get(f"/api/v1/blobs/{digest_of(README)}").content == README
    shown = client.get("/checkpoint").content
    assert s3.object(f"one/{tmp_path.name}/checkpoint").data == shown
    assert client.get("/tile/0/000.p/5").content == s3.object(f"one/{tmp_path.name}/tile/0/000.p/5").data
    assert client.get("/tile/0/000.p/6").status_code == 404
    assert client.get("/readyz").json()["size"] == 5
    assert not (place.data / "public").exists()
    assert not (place.data / "blobs").exists()
    service.close()

    for step in STEPS:
        dying = open_service(place.settings, dying_at(step, 1))
        answer = dying.submit([publisher.oms({step: b"1"})])
        buried(dying)
        if step == "applied":  # its outcome was written with it
            assert answer.result(0)[0].created
        else:
            with pytest.raises(UnavailableError):
                answer.result(0)
        place.open().close()
    service = place.open()
    assert service.queries.log().size == 5 + len(STEPS)
    service.close()
    place.check_whole(vkey)

    with pytest.raises(ConfigurationError, match="belong together"):
        open_service(replace(place.settings, storage=None))
    shutil.copytree(place.data / "keys", tmp_path / "other" / "keys")
    with pytest.raises(ConfigurationError, match="already published"):
        open_service(Settings(tmp_path / "other", storage=place.storage, public_sigstore=False))


@pytest.mark.faults
def test_killed_while_people_publish_into_a_bucket(s3: S3, tmp_path: Path) -> None:
    """A real process, real kills."""
    storage = s3.address("killed")
    with running_registry(tmp_path, arguments=["--storage", storage]) as registry:
        origin, vkey = registry.origin, registry.vkey
        everybody = publish_until_death(registry, origin, "someone", people=2)
        deadline = time.monotonic() + 60
        while not all(one.acknowledged for one in everybody) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        registry.kill()
        for one in everybody:
            one.done.set()
            one.join(30)
        registry.start()
        acknowledged = [result for one in everybody for result in one.acknowledged]
        assert acknowledged
        for result in acknowledged[-10:]:
            assert registry.get(f"/api/v1/entries/{result['index']}")["leaf"] == result["leaf"]
        assert registry.stop() == 0
    Place(tmp_path / "data", storage).check_whole(vkey)


def test_a_registry_moves_into_a_bucket(
    place: Place, s3: S3, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`log export`, as a person types it; interrupted and done again; too late; onto another log."""
    service = open_service(replace(place.settings, storage=None))
    vkey, publisher = service.keys.log.verifier.vkey, Publisher(service.origin)
    service.submit([*publisher.start(), publisher.oms({"a": b"1"})]).result(20)
    shown = service.folder.log.published()
    arguments = ["log", "export", "--data", str(place.data), "--storage", place.storage]
    assert run(arguments) == 2
    assert "stop it first" in capsys.readouterr().err
    service.close()
    for _ in range(2):
        assert run([*arguments, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        check("ExportReport", told)
        assert (told["ok"], told["size"], told["copied"]["objects"]) == (True, 4, 9)
    assert s3.object(f"one/{tmp_path.name}/checkpoint").data == shown
    moved = place.open()
    assert moved.submit([publisher.oms({"a": b"2"})]).result(20)[0].index == 4
    moved.close()
    place.check_whole(vkey)
    assert run(arguments) == 1
    assert "not taken back to 4" in capsys.readouterr().err
    other = replace(place, data=tmp_path / "other")
    open_service(replace(other.settings, storage=None)).close()
    with pytest.raises(ForkError):
        export(other.data, place.storage)


def hanging(_method: str, _path: str, _ask: Ask) -> Answer | None:
    time.sleep(2.5)  # longer than the time-out in the address
    return None


def cutting(_method: str, _path: str, ask: Ask) -> Answer:
    answer = ask()
    return Answer(answer.status, answer.headers, answer.body, cut=True)


def changing(_method: str, _path: str, ask: Ask) -> Answer:
    answer = ask()
    return Answer(answer.status, answer.headers, bytes(byte ^ 1 for byte in answer.body))


def truncating(_method: str, _path: str, ask: Ask) -> Answer:
    answer = ask()
    return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


def storing_and_hanging_up(_method: str, _path: str, ask: Ask) -> None:
    """It was written, and nobody was told."""
    ask()


def selection(names: Iterable[str], *often: str) -> list[ParameterSet]:
    """All of these, most only in `make test-faults`."""
    return [pytest.param(name, marks=() if name.startswith(often) else pytest.mark.faults) for name in names]


FAULTS: dict[str, tuple[Fault, str, str]] = {
    "500 for tiles": (answering(500, b""), "PUT", "/tile/"),
    "503 SlowDown for everything": (answering(503, b"<Error><Code>SlowDown</Code></Error>"), "", ""),
    "403 in the middle of its life": (answering(403, b"<Error><Code>AccessDenied</Code></Error>"), "PUT", ""),
    "a bucket that goes": (answering(404, b"<Error><Code>NoSuchBucket</Code></Error>"), "", ""),
    "404 by somebody else": (answering(404, b"<h1>Not found</h1>"), "", ""),
    "no answer to a bundle": (hanging, "PUT", "/bundles/"),
    "no answer to a checkpoint": (hanging, "PUT", "/checkpoint"),
    "a checkpoint stored, its answer lost": (storing_and_hanging_up, "PUT", "/checkpoint"),
    "tiles stored, their answers lost": (storing_and_hanging_up, "PUT", "/tile/"),
    "a checkpoint that another seems to have replaced": (answering(412, b""), "PUT", "/checkpoint"),
}


@pytest.mark.parametrize("name", selection(FAULTS, "503", "a checkpoint stored"))
def test_what_a_bucket_refuses_is_answered_with_503_and_healed(place: Place, proxy: Proxy, name: str) -> None:
    service = place.open()
    vkey = service.keys.log.verifier.vkey
    client = TestClient(create_api(service), raise_server_exceptions=False)
    publisher = Publisher(service.origin)
    acknowledged = submit(client, *publisher.start())["results"]
    lost = publisher.oms({"a": b"1"})
    with proxy.fault(*FAULTS[name]):
        answer = post(client, lost)
        if answer.status_code != 201:
            assert answer.status_code == 503, answer.text
            assert answer.headers["Retry-After"]
    again = post(client, lost)
    assert again.status_code in {200, 201}
    assert again.json()["results"][0]["index"] == 3
    for result in acknowledged:
        assert client.get(f"/api/v1/entries/{result['index']}").json()["leaf"] == result["leaf"]
    assert submit(client, publisher.oms({"a": b"2"}), expect=201)["results"][0]["index"] == 4
    service.close()
    place.check_whole(vkey)


LIES: dict[str, tuple[Fault, str, str]] = {
    "tiles of other bytes": (changing, "GET", "/tile/0/"),
    "tiles cut in their middle": (cutting, "GET", "/tile/0/"),
    "half a tile": (truncating, "GET", "/tile/0/"),
    "entries of other bytes": (changing, "GET", "/tile/entries/"),
    "no tiles": (answering(404, b"<Error><Code>NoSuchKey</Code></Error>"), "GET", "/tile/0/"),
}


@pytest.mark.parametrize("name", selection(LIES, "tiles of"))
def test_a_bucket_that_lies_about_tiles_stops_the_log_and_makes_it_sign_nothing(
    place: Place, proxy: Proxy, name: str
) -> None:
    """Died after staging, so the start must sign a tree that grows from what the bucket gives."""
    place.open().close()
    dying = open_service(place.settings, dying_at("staged", 1))
    vkey = dying.keys.log.verifier.vkey
    dying.submit(Publisher(dying.origin).start())
    buried(dying)
    with proxy.fault(*LIES[name]), pytest.raises((ConfigurationError, UnavailableError)):
        open_service(place.settings)
    service = place.open()
    assert service.queries.log().size == 3
    service.close()
    place.check_whole(vkey)


@pytest.mark.parametrize(
    "part", selection(["/tile/0/", "/tile/entries/", "/bundles/", "/checkpoint"], "/tile/0/")
)
def test_a_bucket_that_acknowledges_and_forgets_is_found_out(place: Place, proxy: Proxy, part: str) -> None:
    """The only fault that nobody can prevent: said to be stored, and not."""
    service = place.open()
    origin = service.origin
    with proxy.fault(answering(200, b"", ("ETag", '"0123456789"')), "PUT", part):
        answer = service.submit(Publisher(origin).start())
        if part != "/checkpoint":
            answer.result(20)
        else:
            answer.exception(20)
    service.close()
    if part == "/checkpoint":  # the next start sees that it is an old one, and publishes again
        place.open().close()
        assert place.fsck().ok
    else:
        report = place.fsck()
        assert not report.ok
    if part.startswith("/tile/"):
        with pytest.raises(ConfigurationError, match="belong together"):
            place.open()


def test_an_old_checkpoint_read_after_a_new_one_was_written(place: Place, proxy: Proxy) -> None:
    """S3 has not done that since 2020; a bad cache in front of it does."""
    service = place.open()
    vkey = service.keys.log.verifier.vkey
    publisher = Publisher(service.origin)
    service.submit(publisher.start()).result(20)
    stale = service.folder.log.published() or b""
    etag = urllib3.request(
        "HEAD", place.storage.partition("?")[0].replace("s3://", f"{proxy.s3.url}/") + "/checkpoint"
    ).headers.get("ETag", '"old"')
    service.submit([publisher.oms({"a": b"1"})]).result(20)
    service.close()
    with (
        proxy.fault(answering(200, stale, ("ETag", etag)), "GET", "/checkpoint"),
        pytest.raises(UnavailableError, match="checkpoint"),
    ):
        place.open()
    service = place.open()
    assert service.queries.log().size == 4
    service.close()
    place.check_whole(vkey)


@pytest.mark.faults
def test_two_registries_on_one_bucket_sign_one_log(place: Place) -> None:
    """Somebody removed the lock file. Whoever is late can neither sign nor move the checkpoint back."""
    one = place.open()
    vkey = one.keys.log.verifier.vkey
    one._lock.release()
    two = place.open()
    outcomes: list[bool] = []

    def publish(service: Service, who: str) -> None:
        for number in range(4):
            try:
                service.submit(Publisher(one.origin, f"{who}{number}", f"{who}{number}").start()).result(20)
                outcomes.append(True)
            except UnavailableError:
                outcomes.append(False)

    threads = [threading.Thread(target=publish, args=pair) for pair in ((one, "a"), (two, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    one.close()
    two.close()
    assert any(outcomes)
    place.open().close()
    place.check_whole(vkey)
    assert place.fsck().size >= 1 + 2 * sum(outcomes)


@pytest.mark.faults
def test_a_bucket_that_fails_at_random_under_a_registry_that_dies_at_random(
    place: Place, proxy: Proxy
) -> None:
    chance = random.Random(20261126)  # noqa: S311 - moments to fail, no secrets
    some = [answering(500, b""), answering(503, b""), storing_and_hanging_up, cutting, truncating, changing]

    def unreliable(method: str, path: str, ask: Ask) -> Answer | None:
        if chance.random() > 0.15 or (method == "PUT" and chance.random() > 0.5):
            return ask()
        return chance.choice(some[:3] if method == "PUT" else some)(method, path, ask)

    service = place.open()
    vkey = service.keys.log.verifier.vkey
    publisher = Publisher(service.origin)
    service.submit(publisher.start()).result(30)
    acknowledged: dict[int, bytes] = {}
    for number in range(60):
        bundle = publisher.oms({"a": b"%d" % number})
        with proxy.fault(unreliable), contextlib.suppress(UnavailableError):
            acknowledged[service.submit([bundle]).result(60)[0].index] = bundle
        if chance.random() < 0.2:
            service.close()
            dying = open_service(place.settings, dying_at(chance.choice(STEPS), 1))
            dying.submit([publisher.oms({"dying": b"%d" % number})])
            buried(dying)
            service = place.open()
    for index, bundle in acknowledged.items():
        place_now = service.submit([bundle]).result(30)[0]
        assert (place_now.index, place_now.created) == (index, False)
    assert len(acknowledged) > 10
    service.close()
    place.check_whole(vkey)
