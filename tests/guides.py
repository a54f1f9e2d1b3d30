# SPDX-License-Identifier: Apache-2.0
"""Guides as programs: what a reader would type, typed.

- Blocks tagged `sh` run in order, in one folder, with a fresh HOME; variables and `cd` last from block
  to block. `console`, `text` and untagged blocks do not run.
- A block whose last command is `weighbridge serve` runs in the background, on a port of its own, until
  the next such block or the end; http://127.0.0.1:8484 in other blocks means that registry.
- Every `weighbridge …` in a block or in `code` must be a command, with flags, that exists.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import urllib3

from tests.commands import install
from tests.registries import free_port
from weighbridge_cli.main import commands

__all__ = ["Block", "Reader", "blocks", "faults"]

ADDRESS = "http://127.0.0.1:8484"
_FENCE = re.compile(r"^( *)```([a-z]*)[^\n]*\n(.*?)^\1```[ ]*$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_SERVE = re.compile(r"^weighbridge serve\b.*\Z", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"(?:^\s*(?:\$ |- )?|[|&;(]\s*|\bexec )(?:[A-Z_]+=\S* )*weighbridge ([^|&;>)]*)")
_BLOCK_SECONDS = 100
_READY_SECONDS = 60


@dataclass(frozen=True)
class Block:
    """One fenced block: its tag, its text, the line where it begins."""

    tag: str
    text: str
    line: int


def blocks(markdown: str) -> list[Block]:
    """Find the fenced blocks of a guide."""
    return [
        Block(match[2], match[3], markdown.count("\n", 0, match.start()) + 1)
        for match in _FENCE.finditer(markdown)
    ]


def faults(markdown: str) -> list[str]:
    """Find every mention of a weighbridge command or flag that does not exist."""
    texts = [block.text for block in blocks(markdown) if block.tag in {"", "sh", "console", "yaml"}]
    spans = [span for span in _INLINE.findall(_FENCE.sub("", markdown)) if span.startswith("weighbridge ")]
    found = []
    for text in (*texts, *spans):
        for line in text.replace("\\\n", " ").splitlines():
            found += [fault for match in _COMMAND.finditer(line) for fault in _faults_of(match[1])]
    return found


def _faults_of(mention: str) -> Iterator[str]:
    try:
        words = shlex.split(mention, comments=True)
    except ValueError:
        words = mention.split()
    command: click.Command = commands
    context = click.Context(commands)
    rest = list(words)
    while rest and isinstance(command, click.Group) and not rest[0].startswith("-"):
        name = rest.pop(0)
        if not re.fullmatch(r"[a-z][a-z-]*", name):
            return  # COMMAND, …: words for any
        inner = command.get_command(context, name)
        if inner is None:
            yield f"weighbridge {mention.strip()}: no command {name}"
            return
        command = inner
    known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        flag = word.partition("=")[0]
        if re.fullmatch(r"-{1,2}[A-Za-z][A-Za-z-]*", flag) and flag not in known | {"-h", "--help"}:
            yield f"weighbridge {mention.strip()}: no flag {flag}"


class Reader:
    """Somebody at a terminal who types a guide's blocks, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._work = folder / "work"
        self._work.mkdir()
        (folder / "home").mkdir()
        self._environment = folder / "environment"
        self._place = folder / "place"
        self._output = folder / "registry.output"
        self._environment.write_text("", encoding="utf-8")
        self._place.write_text(f"{self._work}\n", encoding="utf-8")
        program = install(folder / "bin")
        self._variables = {
            "PATH": f"{program.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": str(folder / "home"),
            "LANG": "C.UTF-8",
        }
        self._registry: subprocess.Popen[bytes] | None = None
        self.address = ADDRESS

    def type(self, text: str) -> subprocess.CompletedProcess[str]:
        """Type one block; the outcome is that of its first failing command."""
        serve = _SERVE.search(text)
        if serve is None:
            return self._run(text.replace(ADDRESS, self.address))
        before = self._run(text[: serve.start()])
        if before.returncode == 0:
            self._serve(serve[0])
        return before

    def close(self) -> None:
        """Press Ctrl-C in the terminal where the registry runs."""
        if self._registry is None:
            return
        self._registry.terminate()
        try:
            self._registry.wait(30)
        finally:
            self._registry.kill()
            self._registry = None

    def _script(self, text: str) -> list[str]:
        quoted = [shlex.quote(str(path)) for path in (self._environment, self._place)]
        return ["sh", "-eu", "-c", f'. {quoted[0]}\ncd "$(cat {quoted[1]})"\n{text}']

    def _run(self, text: str) -> subprocess.CompletedProcess[str]:
        kept = f"export -p > {shlex.quote(str(self._environment))}\npwd > {shlex.quote(str(self._place))}\n"
        return subprocess.run(
            self._script(f"{text}\n{kept}"),
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_BLOCK_SECONDS,
            check=False,
        )

    def _serve(self, command: str) -> None:
        self.close()
        port = free_port()
        command = command.replace("\\\n", " ").strip()
        assert "\n" not in command, "weighbridge serve does not return: nothing can follow it in a block"
        with self._output.open("wb") as output:
            self._registry = subprocess.Popen(
                self._script(f"exec {command} --port {port}"),
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and self._registry.poll() is None:
            try:
                if urllib3.request("GET", f"{self.address}/readyz", retries=False, timeout=2).status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{command} did not start:\n{self._output.read_text(errors='replace')}")
