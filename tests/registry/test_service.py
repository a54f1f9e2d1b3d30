# SPDX-License-Identifier: Apache-2.0
"""A registry is opened, taken into use, closed and opened again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher
from weighbridge_registry.api import create_api
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Settings


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    opened = open_service(Settings(data=tmp_path / "data", public_sigstore=False))
    yield opened
    opened.close()


def test_a_release_is_published_and_found_again(service: Service) -> None:
    publisher = Publisher(service.origin)
    files = {"model.safetensors": b"weights", "config.json": b"{}"}
    bundles = [*publisher.start(), publisher.oms(files), publisher.release("tiny", "1.0", files)]
    client = TestClient(create_api(service))
    answer = client.post(
        "/api/v1/statements", content=b"\n".join(bundles), headers={"content-type": "application/jsonl"}
    )
    assert answer.status_code == 201, answer.text
    assert [result["index"] for result in answer.json()["results"]] == [1, 2, 3, 4]
    release = client.get("/api/v1/models/acme/tiny/1.0").json()
    assert release["version"] == "1.0"
    assert [entry["kind"] for entry in release["entries"]] == ["signer", "namespace", "oms", "release"]
    assert (
        client.get(f"/api/v1/digests/{release['files'][0]['sha256']}").json()["matches"][0]["kind"] == "file"
    )
