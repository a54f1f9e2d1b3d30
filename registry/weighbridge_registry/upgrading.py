# SPDX-License-Identifier: Apache-2.0
"""Migrate a database that no registry is using: what `weighbridge db upgrade` does."""

from __future__ import annotations

from pathlib import Path

from weighbridge.errors import InputError

from .service import take_folder
from .store.database import open_database
from .store.files import DataFolder
from .store.locks import FileLock
from .store.tables import SCHEMA_VERSION

__all__ = ["upgrade_database"]


def upgrade_database(data: Path, database_url: str | None) -> tuple[int, int]:
    """Migrate the database at `database_url`, or SQLite in `data`; returns (schema before, schema now).

    Raises `InputError` if there is none or a registry is running on the folder, and
    `ConfigurationError` as `open_database` does.
    """
    lock = FileLock(DataFolder(data).lock)
    if database_url is None:
        if not (data / "registry.db").is_file():
            raise InputError(
                f"{data} holds no registry.db",
                hint="give the registry's folder with --data, or --database-url",
            )
        take_folder(lock)
    try:
        database = open_database(database_url or f"sqlite:///{data / 'registry.db'}", upgrade=True)
        database.close()
    finally:
        lock.release()
    return database.found or SCHEMA_VERSION, SCHEMA_VERSION
