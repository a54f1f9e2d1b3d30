# SPDX-License-Identifier: Apache-2.0
"""Several processes of one registry: any takes submissions, one sequences, each may die at any time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3

from tests.registries import Registry, free_port, running_registry
from tests.registry.publishers import Publisher
from tests.registry.test_crashes import check_whole, publish_until_death
from weighbridge_registry.fsck import fsck
from weighbridge_registry.service import open_service
from weighbridge_registry.settings import Settings


def children(registry: Registry) -> list[int]:
    """The workers of a registry, oldest first."""
    assert registry.process is not None
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True, timeout=30
    ).stdout
    pairs = (line.split() for line in listed.splitlines())
    return sorted(int(pid) for pid, parent in pairs if int(parent) == registry.process.pid)


def wait_for(what: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def leaders(registry: Registry) -> list[int]:
    """Processes that took the lead, in order, as the log lines tell."""
    lines = [json.loads(line) for line in registry.output.splitlines() if line.startswith("{")]
    return [line["process"] for line in lines if "leads the log" in line["message"]]


def test_workers_share_the_work_outlive_each_other_and_drain(tmp_path: Path) -> None:
    """The leader is killed while people publish; another leads; a worker comes back; then all stop."""
    with running_registry(tmp_path, arguments=("--workers", "2", "--log-format", "json")) as registry:
        origin, vkey = registry.origin, registry.vkey
        wait_for(lambda: len(children(registry)) == 2)
        people = publish_until_death(registry, origin, "someone", people=3)
        wait_for(lambda: all(one.acknowledged for one in people))
        first = leaders(registry)
        assert len(first) == 1
        os.kill(first[0], signal.SIGKILL)
        wait_for(lambda: len(leaders(registry)) > 1)
        wait_for(lambda: first[0] not in children(registry) and len(children(registry)) == 2)
        after = registry.post(Publisher(origin, "late", "late").start())
        assert after.status == 201
        numbers = urllib3.request("GET", f"{registry.url}/metrics", timeout=30).data.decode()
        assert "weighbridge_sequencer_led 1.0" in numbers
        assert 'weighbridge_requests_total{method="POST",route="/api/v1/statements",status="201"}' in numbers
        workers = children(registry)
        for one in people:
            one.done.set()
            one.join(60)
        acknowledged = [result for one in people for result in one.acknowledged]
        assert len({result["index"] for result in acknowledged}) == len(acknowledged)
        check_whole(registry, vkey, acknowledged)
        assert registry.stop() == 0
        assert not [pid for pid in workers if alive(pid)]
        assert "secret" not in registry.output
        told = [json.loads(line) for line in registry.output.splitlines() if '"weighbridge.access"' in line]
        assert {"method", "path", "route", "status", "milliseconds"} <= set(told[0])


@pytest.mark.files
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    with running_registry(tmp_path, arguments=("--workers", "2")) as registry:
        wait_for(lambda: len(children(registry)) == 2)
        workers = children(registry)
        second = Registry(registry.data, free_port(), ("--workers", "2"))
        second.start(wait=False)
        assert second.wait(60) == 2
        assert "another registry is running" in second.output
        registry.kill()
        wait_for(lambda: not any(alive(pid) for pid in workers), 20)


def test_a_first_worker_that_cannot_start_says_why_once(tmp_path: Path) -> None:
    open_service(Settings(data=tmp_path / "data", public_sigstore=False)).close()
    (tmp_path / "data" / "keys" / "log.key").unlink()
    broken = Registry(tmp_path / "data", free_port(), ("--workers", "3"))
    broken.start(wait=False)
    assert broken.wait(60) == 2
    assert broken.output.count("log.key is missing") == 1


@pytest.mark.faults
def test_workers_are_killed_again_and_again(tmp_path: Path) -> None:
    """Two hundred deaths, of leaders and of others, while people publish; nothing acknowledged is lost.

    An operator's workers pause ever longer when they die so fast; these are started again at once.
    """
    with running_registry(tmp_path, workers=3) as registry:
        origin, vkey = registry.origin, registry.vkey
        acknowledged: list[dict[str, object]] = []
        lock = threading.Lock()
        done = threading.Event()

        def publish(number: int) -> None:
            publisher = Publisher(origin, f"p{number}", f"p{number}")
            waiting, version = publisher.start(), 0
            while not done.is_set():
                try:
                    answer = registry.post(waiting)
                except urllib3.exceptions.HTTPError:
                    continue  # the worker died: the same is sent again
                if answer.status == 503:
                    time.sleep(0.2)
                    continue
                assert answer.status in (200, 201), answer.data
                with lock:
                    acknowledged.extend(answer.json()["results"])
                version += 1
                files = {"w": b"%d %d" % (number, version)}
                waiting = [publisher.oms(files), publisher.release("m", str(version), files)]

        people = [threading.Thread(target=publish, args=(number,)) for number in range(4)]
        for one in people:
            one.start()
        for death in range(200):
            wait_for(lambda: bool(children(registry)))
            victims = children(registry)
            lead = leaders(registry)[-1]
            os.kill(lead if death % 2 and lead in victims else victims[death % len(victims)], signal.SIGKILL)
            time.sleep(0.5)
        done.set()
        for one in people:
            one.join(120)
        wait_for(lambda: urllib3.request("GET", f"{registry.url}/readyz").status == 200)
        check_whole(registry, vkey, acknowledged)
        registry.stop()
        assert fsck(registry.data, public_sigstore=False).ok
