# SPDX-License-Identifier: Apache-2.0
"""A log that grows fast beside the registry that serves it, and the foreign programs that read it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from tests import programs
from tests.registries import Registry
from weighbridge import tlog
from weighbridge.leaves import encode_leaf
from weighbridge_registry.log.keys import open_keys
from weighbridge_registry.log.writing import Log
from weighbridge_registry.store.database import open_database
from weighbridge_registry.store.files import DataFolder
from weighbridge_registry.store.views import write_facts

__all__ = ["PROGRAMS", "append", "build_checker", "grow", "peer", "run", "saved_checkpoint"]

PROGRAMS = Path(__file__).parent / "programs"
_ROOT = Path(__file__).parent.parent.parent


def grow(registry: Registry, size: int) -> None:
    """Append entries to a registry's log while it serves it."""
    folder = DataFolder(registry.data)
    database = open_database(f"sqlite:///{registry.data / 'registry.db'}")
    try:
        append(Log(database, folder.log, open_keys(folder, None).log), size)
    finally:
        database.close()


def append(log: Log, size: int) -> None:
    """Append entries to a log up to a size, through the writer of logs itself.

    The entries are leaves of bundles that do not exist: who reads tiles and entries needs none, and a
    hundred thousand signed statements would take minutes.
    """
    start, received = log.size(), int(time.time())
    leaves = [encode_leaf(f"{number:064x}", received) for number in range(start, size)]

    def apply(connection: Connection, start: int, leaves: Sequence[bytes]) -> None:
        write_facts(connection, {"log/head": {"size": start + len(leaves), "received": received}})

    log.append(start, leaves, apply)


def saved_checkpoint(registry: Registry, folder: Path) -> Path:
    """Keep the checkpoint that a registry has published just now."""
    data = DataFolder(registry.data).log.published()
    assert data is not None
    path = folder / f"checkpoint-{tlog.split_note(data)[0].splitlines()[1]}"
    path.write_bytes(data)
    return path


def build_checker(folder: Path) -> Path:
    """Build the checker in Go (programs/checker), from Debian's packages alone."""
    go = programs.find("go")
    assert go is not None
    binary = folder / "checker"
    environment = os.environ | {
        "GO111MODULE": "off",
        "GOPATH": str(programs.GO_SOURCES),
        "GOCACHE": str(_ROOT / ".venv" / "go-cache")
        if os.access(_ROOT / ".venv", os.W_OK)
        else str(folder / "c"),
        "GOFLAGS": "",
        "GOPROXY": "off",
    }
    subprocess.run(
        [go, "build", "-o", binary, "."], check=True, cwd=PROGRAMS / "checker", env=environment, timeout=300
    )
    return binary


def run(*command: str | Path, expect: int = 0) -> Any:
    """Run a foreign program; its JSON, or what it wrote to stderr if it is expected to refuse."""
    done = subprocess.run(
        [str(part) for part in command], check=False, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == expect, done.stderr
    return json.loads(done.stdout) if expect == 0 else done.stderr


def peer(name: str, *arguments: str | Path, expect: int = 0) -> Any:
    """Run one of the Python programs that are not ours, in the environment of `make peers`."""
    python = programs.find("peers")
    assert python is not None
    return run(python, PROGRAMS / f"{name}.py", *arguments, expect=expect)
