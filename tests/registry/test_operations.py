# SPDX-License-Identifier: Apache-2.0
"""What an operator relies on: readiness with reasons, answers later, a database that comes back, clocks."""

from __future__ import annotations

import json
import logging
import re
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from tests.registry.publishers import Publisher, stored, submit
from weighbridge.errors import UnavailableError
from weighbridge_registry import journal
from weighbridge_registry.fsck import fsck
from weighbridge_registry.log.bells import Bell
from weighbridge_registry.log.outcomes import Placed, places_of, refusal
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Settings
from weighbridge_registry.store import queue
from weighbridge_registry.store.database import Database
from weighbridge_registry.store.files import DigestFiles

FILES = {"model.safetensors": b"weights"}
ASYNC = {"content-type": "application/json", "prefer": "respond-async, wait=5"}


def settled(client: TestClient, url: str) -> Any:
    """What becomes of a submission in the end."""
    for _ in range(400):
        answer = client.get(url)
        if answer.status_code != 202:
            return answer
        assert answer.headers["retry-after"] == "1"
        time.sleep(0.02)
    raise AssertionError("it still waits")


def test_an_answer_may_come_later(client: TestClient, publisher: Publisher) -> None:
    bundle = publisher.oms(FILES)
    queued = client.post("/api/v1/statements", content=bundle, headers=ASYNC)
    assert queued.status_code == 202, queued.text
    assert queued.json() == {"status": "queued", "url": queued.headers["location"]}
    result = settled(client, queued.headers["location"]).json()["results"][0]
    assert result["index"] == 3
    assert client.post("/api/v1/statements", content=bundle, headers=ASYNC).status_code == 200


def test_what_is_refused_later_says_so_to_who_asks(
    service: Service, client: TestClient, publisher: Publisher
) -> None:
    """Both were right when they came; the sequencer decides that the second came too late."""
    one, two = (publisher.release("tiny", "1", {"a": content}) for content in (b"first", b"second"))
    prepared = [service.prepare([bundle]) for bundle in (one, two)]
    tickets = [service.desk.submit(each.bundles, each.new, kept=True) for each in prepared]
    for ticket in tickets:
        ticket.queued.result(30)
    assert settled(client, f"/api/v1/submissions/{tickets[0].token}").status_code == 200
    refused = settled(client, f"/api/v1/submissions/{tickets[1].token}")
    assert refused.status_code == 409
    assert refused.json()["step"] == 6
    assert refused.json()["instance"] == "#/0"
    for name in ("f" * 32, "x", "..%2f"):
        assert client.get(f"/api/v1/submissions/{name}").status_code == 404


def test_a_refusal_is_the_same_error_on_the_other_side() -> None:
    for error in (
        UnavailableError("not now", hint="later"),
        *(kind("no", hint="do", evidence={"line": 2, "digest": "ab"}) for kind in _admission_errors()),
    ):
        with pytest.raises(type(error)) as raised:
            places_of(refusal(error))
        again = raised.value
        assert (again.message, again.hint, again.evidence, again.step) == (
            error.message,
            error.hint,
            error.evidence,
            error.step,
        )


def _admission_errors() -> list[Any]:
    from weighbridge.errors import AdmissionError  # noqa: PLC0415 - its subclasses are the point

    return AdmissionError.__subclasses__()


def test_a_submission_that_nobody_decides_is_dropped(service: Service, publisher: Publisher) -> None:
    """It was left by a process that died long ago; it is neither decided nor kept for ever."""
    bundle = stored(service, [publisher.oms(FILES)])
    row = queue.Waiting("0" * 32, bundle, 1, 2, kept=False)
    with service.database.write_lightly() as connection:
        queue.add(connection, [row])
    assert service.submit([publisher.oms({"b": b"1"})]).result(10)[0].index == 3
    with service.database.write_lightly() as connection:
        assert queue.drop_expired(connection, int(time.time())) >= 0
        assert queue.outcomes(connection, [row.token]) == {}


