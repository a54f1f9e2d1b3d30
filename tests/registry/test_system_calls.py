# SPDX-License-Identifier: Apache-2.0
"""One append, again and again, each time with another system call failing once (as Tessera is tested).

`strace` makes one call of a real process return an error, as a bad disk, a full one, or too many open files
would. After each: what was acknowledged is there, nothing is half there, all that was signed is one tree.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import programs
from weighbridge import tlog
from weighbridge_registry.fsck import fsck
from weighbridge_registry.store.files import DataFolder

pytestmark = pytest.mark.needs("strace")

_ROOT = Path(__file__).parent.parent.parent
_PACKAGES = ("schemas", "cli", "registry", "web", ".")
ERRORS = {
    "openat": ("EMFILE", "EIO"),
    "read": ("EIO",),
    "pread64": ("EIO",),
    "write": ("EIO", "ENOSPC"),
    "pwrite64": ("EIO", "ENOSPC"),
    "fsync": ("EIO",),
    "fdatasync": ("EIO",),
    "ftruncate": ("EIO",),
    "rename": ("EIO", "ENOSPC"),
    "mkdir": ("ENOSPC",),
    "unlink": ("EIO",),
    "close": ("EIO",),
}
"""Which error a call may fail with where a file system is the cause."""


@dataclass
class Victim:
    """The process whose calls fail, and what it has promised."""

    data: Path
    process: subprocess.Popen[bytes]
    wire: socket.socket
    vkey: str = ""
    acknowledged: dict[int, str] = field(default_factory=dict)
    signed: set[str] = field(default_factory=set)

    @classmethod
    def start(cls, data: Path) -> Victim:
        path = os.pathsep.join(str(_ROOT / name) for name in _PACKAGES)
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.registry.appending", str(data), str(theirs.fileno())],
                env=os.environ | {"PYTHONPATH": path},
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        ours.settimeout(100)
        victim = cls(data, process, ours)
        victim.vkey = victim._answer()["vkey"]
        return victim

    def ask(self, what: str) -> dict[str, Any]:
        self.wire.sendall(f"{what}\n".encode())
        answer = self._answer()
        self.signed |= set(answer["signed"])
        if "index" in answer:
            assert self.acknowledged.setdefault(answer["index"], answer["bundle"]) == answer["bundle"]
        return answer

    def _answer(self) -> dict[str, Any]:
        line = b""
        while not line.endswith(b"\n"):
            part = self.wire.recv(1 << 16)
            assert part, f"the writer ended with {self.process.wait(30)}"
            line += part
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        self.process.kill()
        self.process.wait(30)
        self.wire.close()

    def check(self) -> None:
        """What was acknowledged is in the log, and everything signed is the beginning of one tree."""
        report = fsck(self.data, public_sigstore=False)
        assert report.ok, report.to_json()
        folder = DataFolder(self.data)
        files = folder.log
        head = tlog.parse_checkpoint(files.published() or b"", [self.vkey])
        reader = tlog.TileReader(files.read_tile, head.size, head.root)
        for note in self.signed:
            old = tlog.parse_checkpoint(note.encode(), [self.vkey])
            assert reader.root_at(old.size) == old.root, f"two trees of {old.size} entries were signed"
        for index, bundle in self.acknowledged.items():
            digest = json.loads(files.read_entry(index, head.size))["bundle"].removeprefix("sha256:")
            assert folder.bundles.read(digest) == bundle.encode()


class Strace:
    """`strace` on a running process and all its threads, until the block ends."""

    def __init__(self, victim: Victim, *options: str, output: str = os.devnull) -> None:
        self._command = [str(programs.find("strace")), "-f", "-p", str(victim.process.pid), "-o", output]
        self._command += options

    def __enter__(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        assert "attached" in line, line

    def __exit__(self, *_error: object) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=30)


@dataclass(frozen=True)
class Injection:
    """The `number`-th call of this name, in each thread, fails; `forever`: and all that follow."""

    call: str
    error: str
    number: int
    forever: bool = False

    def option(self) -> str:
        return f"inject={self.call}:error={self.error}:when={self.number}{'+' if self.forever else ''}"

    def __str__(self) -> str:
        return f"{self.call}-{self.error}-{self.number}{'+' if self.forever else ''}"


def calls_of_an_append(victim: Victim, folder: Path) -> Counter[str]:
    """How often each call is made, at most, by one thread during one append."""
    trace = folder / "trace"
    with Strace(victim, "-e", f"trace={','.join(ERRORS)}", output=str(trace)):
        assert "index" in victim.ask("append")
    by_thread: Counter[tuple[str, str]] = Counter()
    for line in trace.read_text(errors="replace").splitlines():
        if match := re.match(r"([0-9]+) +([a-z0-9]+)\(", line):
            by_thread[match[1], match[2]] += 1
    most: Counter[str] = Counter()
    for (_, call), count in by_thread.items():
        most[call] = max(most[call], count)
    return most


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    one = Victim.start(tmp_path / "data")
    yield one
    one.end()


def places(count: int) -> list[int]:
    """Every call, or a dozen of them spread from the first to the last where there are more."""
    return (
        sorted({1 + (count - 1) * step // 11 for step in range(12)}) if count > 12 else [*range(1, count + 1)]
    )


def failed(victim: Victim, injection: Injection) -> dict[str, Any]:
    with Strace(victim, "-e", f"trace={injection.call}", "-e", injection.option()):
        return victim.ask("append")


SHORT = [
    Injection("fdatasync", "EIO", 1),  # the database's stage, or a bundle's
    Injection("fsync", "EIO", 1),
    Injection("fsync", "EIO", 4),
    Injection("write", "ENOSPC", 1),
    Injection("write", "ENOSPC", 3, forever=True),
    Injection("pwrite64", "EIO", 2),
    Injection("rename", "EIO", 1),
    Injection("rename", "EIO", 3),
    Injection("openat", "EMFILE", 2),
    Injection("close", "EIO", 2),
]


@pytest.mark.files
def test_an_append_whose_disk_fails_once_is_refused_or_done_and_the_next_one_goes_on(victim: Victim) -> None:
    """A short selection: the process goes on, heals itself before its next append, and starts again well."""
    refused = 0
    for injection in SHORT:
        refused += "refused" in failed(victim, injection)
        after = victim.ask("append")
        assert "index" in after, (str(injection), after)
    assert refused >= len(SHORT) // 2, "the calls that were to fail are not made any more: choose others"
    victim.ask("reopen")
    victim.check()


@pytest.mark.files
@pytest.mark.faults
def test_every_system_call_of_an_append_may_fail_and_the_process_be_killed_after_it(tmp_path: Path) -> None:
    """Each call of one append fails once, or from then on; the process is killed, and starts again."""
    acknowledged: dict[int, str] = {}
    signed: set[str] = set()
    victim = Victim.start(tmp_path / "data")
    try:
        counts = calls_of_an_append(victim, tmp_path)
        assert {"write", "fsync", "rename", "openat", "pwrite64"} <= set(counts), counts
        for injection in injections(counts):
            failed(victim, injection)
            victim.end()
            acknowledged |= victim.acknowledged
            signed |= victim.signed
            victim = Victim.start(tmp_path / "data")
            victim.acknowledged, victim.signed = dict(acknowledged), set(signed)
            after = victim.ask("append")
            assert "index" in after, (str(injection), after)
            victim.check()
    finally:
        victim.end()


def injections(counts: Counter[str]) -> Iterator[Injection]:
    """One call at a time, with each error that it may have, once or from then on."""
    for call, count in sorted(counts.items()):
        for error in ERRORS[call]:
            for number in places(count):
                yield Injection(call, error, number)
                yield Injection(call, error, number, forever=True)
