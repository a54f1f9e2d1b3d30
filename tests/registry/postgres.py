# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL cluster for tests: in a temporary folder, on a socket, as an unprivileged user."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import programs
from tests.registries import free_port

__all__ = ["Cluster", "running_cluster", "running_postgres"]


@dataclass(frozen=True)
class Cluster:
    """A cluster with one database, which may be stopped and started again."""

    folder: Path
    port: int
    programs: Path
    account: programs.Account

    @property
    def address(self) -> str:
        """The SQLAlchemy address of its database."""
        return f"postgresql+psycopg://weighbridge@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-k {self.folder} -p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = str(self.folder / "log")
        self.run("pg_ctl", "-D", str(self.data), "-l", log, "-w", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: `immediate` as a crash does, `fast` with goodbye to its clients."""
        self.run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    @property
    def data(self) -> Path:
        return self.folder / "cluster"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of its programs as the unprivileged user."""
        subprocess.run(
            [str(self.programs / program), *arguments],
            check=True,
            timeout=60,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self.account.process(),
        )


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Give a fresh cluster that runs; it is stopped and removed at the end."""
    initdb, account = programs.find("postgresql"), programs.unprivileged()
    assert initdb is not None
    assert account is not None
    # A short path: the name of a Unix socket has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="wb-pg-", dir="/tmp"))
    folder.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(folder, account.uid, account.gid)
    cluster = Cluster(folder, free_port(), initdb.parent, account)
    try:
        cluster.run(
            "initdb", "-D", str(cluster.data), "-U", "weighbridge", "-A", "trust", "-E", "UTF8", "--no-sync"
        )
        cluster.start()
        try:
            yield cluster
        finally:
            if (cluster.data / "postmaster.pid").exists():
                cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_postgres() -> Iterator[str]:
    """Give the SQLAlchemy address of a fresh database in a cluster of its own."""
    with running_cluster() as cluster:
        yield cluster.address
