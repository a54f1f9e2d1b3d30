# SPDX-License-Identifier: Apache-2.0
"""An open service and a client of its interface, without a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, submit
from tests.registry.s3 import S3, Proxy, running_proxy, running_s3
from weighbridge_registry.api import create_api
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Limits, Settings


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    limits = Limits(body_bytes=1024 * 1024, submission_bundles=8, queue_submissions=40)
    opened = open_service(Settings(data=tmp_path / "data", public_sigstore=False, limits=limits))
    yield opened
    opened.close()


@pytest.fixture
def client(service: Service) -> TestClient:
    return TestClient(create_api(service), raise_server_exceptions=False)


@pytest.fixture
def publisher(service: Service, client: TestClient) -> Publisher:
    """The owner of `acme`, who has been here before."""
    one = Publisher(service.origin)
    submit(client, *one.start(), expect=201)
    return one


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with running_s3() as one:
        yield one


@pytest.fixture(scope="module")
def proxy(s3: S3) -> Iterator[Proxy]:
    """The same storage behind something that can spoil what it says."""
    with running_proxy(s3) as one:
        yield one
