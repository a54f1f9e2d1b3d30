# SPDX-License-Identifier: Apache-2.0
"""One append, again and again, each time with another system call failing once (as Tessera is tested).

`strace` makes one call of a real process return an error, as a bad disk, a full one, or too many open files
would. After each: what was acknowledged is there, nothing is half there, all that was signed is one tree.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
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


class Nursery:
    """The process that has imported everything, and forks the victims: each is there in no time."""

    def __init__(self) -> None:
        path = os.pathsep.join(str(_ROOT / name) for name in _PACKAGES)
        self._wire, theirs = socket.socketpair()
        self._wire.settimeout(100)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.registry.appending", str(theirs.fileno())],
                env=os.environ | {"PYTHONPATH": path},
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def start(self, data: Path) -> Victim:
        """Start a writer on a data folder; it is ready when this returns."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._wire, [os.fsencode(data)], [theirs.fileno()])
            number = int(self._wire.recv(100))
        ours.settimeout(100)
        victim = Victim(data, number, ours, self.end)
        victim.vkey = victim._answer()["vkey"]
        return victim

    def end(self, number: int) -> None:
        """Kill a writer, and wait until nothing of it is left."""
        self._wire.sendall(b"end %d" % number)
        assert self._wire.recv(100) == b"ended\n"

    def close(self) -> None:
        self._wire.close()
        self._process.wait(30)


@dataclass
class Victim:
    """The process whose calls fail, and what it has promised."""

    data: Path
    number: int
    wire: socket.socket
    kill: Callable[[int], None]
    vkey: str = ""
    acknowledged: dict[int, str] = field(default_factory=dict)
    signed: set[str] = field(default_factory=set)

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
            assert part, "the writer has ended"
            line += part
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """Kill it, as a power cut would."""
        self.kill(self.number)
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
        self._command = [str(programs.find("strace")), "-f", "-p", str(victim.number), "-o", output]
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


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    one = Nursery()
    yield one
    one.close()


@pytest.fixture
def victim(nursery: Nursery, tmp_path: Path) -> Iterator[Victim]:
    one = nursery.start(tmp_path / "data")
    yield one
    one.end()


def failed(victim: Victim, injection: Injection, output: str = os.devnull) -> dict[str, Any]:
    options = ("-e", f"trace={injection.call}", "-e", injection.option())
    with Strace(victim, *options, output=output):
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


SHARES = 8
"""Parts of the long test, so that several processes may take it."""


@pytest.mark.files
@pytest.mark.faults
@pytest.mark.parametrize("share", range(SHARES))
def test_every_system_call_of_an_append_may_fail_and_the_process_be_killed_after_it(
    share: int, nursery: Nursery, tmp_path: Path
) -> None:
    """Each call of an append fails once, or from then on; the process is killed, and another starts."""
    first = nursery.start(tmp_path / "counted")
    counts = calls_of_an_append(first, tmp_path)
    first.end()
    assert {"write", "fsync", "rename", "openat", "pwrite64"} <= set(counts), counts
    mine = [one for one in injections(counts) if one.number % SHARES == share]
    happened = sum(_survives(nursery, tmp_path / str(number), one) for number, one in enumerate(mine))
    assert happened >= len(mine) * 0.9, f"{happened} of {len(mine)} calls failed: the count is wrong"


def _survives(nursery: Nursery, folder: Path, injection: Injection) -> bool:
    """Let a call of a new log's append fail; tell whether it was made at all."""
    folder.mkdir()
    victim = nursery.start(folder / "data")
    try:
        failed(victim, injection, str(folder / "trace"))
    finally:
        victim.end()
    heir = nursery.start(folder / "data")
    try:
        heir.acknowledged, heir.signed = dict(victim.acknowledged), set(victim.signed)
        after = heir.ask("append")
        assert "index" in after, (str(injection), after)
        heir.check()
    finally:
        heir.end()
    happened = "(INJECTED)" in (folder / "trace").read_text(errors="replace")
    shutil.rmtree(folder)
    return happened


def injections(counts: Counter[str]) -> Iterator[Injection]:
    """One call at a time, with each error that it may have, once or from then on."""
    for call, count in sorted(counts.items()):
        for error in ERRORS[call]:
            for number in range(1, count + 1):
                yield Injection(call, error, number)
                yield Injection(call, error, number, forever=True)
