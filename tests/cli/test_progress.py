# SPDX-License-Identifier: Apache-2.0
"""What a person sees while a large model is read, and what Ctrl-C leaves behind: nothing."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands import environment
from weighbridge import keys
from weighbridge_cli.terminal import progress_words

GIB = 1 << 30


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A model of 200 GiB that takes no space and, on any machine, longer than a test."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "weights.bin").touch()
    os.truncate(tmp_path / "m" / "weights.bin", 200 * GIB)
    return tmp_path / "m"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    keys.write_private_key(tmp_path / "k.pem", keys.generate_private_key(), None)
    return tmp_path / "k.pem"


def start(*arguments: str | Path, stderr: int, **env: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "weighbridge_cli", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env=environment(**env),
        preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - no threads are started before; see there
    )


def _hear_ctrl_c() -> None:
    """Undo what a shell does to whatever it starts in the background: it makes it deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def read_until(terminal: int, pattern: bytes, seconds: float = 60) -> bytes:
    """Read what is written to a terminal until a pattern comes."""
    seen, deadline = b"", time.monotonic() + seconds
    while not re.search(pattern, seen):
        assert time.monotonic() < deadline, seen
        if select.select([terminal], [], [], 0.2)[0]:
            with contextlib.suppress(OSError):
                seen += os.read(terminal, 65536)
    return seen


def test_a_terminal_shows_rate_and_time_left_and_ctrl_c_clears_it(large: Path, key: Path) -> None:
    ours, theirs = pty.openpty()
    process = start("sign", large, "--key", key, stderr=theirs, TERM="xterm")
    try:
        seen = read_until(ours, rb"of 214\.7 GB  \d+ %  [\d.]+ [kMG]B/s  [\d:]+ left")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        seen = read_until(ours, rb"interrupted")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
    assert b"\r\x1b[K" in seen.partition(b"interrupted")[0], "the line is cleared first"
    assert [path.name for path in large.iterdir()] == ["weights.bin"]


@pytest.mark.parametrize("interruption", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_the_old_signature_and_nothing_else(
    large: Path, key: Path, interruption: signal.Signals
) -> None:
    (large / "model.sig").write_bytes(b"old")
    process = start("sign", large, "--key", key, stderr=subprocess.PIPE)
    try:
        time.sleep(1.5)
        process.send_signal(interruption)
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode in {130, -interruption}
    assert b"Traceback" not in told
    assert sorted(path.name for path in large.iterdir()) == ["model.sig", "weights.bin"]
    assert (large / "model.sig").read_bytes() == b"old"


def test_nothing_is_drawn_where_nobody_watches(tmp_path: Path, key: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "weights.bin").touch()
    os.truncate(tmp_path / "m" / "weights.bin", GIB)
    process = start("sign", tmp_path / "m", "--key", key, stderr=subprocess.PIPE)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"\r" not in told
    assert b"\x1b" not in told


@pytest.mark.parametrize(
    ("done", "total", "rate", "words"),
    [
        (0, 0, 0.0, "0 B of 0 B  100 %"),
        (500, 1000, 0.0, "500 B of 1.0 kB  50 %"),
        (500, 1000, 250.0, "500 B of 1.0 kB  50 %  250 B/s  0:02 left"),
        (0, 7_200_000, 1000.0, "0 B of 7.2 MB  0 %  1.0 kB/s  2:00:00 left"),
    ],
)
def test_the_words_of_a_progress(done: int, total: int, rate: float, words: str) -> None:
    assert progress_words(done, total, rate) == words
