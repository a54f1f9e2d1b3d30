# SPDX-License-Identifier: Apache-2.0
"""What a registry stands on goes away and comes back, by real means: a database stopped, a disk full.

Nothing acknowledged is lost, who cannot be served is told to come again, and nobody has to repair anything.
"""

from __future__ import annotations

import contextlib
import itertools
import resource
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.registries import Registry, free_port, running_registry
from tests.registry.postgres import Cluster, running_cluster
from tests.registry.publishers import Publisher
from tests.registry.test_crashes import check_whole
from tests.registry.test_workers import wait_for
from weighbridge_registry.fsck import fsck

pytestmark = pytest.mark.files


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running_cluster() as one:
        yield one


@dataclass
class Publishing:
    """Somebody who publishes and, told to come again, sends the same again, until it is acknowledged."""

    registry: Registry
    publisher: Publisher
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        waiting = self.publisher.start()
        for number in itertools.count():
            while not self._send(waiting):
                time.sleep(0.05)
            if self.done.is_set() or self.wrong:
                return
            waiting = [self.publisher.oms({"a": b"%d" % number})]

    def _send(self, bundles: list[bytes]) -> bool:
        answer = self.registry.post(bundles)
        if answer.status in {200, 201}:
            self.acknowledged += answer.json()["results"]
            return True
        if answer.status != 503 or "Retry-After" not in answer.headers:
            self.wrong.append(f"{answer.status} {answer.data!r}")
            return True
        self.refused.append(answer.status)
        return False


@contextlib.contextmanager
def publishing(registry: Registry, people: int = 3) -> Iterator[list[Publishing]]:
    """Let people publish while the block runs; afterwards each has got what they sent last."""
    origin = registry.origin
    everybody = [Publishing(registry, Publisher(origin, f"p{n}", f"p{n}")) for n in range(people)]
    threads = [threading.Thread(target=one.run, daemon=True) for one in everybody]
    for thread in threads:
        thread.start()
    try:
        yield everybody
    finally:
        for one in everybody:
            one.done.set()
        for thread in threads:
            thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    assert [one.wrong for one in everybody] == [[]] * people


def readiness(registry: Registry) -> tuple[int, Any]:
    answer = urllib3.request("GET", f"{registry.url}/readyz", retries=False, timeout=30)
    return answer.status, answer.json()


@pytest.mark.needs("postgresql", "unprivileged")
@pytest.mark.parametrize("outages", [1, pytest.param(8, marks=pytest.mark.faults)])
def test_a_database_is_stopped_and_started_again_while_people_publish(
    cluster: Cluster, tmp_path: Path, outages: int
) -> None:
    """By turns it crashes, and is stopped in good order; what was acknowledged before is there after."""
    with running_registry(tmp_path, arguments=("--database-url", cluster.address)) as registry:
        with publishing(registry) as people:
            for outage in range(outages):
                counts = [len(one.acknowledged) for one in people]
                wait_for(grown(people, counts))
                cluster.stop("fast" if outage % 2 else "immediate")
                status, told = readiness(registry)
                assert (status, "database" in told["evidence"]) == (503, True), told
                assert registry.get("/healthz") == {"status": "ok"}
                cluster.start()
                wait_for(lambda: readiness(registry)[0] == 200)
            wait_for(grown(people, [len(one.acknowledged) for one in people]))
        assert any(one.refused for one in people)
        acknowledged = [result for one in people for result in one.acknowledged]
        for result in acknowledged:
            assert registry.get(f"/api/v1/entries/{result['index']}")["leaf"] == result["leaf"]
        report = fsck(registry.data, database_url=cluster.address, public_sigstore=False)
        assert report.ok, report.to_json()
        assert report.size == 1 + len({result["index"] for result in acknowledged}), "nothing is there twice"
        assert registry.stop() == 0


def grown(people: list[Publishing], counts: list[int]) -> Callable[[], bool]:
    """Whether each has been acknowledged something since."""
    return lambda: all(
        len(one.acknowledged) > count or one.wrong for one, count in zip(people, counts, strict=True)
    )


@pytest.mark.parametrize(
    "longest", [0, *(pytest.param(size, marks=pytest.mark.faults) for size in (700, 5000, 40_000, 150_000))]
)
def test_no_file_may_grow_any_more_and_then_may_again(tmp_path: Path, longest: int) -> None:
    """The kernel refuses each write beyond a length: of the database, a tile or a statement, as it comes."""
    with running_registry(tmp_path, limits={}) as registry:
        origin, vkey = registry.origin, registry.vkey
        publisher = Publisher(origin)
        acknowledged = registry.post(publisher.start()).json()["results"]
        assert registry.process is not None
        bundles = [publisher.oms({"a": b"%d" % number}) for number in range(6)]
        allow(registry.process.pid, longest)
        answers = [registry.post([bundle]) for bundle in bundles]
        for answer in answers:
            assert answer.status in {201, 503}, answer.data
            assert answer.status == 201 or answer.headers["Retry-After"]
            acknowledged += answer.json()["results"] if answer.status == 201 else []
        assert longest or {answer.status for answer in answers} == {503}
        allow(registry.process.pid, resource.RLIM_INFINITY)
        wait_for(lambda: readiness(registry)[0] == 200)
        for bundle in bundles:
            answer = registry.post([bundle])
            assert answer.status in {200, 201}, answer.data
            acknowledged += answer.json()["results"]
        check_whole(registry, vkey, acknowledged)
        assert registry.get("/api/v1/log")["size"] == 3 + len(bundles)


def allow(process: int, longest: int) -> None:
    """Set the longest file that a process may write."""
    resource.prlimit(process, resource.RLIMIT_FSIZE, (longest, resource.RLIM_INFINITY))


class OnASmallDisk(Registry):
    """A registry whose data folder is a file system of four megabytes, which it alone sees."""

    def _command(self) -> list[str]:
        mount = 'mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"'
        return ["unshare", "-rm", "sh", "-c", mount, str(self.data), *super()._command()]

    @property
    def seen(self) -> Path:
        """The data folder, from outside."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root{self.data}")


@pytest.mark.faults
@pytest.mark.needs("small-disk")
def test_a_disk_runs_full_and_is_given_room_again(tmp_path: Path) -> None:
    """Somebody else's file takes all the room while people publish; then it goes."""
    (tmp_path / "data").mkdir()
    registry = OnASmallDisk(tmp_path / "data", free_port(), knobs={"limits": {"free_bytes": 65_536}})
    registry.start()
    try:
        filler = registry.seen / "somebody-elses"
        with publishing(registry, people=2) as people:
            wait_for(grown(people, [3, 3]))
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)
            wait_for(lambda: all(one.refused for one in people))
            status, told = readiness(registry)
            assert (status, "disk" in told["evidence"]) == (503, True), told
            filler.unlink()
            wait_for(lambda: readiness(registry)[0] == 200)
            wait_for(grown(people, [len(one.acknowledged) for one in people]))
        acknowledged = [result for one in people for result in one.acknowledged]
        for result in acknowledged:
            assert registry.get(f"/api/v1/entries/{result['index']}")["leaf"] == result["leaf"]
        copy = Path(shutil.copytree(registry.seen, tmp_path / "copy"))  # SQLite resolves /proc/…/root
        report = fsck(copy, public_sigstore=False)
        assert report.ok, report.to_json()
        assert report.size == 1 + len({result["index"] for result in acknowledged})
    finally:
        registry.kill()
