# SPDX-License-Identifier: Apache-2.0
"""What commands share when they speak: data to standard output, everything else to standard error.

Names of files and signers come from strangers. Whatever is not printable is shown as an escape, so
that a file name can't move the cursor, colour a refusal green or fake a line of ours.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

if TYPE_CHECKING:
    from weighbridge.weighing import WeighedFile

__all__ = [
    "Progress",
    "human_size",
    "note",
    "print_json",
    "printable",
    "progress_words",
    "put",
    "rows",
    "short",
    "step",
    "styled",
    "unsafe_files",
    "warn",
]

_FULL_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")
_SECONDS_BETWEEN_UPDATES = 0.1
_MOST_MOMENTS = 50  # five seconds of updates
_SECONDS_BEFORE_FIRST = 0.5


def printable(text: str) -> str:
    """Text of a stranger as it may appear on a terminal: one line, no control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def styled(text: str, colour: str | None, *, bold: bool = False) -> str:
    """Text in a colour, unless NO_COLOR is set; printing takes colours off again where no terminal is."""
    if os.environ.get("NO_COLOR"):
        return text
    return click.style(text, fg=colour, bold=bold)


def put(line: str = "", *, colour: str | None = None, bold: bool = False) -> None:
    """One line of a command's result, on standard output."""
    click.echo(styled(printable(line), colour, bold=bold))


def print_json(document: Any) -> None:
    r"""Print a command's result as JSON, on standard output; what is not printable as \u escapes.

    JSON lets terminal controls above U+007E and direction marks stand as they are; a terminal obeys them.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False)
    click.echo("".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text))


def _escaped(character: str) -> str:
    """Spell a character as JSON does in ASCII; DEL, which JSON leaves alone, too."""
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def note(line: str) -> None:
    """One line about what is going on, on standard error."""
    click.echo(printable(line), err=True)


def step(line: str) -> None:
    """One thing that is done, on standard error."""
    click.echo(f"{styled('✓', 'green')} {printable(line)}", err=True)


def warn(line: str) -> None:
    """One warning, on standard error."""
    click.echo(f"{styled('warning:', 'yellow')} {printable(line)}", err=True)


def rows(table: Iterable[Sequence[str]], *, indent: str = "") -> None:
    """Print rows in columns that line up."""
    lines = [[printable(cell) for cell in row] for row in table]
    if not lines:
        return
    count = max(map(len, lines))
    widths = [max(len(line[i]) for line in lines if i < len(line)) for i in range(count)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        click.echo((indent + "  ".join(cells)).rstrip())


def human_size(count: int) -> str:
    """Bytes as people say them: 90.9 MB (powers of 1000, as file managers and hubs do)."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":  # noqa: PLR2004 - kilo
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")


def short(text: str) -> str:
    """Shorten the digests in a sentence; the full value has its own line somewhere."""
    return _FULL_DIGEST.sub(r"\1…", text)


def unsafe_files(files: Iterable[WeighedFile]) -> list[str]:
    """Warn of each file whose usual loader runs what the file brings."""
    return [
        f"{file.path} is {file.format}: loading it can run code that somebody put there"
        for file in files
        if file.unsafe_to_load
    ]


class Progress:
    """One line with bytes, rate and time left while files are read; shown only where a person watches.

    Call it with (done, total) in bytes, from any thread. Nothing is shown for work shorter than half a
    second, on a terminal that cannot rewrite a line, and nothing remains of it afterwards.
    """

    def __init__(self, verb: str, *, quiet: bool = False) -> None:
        self._verb = printable(verb)
        self._shown = not quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._drawn = False
        self._next = time.monotonic() + _SECONDS_BEFORE_FIRST
        self._seen: deque[tuple[float, int]] = deque(maxlen=_MOST_MOMENTS)

    def __call__(self, done: int, total: int) -> None:
        """Show how far it is."""
        now = time.monotonic()
        if not self._shown or (self._seen and now < self._seen[-1][0] + _SECONDS_BETWEEN_UPDATES):
            return
        self._seen.append((now, done))
        if now < self._next:
            return
        self._drawn = True
        width = shutil.get_terminal_size().columns - 1
        line = f"{self._verb}  {progress_words(done, total, self._rate())}"
        sys.stderr.write(f"\r\x1b[K{line if len(line) <= width else line[-width:]}")
        sys.stderr.flush()

    def _rate(self) -> float:
        """Bytes per second over the last seconds: an average since the start would hide a stall."""
        (first, done), (last, now_done) = self._seen[0], self._seen[-1]
        return (now_done - done) / (last - first) if last > first else 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def progress_words(done: int, total: int, rate: float) -> str:
    """Say how far a work is: bytes, share, bytes per second, time left; what is not known is left out."""
    share = 100 * done // total if total else 100
    words = f"{human_size(done)} of {human_size(total)}  {share} %"
    if rate <= 0:
        return words
    seconds = round((total - done) / rate)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    left = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{words}  {human_size(int(rate))}/s  {left} left"
