# SPDX-License-Identifier: Apache-2.0
"""The registry dies, anywhere, at any time: nothing acknowledged is lost, no second tree is signed."""

from __future__ import annotations

import base64
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.registries import Registry, running_registry
from tests.registry.publishers import Publisher
from weighbridge import tlog
from weighbridge.errors import UnavailableError
from weighbridge_registry.fsck import fsck
from weighbridge_registry.log.outcomes import Placed
from weighbridge_registry.log.writing import STEPS
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Settings
from weighbridge_registry.store.files import DataFolder, LogFiles


class Publishing(threading.Thread):
    """Somebody who publishes one release after another, and remembers what was acknowledged."""

    def __init__(self, registry: Registry, origin: str, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.publisher = Publisher(origin, name, name)
        self.acknowledged: list[dict[str, object]] = []
        self.done = threading.Event()
        self._registry = registry

    def run(self) -> None:
        waiting = self.publisher.start()
        number = 0
        while not self.done.is_set():
            try:
                answer = self._registry.post(waiting)
            except urllib3.exceptions.HTTPError:
                return
            if answer.status not in (200, 201):
                return
            self.acknowledged += answer.json()["results"]
            number += 1
            files = {"weights.bin": b"%s %d" % (self.name.encode(), number)}
            waiting = [self.publisher.oms(files), self.publisher.release("model", str(number), files)]


def publish_until_death(registry: Registry, origin: str, prefix: str, people: int = 4) -> list[Publishing]:
    everybody = [Publishing(registry, origin, f"{prefix}{number}") for number in range(people)]
    for one in everybody:
        one.start()
    return everybody


def check_whole(registry: Registry, vkey: str, acknowledged: list[dict[str, object]]) -> None:
    """Everything acknowledged is where its receipt says, in a tree that grew from that of the receipt."""
    checkpoint = tlog.parse_checkpoint(urllib3.request("GET", f"{registry.url}/checkpoint").data, [vkey])
    folder = DataFolder(registry.data)
    reader = tlog.TileReader(folder.log.read_tile, checkpoint.size, checkpoint.root)
    for result in acknowledged:
        receipt = tlog.parse_receipt(str(result["receipt"]).encode())
        leaf = base64.b64decode(str(result["leaf"]))
        old = tlog.verify_receipt(receipt, leaf, [vkey])
        proof = reader.consistency_proof(old.size)
        tlog.verify_consistency(old.size, checkpoint.size, proof, old.root, checkpoint.root)
    for result in acknowledged[:: max(1, len(acknowledged) // 20)]:
        assert registry.get(f"/api/v1/entries/{result['index']}")["leaf"] == result["leaf"]
    report = fsck(registry.data, public_sigstore=False)
    assert report.ok, report.to_json()
    assert report.size >= checkpoint.size, "what was queued when it died may have been logged meanwhile"
    folder.close()


@pytest.mark.parametrize("deaths", [1, pytest.param(5, marks=pytest.mark.faults)])
def test_killed_again_and_again_while_four_people_publish(tmp_path: Path, deaths: int) -> None:
    chance = random.Random(20261123)  # noqa: S311 - moments to die, no secrets
    acknowledged: list[dict[str, object]] = []
    with running_registry(tmp_path, limits={}) as registry:
        origin, vkey = registry.origin, registry.vkey
        for attempt in range(deaths):
            everybody = publish_until_death(registry, origin, f"round{attempt}n")
            deadline = time.monotonic() + 60
            while sum(len(one.acknowledged) for one in everybody) < 8 and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(chance.uniform(0.0, 0.5))
            registry.kill()
            for one in everybody:
                one.done.set()
                one.join(30)
                acknowledged += one.acknowledged
            registry.start()
        assert len(acknowledged) >= 8 * deaths
        check_whole(registry, vkey, acknowledged)


def test_dead_between_swapping_the_checkpoint_and_writing_the_tiles(tmp_path: Path) -> None:
    """A real process, real publishers: the signed tree exists, the tiles do not."""
    with running_registry(tmp_path, crash_at="swapped", crash_after=5) as registry:
        origin, vkey = registry.origin, registry.vkey
        everybody = publish_until_death(registry, origin, "someone", people=2)
        assert registry.wait() == 137
        for one in everybody:
            one.join(30)
        registry.knobs = {"limits": {}}
        registry.start()
        acknowledged = [result for one in everybody for result in one.acknowledged]
        assert acknowledged
        check_whole(registry, vkey, acknowledged)
        for one in everybody:
            again = registry.post(one.publisher.start())
            assert again.status in (200, 201), again.data


class Death(BaseException):
    """The process ends here: no handler sees it, nothing more is written."""


def dying_at(step: str, batch: int) -> Callable[[str], None]:
    reached = [0]

    def hook(now: str) -> None:
        reached[0] += now == step
        if now == step and reached[0] == batch:
            raise Death

    return hook


def reopened(data: Path) -> Service:
    return open_service(Settings(data=data, public_sigstore=False))


def buried(service: Service) -> None:
    """What the end of a process does, and no more."""
    service.sequencer._thread.join(10)
    service.desk.drain(0)
    service.desk._thread.join(10)
    service.database.close()
    service.election.release()
    service._crew.close()
    service._lock.release()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("step", STEPS)
def test_dead_after_each_step_of_a_write(tmp_path: Path, step: str) -> None:
    data = tmp_path / "data"
    dying = open_service(Settings(data=data, public_sigstore=False), dying_at(step, 4))
    publisher = Publisher(dying.origin)
    acknowledged = []
    for number in range(2):
        bundles = [*publisher.start(), publisher.oms({"a": b"%d" % number})]
        places = dying.submit(bundles).result(10)
        acknowledged += [(place.index, bundle) for place, bundle in zip(places, bundles, strict=True)]
    last = publisher.oms({"a": b"last"})
    answer = dying.submit([last])
    buried(dying)
    if step == "applied":  # its outcome was written with it
        assert answer.result(0) == (Placed(5, created=True),)
    else:
        with pytest.raises(UnavailableError):
            answer.result(0)

    service = reopened(data)
    for index, bundle in acknowledged:
        statement = service.queries.entry(index)
        assert statement is not None
        assert service.submit([bundle]).result(10) == (Placed(index, created=False),)
    size = service.queries.log().size
    place = service.submit([last]).result(10)[0]
    assert place == Placed(5, created=False)
    assert size == 6
    service.close()
    report = fsck(data, public_sigstore=False)
    assert report.ok, report.to_json()


@pytest.mark.parametrize("step", STEPS)
def test_dead_in_the_middle_of_the_first_start(tmp_path: Path, step: str) -> None:
    data = tmp_path / "data"
    with pytest.raises(Death):
        open_service(Settings(data=data, public_sigstore=False), dying_at(step, 1))
    service = reopened(data)
    assert service.queries.log().size == 1
    assert len(service.submit(Publisher(service.origin).start()).result(10)) == 2
    service.close()
    assert fsck(data, public_sigstore=False).ok


def test_dead_while_healing(tmp_path: Path) -> None:
    """Healing may be interrupted, too, at any step, and is then done again."""
    data = tmp_path / "data"
    with pytest.raises(Death):
        open_service(Settings(data=data, public_sigstore=False), dying_at("staged", 1))
    for step in STEPS[1:]:
        with pytest.raises(Death):
            open_service(Settings(data=data, public_sigstore=False), dying_at(step, 1))
    service = reopened(data)
    assert service.queries.log().size == 1
    service.close()
    assert fsck(data, public_sigstore=False).ok


@pytest.mark.files
def test_a_full_disk_is_answered_with_503_and_healed_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    service = reopened(data)
    publisher = Publisher(service.origin)
    full = True
    append = LogFiles.append

    def no_room(files: LogFiles, *arguments: Any) -> None:
        if full:
            raise OSError(28, "No space left on device")
        append(files, *arguments)

    monkeypatch.setattr(LogFiles, "append", no_room)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            service.submit(publisher.start()).result(10)
    full = False
    places = service.submit(publisher.start()).result(10)
    assert [(place.index, place.created) for place in places] == [(1, False), (2, False)]
    service.close()
    assert fsck(data, public_sigstore=False).ok


@pytest.mark.files
def test_two_leaders_cannot_both_win(tmp_path: Path) -> None:
    """Both lock files are gone, and two processes think that they lead: the term tells them apart."""
    data = tmp_path / "data"
    one = reopened(data)
    one._lock.release()
    (data / "sequencer.lock").unlink()
    two = reopened(data)
    assert one.sequencer.leads
    assert two.sequencer.leads
    placed = []
    for number in range(8):
        publishers = [Publisher(one.origin, f"p{number}", f"p{number}{who}") for who in "ab"]
        answers = [service.submit(p.start()) for service, p in zip((one, two), publishers, strict=True)]
        placed += [place.index for answer in answers for place in answer.result(20)]
    assert sorted(placed) == list(range(1, 33)), "each place went to one submission"
    assert [service.sequencer.leads for service in (one, two)] == [False, True]
    one.close()
    two.close()
    report = fsck(data, public_sigstore=False)
    assert report.ok, report.to_json()
    assert report.size == 33


@pytest.mark.files
def test_a_leader_of_the_past_writes_nothing(tmp_path: Path) -> None:
    """It was stopped for a while in the middle of a batch, and another has led since."""
    data = tmp_path / "data"
    stopped, go_on = threading.Event(), threading.Event()

    def hook(step: str) -> None:
        if step == "staged" and armed and not stopped.is_set():
            stopped.set()
            go_on.wait(30)

    armed: list[int] = []
    old = open_service(Settings(data=data, public_sigstore=False), hook)
    armed.append(1)
    publisher = Publisher(old.origin)
    answer = old.submit(publisher.start())
    assert stopped.wait(10)
    old._lock.release()
    (data / "sequencer.lock").unlink()
    new = reopened(data)
    late = new.submit([*Publisher(old.origin, "late", "late").start()])
    assert [place.index for place in late.result(20)] == [3, 4]
    assert [place.index for place in answer.result(20)] == [1, 2], "healed, and found by the new leader"
    size = new.queries.log().size
    go_on.set()
    deadline = time.monotonic() + 20
    while old.sequencer.leads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not old.sequencer.leads
    assert new.queries.log().size == size == 5
    old.close()
    new.close()
    assert fsck(data, public_sigstore=False).ok
