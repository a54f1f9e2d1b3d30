# SPDX-License-Identifier: Apache-2.0
"""The same registry on PostgreSQL: published, refused, raced for, crashed, checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.registry.postgres import running_postgres
from tests.registry.publishers import Publisher, digest_of, post, submit
from tests.registry.test_crashes import buried, dying_at
from weighbridge.errors import ConfigurationError, UnavailableError
from weighbridge_registry.api import create_api
from weighbridge_registry.fsck import fsck
from weighbridge_registry.log.writing import STEPS
from weighbridge_registry.service import open_service
from weighbridge_registry.settings import Settings

pytestmark = [pytest.mark.files, pytest.mark.needs("postgresql", "unprivileged")]

README = "# Tiny \N{WAXING CRESCENT MOON SYMBOL}\n".encode()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running_postgres() as found:
        yield found


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_registry_lives_on_postgresql(address: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = Settings(data=data, database_url=address, public_sigstore=False)
    service = open_service(settings)
    client = TestClient(create_api(service))
    publisher = Publisher(service.origin)
    submit(client, *publisher.start())
    card = {"identity": {"title": "Tiny"}, "readme": {"sha256": digest_of(README), "size": len(README)}}
    for number in range(3):
        files = {"a.safetensors": b"%d" % number}
        submit(client, publisher.oms(files), publisher.release("tiny", str(number), files, card=card))
    assert post(client, publisher.release("tiny", "1", {"x": b"y"})).status_code == 409
    assert client.put(f"/api/v1/blobs/{digest_of(README)}", content=README).status_code == 201
    assert client.get(f"/api/v1/blobs/{digest_of(README)}").content == README
    assert client.get("/api/v1/models?q=tin").json()["models"][0]["version"] == "2"
    assert client.get("/api/v1/namespaces/a%00b").status_code == 404
    assert len(client.get(f"/api/v1/digests/{digest_of(b'1')}").json()["matches"]) == 1
    service.close()

    for step in STEPS:
        dying = open_service(settings, dying_at(step, 1))
        answer = dying.submit([publisher.oms({step: b"1"})])
        buried(dying)
        if step == "applied":  # its outcome was written with it
            assert answer.result(0)[0].created
        else:
            with pytest.raises(UnavailableError):
                answer.result(0)
        open_service(settings).close()
    service = open_service(settings)
    assert service.queries.log().size == 9 + len(STEPS)

    rival = open_service(settings)
    assert [one.sequencer.leads for one in (service, rival)] == [True, False]
    for number in range(5):
        answers = [
            one.submit([publisher.oms({f"{who}{number}": b"1"})])
            for who, one in (("a", service), ("b", rival))
        ]
        assert len({place.index for answer in answers for place in answer.result(10)}) == 2
    service.close()
    assert rival.submit([publisher.oms({"after": b"1"})]).result(10)[0].created
    assert rival.sequencer.leads
    rival.close()
    report = fsck(data, database_url=address, public_sigstore=False)
    assert report.ok, report.to_json()
    with pytest.raises(ConfigurationError, match="holds the log of"):
        open_service(Settings(data=tmp_path / "other", database_url=address))


def test_a_database_that_does_not_answer(tmp_path: Path) -> None:
    url = "postgresql+psycopg://somebody:secret@127.0.0.1:1/nowhere"
    with pytest.raises(ConfigurationError) as refused:
        open_service(Settings(data=tmp_path / "data", database_url=url))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "postgresql+nonsense://x/y"])
def test_an_address_that_is_no_database(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError):
        open_service(Settings(data=tmp_path / "data", database_url=url))
