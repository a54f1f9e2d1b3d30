# SPDX-License-Identifier: Apache-2.0
"""Where the registries of a test keep what they have: SQLite and files, or PostgreSQL and a bucket.

A test says `Settings(data=…)`, `fsck(data)`, `running_registry(folder)`, and means a registry, not a place.
So the same tests run in both homes, without a word in them:

    make test-postgres                 the registry's own suite on PostgreSQL 15 and S3, and nothing else
    @pytest.mark.everywhere            this test runs in both homes in the default suite, too
    @pytest.mark.files                 this one looks into SQLite or the folder's files: never moved

In the second home each data folder gets a database of its own in one real cluster, and a prefix of its
own in one bucket, when a `Settings` first names it; who opens that folder later gets the same. What a test
gives itself (`database_url`, `storage`) stays as it is, and so does a folder that no registry was made in:
a mirror's, a copy's.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from weighbridge_registry.settings import Settings

if TYPE_CHECKING:
    from tests.registry.s3 import S3
    from weighbridge_registry.store.files import DataFolder

__all__ = ["FILES", "MOVED", "VARIABLE", "Home", "arguments_of", "moved", "running_home"]

VARIABLE = "WEIGHBRIDGE_TESTS_HOME"
FILES, MOVED = "sqlite", "postgresql"
_SCHEME = "sqlite:///"


@dataclass
class Home:
    """A PostgreSQL cluster and an S3 server, and which data folder has what of them."""

    cluster: str
    s3: S3
    places: dict[Path, tuple[str, str]] = field(default_factory=dict)

    def place(self, data: Path) -> tuple[str, str]:
        """Database address and storage address of a data folder, made at the first call."""
        import psycopg  # noqa: PLC0415 - most tests stay at home, and need nothing of this

        found = self.places.get(data)
        if found is None:
            name = f"home{os.getpid()}x{len(self.places)}"
            with psycopg.connect(self.cluster.replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}"'.encode())
            url = f"{self.cluster.rpartition('/')[0]}/{name}"
            found = self.places[data] = url, self.s3.address(f"homes/{name}")
        return found

    def database(self, url: str) -> str:
        """The address to open instead of that of a SQLite file in a folder that lives here."""
        if url.startswith(_SCHEME):
            path = Path(url.removeprefix(_SCHEME))
            if path.name == "registry.db" and path.parent in self.places:
                return self.places[path.parent][0]
        return url


_CURRENT: list[Home] = []


def arguments_of(data: Path) -> dict[str, str]:
    """What a process must be told so that it finds this folder's home: empty for SQLite and files."""
    if not _CURRENT:
        return {}
    url, storage = _CURRENT[-1].place(data)
    return {"database_url": url, "storage": storage}


@contextlib.contextmanager
def running_home() -> Iterator[Home]:
    """Run the cluster and the server that tests move to."""
    from tests.registry.postgres import running_postgres  # noqa: PLC0415 - as above
    from tests.registry.s3 import running_s3  # noqa: PLC0415 - as above

    with running_postgres() as cluster, running_s3() as s3:
        yield Home(cluster, s3)


@contextlib.contextmanager
def moved(home: Home) -> Iterator[None]:
    """Let registries that are made in this process, and those that it starts, live there until the end."""
    from weighbridge_registry.store import database, files  # noqa: PLC0415 - as above
    from weighbridge_registry.store.buckets import open_bucket  # noqa: PLC0415 - as above

    if _CURRENT:  # the whole run has moved already
        yield
        return
    make, engine, folder = Settings.__init__, database._engine, files.DataFolder.__init__

    @functools.wraps(make)
    def settings(self: Settings, data: Path, *more: Any, **given: Any) -> None:
        make(self, data, *more, **given)
        if self.database_url is None and self.storage is None and (not self.read_only or data in home.places):
            url, storage = home.place(data)
            object.__setattr__(self, "database_url", url)
            object.__setattr__(self, "storage", storage)

    def open_folder(self: DataFolder, path: Path, objects: Any = None) -> None:
        if objects is None and path in home.places:
            objects = open_bucket(home.places[path][1], write=False)
        folder(self, path, objects)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Settings, "__init__", settings)
        patch.setattr(database, "_engine", lambda url, **more: engine(home.database(url), **more))
        patch.setattr(files.DataFolder, "__init__", open_folder)
        _CURRENT.append(home)
        try:
            yield
        finally:
            _CURRENT.remove(home)