def test_a_dead_workers_submission_is_finished(service: Service, publisher: Publisher) -> None:
    bundle = stored(service, [publisher.oms(FILES)])
    now = int(time.time())
    with service.database.write_lightly() as connection:
        queue.add(connection, [queue.Waiting("1" * 32, bundle, now, now + 60, kept=True)])
    deadline = time.monotonic() + 20
    while service.outcome("1" * 32) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert service.outcome("1" * 32) == (Placed(3, created=True),)
    assert service.submit([publisher.oms(FILES)]).result(10)[0].created is False


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.files
def test_readiness_names_what_is_missing(
    service: Service, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = client.get("/readyz").json()
    assert (ready["status"], ready["sequencer"]) == ("ready", "here")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _path: Usage(10, 9, 1))
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert "1 bytes are free" in answer.json()["evidence"]["disk"]
    checkpoint = service.folder.public / "checkpoint"
    kept = checkpoint.read_bytes()
    checkpoint.write_bytes(b"rubbish")
    assert "storage" in client.get("/readyz").json()["evidence"]
    checkpoint.write_bytes(kept)
    with monkeypatch.context() as patch:
        patch.setattr(service.sequencer, "_turn", lambda: False)
        service.sequencer._step_down()
        patch.setattr(service.sequencer, "campaign", lambda: False)
        assert "no process leads" in client.get("/readyz").json()["evidence"]["sequencer"]
    service.drain(5)
    assert "stopping" in client.get("/readyz").json()["evidence"]["process"]


def test_a_submission_that_is_stuck_makes_a_registry_unready(
    service: Service, client: TestClient, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = stored(service, [publisher.oms(FILES)])
    now = int(time.time())
    with monkeypatch.context() as patch:
        patch.setattr(service.sequencer, "_turn", lambda: False)
        with service.database.write_lightly() as connection:
            queue.add(connection, [queue.Waiting("2" * 32, bundle, now - 40, now + 60, kept=False)])
        assert "has waited for 4" in client.get("/readyz").json()["evidence"]["sequencer"]
        assert "weighbridge_queue_waiting 1.0" in client.get("/metrics").text


def test_a_database_that_is_gone_is_503_and_heals(
    service: Service, client: TestClient, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers are told to come again; nothing of the database's words, which may hold secrets, is shown."""

    def gone(_database: Database) -> Any:
        raise OperationalError("SELECT secret", {}, Exception("password=secret host=db"))

    with monkeypatch.context() as patch:
        patch.setattr(Database, "read", gone)
        patch.setattr(Database, "write_lightly", gone)
        for path in ("/api/v1/log", "/api/v1/models", "/readyz"):
            answer = client.get(path)
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            assert "secret" not in answer.text
        refused = client.post("/api/v1/statements", content=publisher.oms(FILES), headers=ASYNC)
        assert refused.status_code == 503
    submit(client, publisher.oms(FILES))
    assert client.get("/readyz").status_code == 200


def test_bundles_that_cannot_be_stored_are_503(
    client: TestClient, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_files: DigestFiles, _bundles: dict[str, bytes]) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(DigestFiles, "put_all", full)
        submit(client, publisher.oms(FILES), expect=503)
    submit(client, publisher.oms(FILES))


def test_the_clock_goes_back_and_received_does_not(tmp_path: Path) -> None:
    now = [2_000_000_000.0]
    service = open_service(Settings(data=tmp_path / "data", public_sigstore=False), clock=lambda: now[0])
    publisher = Publisher(service.origin)
    service.submit(publisher.start()).result(10)
    now[0] = 1_900_000_000.0
    service.submit([publisher.oms(FILES)]).result(10)
    received = [event.received for event in service.queries.events().events]
    assert received[1:] == [2_000_000_000] * 3
    service.close()
    assert fsck(tmp_path / "data", public_sigstore=False).ok


def test_log_lines_hold_no_query_and_no_control_characters(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "weighbridge.access"):
        client.get("/api/v1/models?q=somebody@example.org")
        client.get("/a%0a%1b[31mb")
    lines = [journal._Json().format(record) for record in caplog.records]
    assert "somebody" not in "".join(lines)
    assert [json.loads(line)["status"] for line in lines] == [200, 404]
    assert json.loads(lines[0])["route"] == "/api/v1/models"
    assert not [line for line in lines if re.search("[\x00-\x1f]", line)]
    assert not [record for record in caplog.records if re.search("[\x00-\x1f]", record.getMessage())]


def test_a_bell_is_heard_once_and_never_blocks() -> None:
    bell = Bell()
    for _ in range(5_000):
        bell.ring()
    assert bell.wait(0)
    assert not bell.wait(0)
    bell.close()
    bell.ring()
    assert not bell.wait(0)
