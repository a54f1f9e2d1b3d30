# SPDX-License-Identifier: Apache-2.0
"""Whether a registry can do its work just now, part by part, with the reason where it can't."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from weighbridge.errors import WeighbridgeError

from .queries import Queries
from .store import queue
from .store.database import Database
from .store.files import DataFolder

__all__ = ["Health"]

_STALLED_SECONDS: Final = 30


@dataclass(slots=True)
class Health:
    """What `/readyz` and `/metrics` tell. `problems` is empty if all is well."""

    problems: dict[str, str] = field(default_factory=dict)
    """By part (`database`, `storage`, `sequencer`, `disk`, `process`): why it does not work."""
    size: int = 0
    """Entries in the published checkpoint."""
    waiting: int = 0
    """Submissions in the queue."""
    led: bool = False
    """Whether some process leads the log."""
    leads: bool = False
    """Whether it is this one."""
    free: int = 0
    """Bytes of room on the data folder's disk."""

    def look_at_storage(self, queries: Queries, folder: DataFolder) -> None:
        """Check that the published checkpoint is ours, and read the newest entry."""
        try:
            self.size = queries.checkpoint().size
            folder.log.read_entry(self.size - 1, self.size)
        except (OSError, WeighbridgeError) as error:
            self.problems["storage"] = f"the log's files cannot be read: {_named(error)}"

    def look_at_database(self, database: Database) -> None:
        """Ask the database something."""
        try:
            with database.read() as connection:
                queue.now(connection)
        except SQLAlchemyError as error:
            self.problems["database"] = f"the database does not answer: {_named(error)}"

    def look_at_queue(
        self, database: Database, taken: Callable[[Connection], bool], failure: str | None
    ) -> None:
        """Check that what is submitted is decided by somebody; `failure` is what this process knows."""
        try:
            with database.read() as connection:
                now, oldest = queue.now(connection), queue.oldest(connection)
                self.waiting = queue.count(connection) if oldest is not None else 0
                self.led = taken(connection)
        except SQLAlchemyError as error:
            self.problems["database"] = f"the database does not answer: {_named(error)}"
            return
        if failure is not None:
            self.problems["sequencer"] = failure
        elif not self.led:
            self.problems["sequencer"] = "no process leads the log just now"
        elif oldest is not None and now - oldest > _STALLED_SECONDS:
            self.problems["sequencer"] = f"a submission has waited for {now - oldest} s"

    def look_at_disk(self, folder: DataFolder, least: int) -> None:
        """Check that there is room on the data folder's disk, `least` bytes of it."""
        try:
            self.free = shutil.disk_usage(folder.path).free
        except OSError as error:
            self.problems["disk"] = f"the data folder cannot be read: {_named(error)}"
            return
        if self.free < least:
            self.problems["disk"] = f"only {self.free} bytes are free on the data folder's disk"


def _named(error: Exception) -> str:
    """Name an error without what a driver's message may hold (addresses, users)."""
    if isinstance(error, WeighbridgeError):
        return error.message
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
