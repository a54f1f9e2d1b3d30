# SPDX-License-Identifier: Apache-2.0
"""Run `weighbridge` as a person does: its output, its exit code, in a process of its own or in this one."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from weighbridge_cli import main as edge

_ROOT = Path(__file__).resolve().parent.parent
PACKAGES = os.pathsep.join(str(_ROOT / name) for name in ("schemas", "cli", "registry", "web"))


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    exit_code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """Standard output as JSON: a command with --json prints nothing else there."""
        return json.loads(self.stdout)


def environment(**changes: str) -> dict[str, str]:
    """Environment for a process that imports our packages from this tree."""
    return {**os.environ, "PYTHONPATH": PACKAGES, "PYTHONWARNINGS": "error::ResourceWarning", **changes}


def weighbridge(*arguments: str | Path, cwd: Path | None = None, timeout: float = 100, **env: str) -> Outcome:
    """Run one command to its end; `env` sets variables. Never a tty, never with input."""
    run = subprocess.run(
        [sys.executable, "-m", "weighbridge_cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=timeout,
        cwd=cwd,
        env=environment(**env),
    )
    assert "Traceback" not in run.stderr, run.stderr
    return Outcome(run.returncode, run.stdout, run.stderr)


def weighbridge_here(*arguments: str | Path, **env: str) -> Outcome:
    """Run one command through the same edge in this process: much faster, for tests that run many."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, env),
        mock.patch("sys.stdin", io.StringIO()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = edge.run([str(argument) for argument in arguments])
    assert "Traceback" not in err.getvalue(), err.getvalue()
    return Outcome(code, out.getvalue(), err.getvalue())


def install(folder: Path) -> Path:
    """Put a `weighbridge` of this tree into a folder, as an installation would, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "weighbridge"
    words = ("env", "PYTHONSAFEPATH=1", f"PYTHONPATH={PACKAGES}", sys.executable, "-m", "weighbridge_cli")
    program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return program
