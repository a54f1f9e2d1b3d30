# SPDX-License-Identifier: Apache-2.0
"""Writers and readers at once, for long, and many deaths: everything acknowledged is proved, always.

A short form of each is in the default suite (deaths in `test_crashes.py`); `make test-faults` runs the long.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.registries import Registry, running_registry
from tests.registry.publishers import Publisher
from tests.registry.serving import registry_here
from tests.registry.test_crashes import check_whole, publish_until_death
from weighbridge import tlog
from weighbridge.client import RegistryClient
from weighbridge.leaves import encode_leaf
from weighbridge_registry.log.writing import STEPS


@dataclass
class Board:
    """What writers have been promised, for readers to check; and what anybody found wrong."""

    promised: list[tuple[int, bytes, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)
    checked: int = 0


class Hand(threading.Thread):
    """One writer or reader; what goes wrong in it is on the board."""

    def __init__(self, registry: Registry, board: Board, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.client = RegistryClient(registry.url, retry_for=30.0)
        self.vkey = registry.vkey
        self.board = board

    def run(self) -> None:
        try:
            self.work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must fail of it
            self.board.faults.append(f"{self.name}: {type(error).__name__}: {error}")

    def work(self) -> None:
        raise NotImplementedError


class Writer(Hand):
    """Submits statements, several at once, until told to stop or for a number of rounds."""

    rounds = 1_000_000

    def work(self) -> None:
        publisher = Publisher(self.client.log().origin, self.name, self.name)
        bundles = publisher.start()
        for number in range(self.rounds):
            if self.board.done.is_set():
                return
            for bundle, result in zip(bundles, self.client.submit(bundles), strict=True):
                self.board.promised.append((result.index, bundle, str(result.receipt)))
            count = 1 + number % 5
            bundles = [publisher.oms({"a": b"%d %d" % (number, place)}) for place in range(count)]


class Reader(Hand):
    """Follows the log: each checkpoint must extend the one before, and hold everything promised before it."""

    def work(self) -> None:
        chance = random.Random(self.name)  # noqa: S311 - which entries to look at
        seen = tlog.parse_checkpoint(self.client.checkpoint(), [self.vkey])
        while not self.board.done.is_set():
            promised = list(self.board.promised)
            head = tlog.parse_checkpoint(self.client.checkpoint(), [self.vkey])
            self.client.consistency(seen, head)
            seen = head
            for index, bundle, receipt in chance.sample(promised, min(5, len(promised))):
                self.look(head, index, bundle, receipt)

    def look(self, head: tlog.SignedCheckpoint, index: int, bundle: bytes, receipt: str) -> None:
        """One promised entry: its receipt, its place in the newest tree, its bundle."""
        reader = self.client.reader(head)
        number, place = divmod(index, tlog.TILE_WIDTH)
        width = tlog.tile_width(0, number, head.size)
        leaf = reader.entries(number, self.client.entries(number, width))[place]
        tlog.verify_receipt(tlog.parse_receipt(receipt.encode()), leaf, [self.vkey])
        tlog.verify_inclusion(
            index, head.size, tlog.leaf_hash(leaf), reader.inclusion_proof(index), head.root
        )
        digest = leaf.decode().partition("sha256:")[2][:64]
        assert self.client.bundle(digest) == bundle
        assert leaf == encode_leaf(digest, int(leaf.decode().partition('"received":')[2].partition(",")[0]))
        self.board.checked += 1


def hammered(registry: Registry, writers: int, readers: int, **limits: Any) -> Board:
    """Let them work for `seconds`, or each writer for `rounds`; what was promised is proved at the end."""
    board = Board()
    writing = [Writer(registry, board, f"writer{number}") for number in range(writers)]
    reading = [Reader(registry, board, f"reader{number}") for number in range(readers)]
    for one in writing:
        one.rounds = limits.get("rounds", one.rounds)
    for hand in (*writing, *reading):
        hand.start()
    if "seconds" in limits:
        board.done.wait(limits["seconds"])
        board.done.set()
    for hand in writing:
        hand.join(300)
    board.done.set()
    for hand in reading:
        hand.join(300)
    last = Reader(registry, board, "last")
    head = tlog.parse_checkpoint(last.client.checkpoint(), [last.vkey])
    for promise in board.promised:
        last.look(head, *promise)
    assert board.faults == []
    return board


@pytest.mark.everywhere
def test_writers_and_readers_at_once(tmp_path: Path) -> None:
    with registry_here(tmp_path) as registry:
        board = hammered(registry, 2, 2, rounds=4)
        assert len(board.promised) == 2 * (2 + 1 + 2 + 3)
        assert board.checked > len(board.promised)


@pytest.mark.faults
def test_writers_and_readers_for_minutes(tmp_path: Path) -> None:
    with running_registry(tmp_path, limits={}) as registry:
        board = hammered(registry, 8, 8, seconds=120)
        acknowledged = [
            {"index": index, "receipt": receipt, "leaf": registry.get(f"/api/v1/entries/{index}")["leaf"]}
            for index, _, receipt in board.promised
        ]
        assert len(acknowledged) > 500
        check_whole(registry, registry.vkey, acknowledged)


@pytest.mark.faults
@pytest.mark.parametrize("log", range(10))
def test_killed_twenty_times_at_random_and_at_each_step_of_a_write(tmp_path: Path, log: int) -> None:
    """Two hundred deaths in all, in ten logs; the log is proved whole after each."""
    chance = random.Random(log)  # noqa: S311 - moments to die, no secrets
    acknowledged: list[dict[str, object]] = []
    with running_registry(tmp_path, limits={}) as registry:
        origin, vkey = registry.origin, registry.vkey
        for attempt in range(20):
            step = STEPS[attempt // 2 % len(STEPS)] if attempt % 2 else None
            if step is not None:
                registry.stop()
                registry.knobs = {"crash_at": step, "crash_after": chance.randrange(2, 6)}
                registry.start()
            everybody = publish_until_death(registry, origin, f"round{attempt}n")
            if step is None:
                time.sleep(chance.uniform(0.1, 1.0))
                registry.kill()
            else:
                assert registry.wait() == 137
                registry.kill()
            for one in everybody:
                one.done.set()
                one.join(30)
                acknowledged += one.acknowledged
            registry.knobs = {"limits": {}}
            registry.start()
            check_whole(registry, vkey, acknowledged)
    assert acknowledged
