# SPDX-License-Identifier: Apache-2.0
"""A registry and its witness, both killed again and again: every promise of the witness is kept."""

from __future__ import annotations

import base64
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import urllib3

from tests.commands import environment
from tests.registries import Registry, free_port
from tests.registry.publishers import Publisher
from tests.registry.test_crashes import publish_until_death
from weighbridge import tlog
from weighbridge_registry.fsck import fsck

ROUNDS = int(os.environ.get("WEIGHBRIDGE_WITNESS_ROUNDS", "25"))


@dataclass
class WitnessProcess:
    """`weighbridge log witness` in a process of its own."""

    folder: Path
    log: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        arguments = [
            "log",
            "witness",
            "--data",
            str(self.folder),
            "--log",
            self.log,
            "--port",
            str(self.port),
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "weighbridge_cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        end = time.monotonic() + 60
        while True:
            assert self.process.poll() is None
            assert time.monotonic() < end
            try:
                if urllib3.request("GET", f"{self.url}/healthz", retries=False, timeout=2).status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                time.sleep(0.05)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    @property
    def verifier(self) -> tlog.Verifier:
        return tlog.Signer.from_private_key((self.folder / "witness.key").read_text()).verifier


@dataclass
class Watching(threading.Thread):
    """Somebody who reads what the witness shows, and keeps all of it."""

    url: str
    origin: str
    seen: list[bytes] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        path = f"{self.url}/{tlog.origin_digest(self.origin)}/checkpoint"
        while not self.done.wait(0.02):
            try:
                answer = urllib3.request("GET", path, retries=False, timeout=5)
            except urllib3.exceptions.HTTPError:
                continue
            if answer.status == 200 and (not self.seen or self.seen[-1] != answer.data):
                self.seen.append(answer.data)


@pytest.mark.faults
def test_killed_at_random_a_witness_and_its_log_keep_every_promise(tmp_path: Path) -> None:
    chance = random.Random(20261126)  # noqa: S311 - the same faults in each run
    registry = Registry(tmp_path / "data", free_port())
    registry.start()
    vkey, origin = registry.vkey, registry.origin
    registry.stop()
    witness = WitnessProcess(tmp_path / "w", vkey)
    witness.start()
    policy = tmp_path / "policy"
    policy.write_text(f"witness w {witness.verifier.vkey} {witness.url}\nquorum w\n")
    registry.arguments = ("--witness-policy", str(policy), "--witness-refresh", "1")
    watching = Watching(witness.url, origin)
    watching.start()
    acknowledged: list[dict[str, object]] = []
    try:
        for number in range(ROUNDS):
            registry.start()
            everybody = publish_until_death(registry, origin, f"r{number}-")
            for _ in range(chance.randrange(3)):
                time.sleep(chance.uniform(0.0, 0.7))
                witness.kill()
                time.sleep(chance.uniform(0.0, 0.3))
                witness.start()
            time.sleep(chance.uniform(0.0, 0.7))
            registry.kill()
            for one in everybody:
                one.done.set()
                one.join(60)
                acknowledged += one.acknowledged
        registry.start()
        head = cosigned_head(registry, witness.verifier, vkey)
    finally:
        watching.done.set()
        watching.join(30)
        for process in (registry.process, witness.process):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait(30)
    check_promises(registry, watching.seen, witness.verifier, head, vkey)
    assert acknowledged
    for result in acknowledged:
        receipt = tlog.parse_receipt(str(result["receipt"]).encode())
        tlog.verify_receipt(receipt, base64.b64decode(str(result["leaf"])), [vkey])


def cosigned_head(registry: Registry, witness: tlog.Verifier, vkey: str) -> tlog.SignedCheckpoint:
    """Publish once more, and wait until the published checkpoint is cosigned."""
    registry.post(Publisher(registry.origin, "last", "last").start())
    end = time.monotonic() + 60
    while True:
        data = urllib3.request("GET", f"{registry.url}/checkpoint", timeout=30).data
        head = tlog.parse_checkpoint(data, [vkey])
        if tlog.cosignatures(head.note, [witness]):
            return head
        assert time.monotonic() < end
        time.sleep(0.1)


def check_promises(
    registry: Registry, seen: list[bytes], witness: tlog.Verifier, head: tlog.SignedCheckpoint, vkey: str
) -> None:
    """Check that all that was cosigned is a beginning of the log as it is, at times that never decrease."""
    files = registry.data / "public"

    def tile(level: int, index: int, width: int) -> bytes:
        path = files / tlog.tile_path(level, index, width)
        return path.read_bytes() if path.exists() else (files / tlog.tile_path(level, index)).read_bytes()

    reader = tlog.TileReader(lambda *one: tile(*one)[: one[2] * 32], head.size, head.root)
    before = (0, 0)
    for data in seen:
        shown = tlog.parse_checkpoint(data, [vkey])
        (cosigned,) = tlog.cosignatures(shown.note, [witness])
        assert (shown.size, cosigned.time) >= before
        assert cosigned.time >= before[1]
        before = (shown.size, cosigned.time)
        assert reader.root_at(shown.size) == shown.root
    assert len({tlog.parse_checkpoint(data, [vkey]).size for data in seen}) > ROUNDS // 2
    report = fsck(registry.data, public_sigstore=False)
    assert report.ok, report.to_json()
