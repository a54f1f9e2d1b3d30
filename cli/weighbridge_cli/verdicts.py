# SPDX-License-Identifier: Apache-2.0
"""A verdict as a person reads it: eleven numbered lines, one sentence, what to type next."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from weighbridge.verdict import Result, Step, Verdict
from weighbridge_cli.terminal import printable, put, styled

__all__ = ["show", "show_cached"]

if TYPE_CHECKING:
    from weighbridge.verification import CachedVerdict

_SYMBOLS = {
    Result.PASS: ("✓", "+", "green"),
    Result.REPORTED: ("·", ".", "cyan"),
    Result.WARN: ("!", "!", "yellow"),
    Result.FAIL: ("✗", "x", "red"),
    Result.SKIPPED: ("-", "-", None),
    Result.UNKNOWN: ("?", "?", "magenta"),
}
_COLUMN = 26
_NARROWEST = 72
_UNWATCHED = 100  # columns where no terminal says how wide it is


def show(verdict: Verdict) -> None:
    """Print a verdict on standard output; every line says with a word what its symbol and colour say."""
    width = (
        max(shutil.get_terminal_size((_UNWATCHED, 24)).columns, _NARROWEST)
        if sys.stdout.isatty()
        else _UNWATCHED
    )
    for n in range(1, 12):
        _show_step(verdict.step(n), width)
    click.echo()
    colour = {0: "green", 1: "red"}.get(verdict.exit_code, "magenta")
    for line in textwrap.wrap(printable(verdict.summary), width, break_long_words=False):
        put(line, colour=colour, bold=True)
    if verdict.next_commands:
        click.echo()
        put("Next:")
        for command in verdict.next_commands:
            put(f"  {command}")


def show_cached(found: Sequence[CachedVerdict]) -> None:
    """Print one line for each model in the hub's cache, and one sentence."""
    for each in found:
        refs = f" ({', '.join(each.snapshot.refs)})" if each.snapshot.refs else ""
        colour = {0: "green", 1: "red"}.get(each.exit_code, "magenta")
        mark = styled(f"{each.word:<10}", colour)
        click.echo(f"{mark} {printable(f'{each.snapshot.repo}@{each.snapshot.commit[:12]}{refs}')}")
        for line in textwrap.wrap(printable(each.reason), _UNWATCHED - 11, break_long_words=False):
            click.echo(" " * 11 + line)
    good = sum(1 for each in found if each.exit_code == 0)
    click.echo()
    put(
        f"{good} of {len(found)} models verified.", colour="green" if good == len(found) else "red", bold=True
    )


def _show_step(step: Step, width: int) -> None:
    symbol, plain, colour = _SYMBOLS[step.result]
    lines = textwrap.wrap(
        printable(step.reason), width - _COLUMN, break_on_hyphens=False, break_long_words=False
    ) or [""]
    mark = styled(f"{symbol if _can_show(symbol) else plain} {step.result.value:<9}", colour)
    click.echo(f"{step.n:>2} {step.name:<10} {mark} {lines[0]}".rstrip())
    for line in lines[1:]:
        click.echo(" " * _COLUMN + line)


def _can_show(symbol: str) -> bool:
    """Tell whether standard output can write the symbol: a terminal of the last century cannot."""
    try:
        symbol.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
