# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL cluster for tests: in a temporary folder, on a socket, as an unprivileged user."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import programs
from tests.registries import free_port

__all__ = ["running_postgres"]


@contextmanager
def running_postgres() -> Iterator[str]:
    """Give the SQLAlchemy address of a fresh database; the cluster is stopped and removed at the end."""
    initdb, account = programs.find("postgresql"), programs.unprivileged()
    assert initdb is not None
    assert account is not None
    # A short path: the name of a Unix socket has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="wb-pg-", dir="/tmp"))
    folder.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(folder, account.uid, account.gid)
    cluster, port = folder / "cluster", free_port()

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(initdb.with_name(program)), *arguments],
            check=True,
            timeout=60,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **account.process(),
        )

    try:
        run("initdb", "-D", str(cluster), "-U", "weighbridge", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-k {folder} -p {port} -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-D", str(cluster), "-l", str(folder / "log"), "-w", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://weighbridge@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", str(cluster), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
