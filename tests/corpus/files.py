# SPDX-License-Identifier: Apache-2.0
"""Steps 1 and 2: a sound signature beside files that are not the signed ones."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from .case import FILES, Case, write_model

__all__ = ["file_cases"]

Spoil = Callable[[Path], object]


def _swap(folder: Path) -> None:
    (folder / "a.txt").write_bytes(FILES["b.txt"])
    (folder / "b.txt").write_bytes(FILES["a.txt"])


def _replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        previous = Path.cwd()
        os.chdir(path.parent)  # a socket's path is short
        try:
            made.bind(path.name)
        finally:
            os.chdir(previous)


def _link_folder(folder: Path) -> None:
    shutil.move(folder / "deep", folder.parent / f"{folder.name}-elsewhere")
    (folder / "deep").symlink_to(folder.parent / f"{folder.name}-elsewhere")


_STEP_1: dict[str, tuple[str, Spoil]] = {
    "missing": ("missing (a.txt)", lambda f: (f / "a.txt").unlink()),
    "all-missing": ("missing", lambda f: [(f / path).unlink() for path in FILES]),
    "extra": ("present (evil.py)", lambda f: (f / "evil.py").write_text("import os")),
    "extra-hidden": ("present (.evil)", lambda f: (f / ".evil").write_text("x")),
    "extra-in-a-folder": ("present (deep/evil)", lambda f: (f / "deep" / "evil").write_text("x")),
    "extra-git-below": ("present (deep/.git)", lambda f: (f / "deep" / ".git").write_text("x")),
    "renamed": ("missing", lambda f: (f / "a.txt").rename(f / "c.txt")),
    "another-case": ("missing (a.txt)", lambda f: (f / "a.txt").rename(f / "A.txt")),
    "a-link-to-the-same": ("link", lambda f: _replace(f / "a.txt", lambda p: p.symlink_to("b.txt"))),
    "a-link-outside": ("link", lambda f: _replace(f / "a.txt", lambda p: p.symlink_to("/etc/hostname"))),
    "a-broken-link": ("link", lambda f: _replace(f / "a.txt", lambda p: p.symlink_to("nowhere"))),
    "a-link-to-itself": ("link", lambda f: _replace(f / "a.txt", lambda p: p.symlink_to("a.txt"))),
    "an-extra-link": ("link", lambda f: (f / "evil").symlink_to("a.txt")),
    "a-folder-that-is-a-link": ("link", _link_folder),
    "a-cycle": ("link", lambda f: (f / "deep" / "loop").symlink_to("..")),
    "a-pipe": ("named pipe", lambda f: _replace(f / "a.txt", os.mkfifo)),
    "an-extra-pipe": ("named pipe", lambda f: os.mkfifo(f / "pipe")),
    "a-socket": ("socket", lambda f: _replace(f / "a.txt", _socket)),
    "a-folder-in-place": ("missing", lambda f: _replace(f / "a.txt", Path.mkdir)),
    "a-name-that-is-no-utf-8": ("UTF-8", lambda f: (f / os.fsdecode(b"\xff\xfe")).write_text("x")),
    "a-name-with-a-line-break": ("control", lambda f: (f / "a\nb").write_text("x")),
    "a-name-that-turns-round": ("direction", lambda f: (f / "a\u202etxt.exe").write_text("x")),
    "too-deep": ("deep", lambda f: f.joinpath(*["d"] * 70).mkdir(parents=True)),
}

_STEP_2: dict[str, tuple[str, Spoil]] = {
    "flipped-bit": ("a.txt", lambda f: (f / "a.txt").write_bytes(b"onf")),
    "emptied": ("a.txt", lambda f: (f / "a.txt").write_bytes(b"")),
    "truncated": ("weights.bin", lambda f: os.truncate(f / "deep/er/weights.bin", 100)),
    "appended": ("weights.bin", lambda f: os.truncate(f / "deep/er/weights.bin", 5000)),
    "two-files-swapped": ("a.txt, b.txt", _swap),
    "another-line-end": ("a.txt", lambda f: (f / "a.txt").write_bytes(b"one\r\n")),
    "terabytes": ("a.txt", lambda f: os.truncate(f / "a.txt", 4)),
}


def file_cases() -> Iterator[Case]:
    """Yield every case of steps 1 and 2."""
    for step, cases in ((1, _STEP_1), (2, _STEP_2)):
        for name, (words, spoil) in cases.items():
            yield Case(f"files-{name}" if step == 1 else f"bytes-{name}", step, words, _build(spoil))


def _build(spoil: Spoil) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        write_model(folder)
        spoil(folder)

    return build
