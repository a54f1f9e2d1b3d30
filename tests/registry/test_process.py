# SPDX-License-Identifier: Apache-2.0
"""A registry as a process: it starts, tells when it is ready, drains, and guards its folder and port."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.registries import Registry, running_registry
from tests.registry.publishers import Publisher
from weighbridge.errors import InputError
from weighbridge_registry.serving import serve


def test_it_is_ready_in_seconds_and_stops_when_asked(tmp_path: Path) -> None:
    with running_registry(tmp_path) as registry:
        answer = registry.post(Publisher(registry.origin).start())
        assert answer.status == 201
        size = registry.get("/api/v1/log")["size"]
        assert registry.stop() == 0
        registry.start()
        assert registry.get("/api/v1/log")["size"] == size == 3


def test_keys_are_for_the_operator_alone(registry: Registry) -> None:
    folder = registry.data / "keys"
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "log.key": 0o600,
        "operator.pem": 0o600,
        "place.json": 0o600,
        "place.lock": 0o600,
    }
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.files
def test_a_second_registry_on_the_same_folder_gives_up(registry: Registry, tmp_path: Path) -> None:
    second = Registry(registry.data, registry.port + 1, knobs={"limits": {}})
    second.start(wait=False)
    assert second.wait() != 0
    assert "another registry is running" in second.output
    assert registry.get("/readyz")["status"] == "ready"


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="cannot listen on") as refused:
            serve(FastAPI(), "127.0.0.1", taken.getsockname()[1])
    assert "--port" in refused.value.hint
