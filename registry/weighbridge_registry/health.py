# SPDX-License-Identifier: Apache-2.0
"""Whether a registry can do its work just now, part by part, with the reason where it can't."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from weighbridge.errors import WeighbridgeError

from .read_only import ReadOnlyService
from .service import Service
from .store import queue

__all__ = ["Health", "examine"]

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


def examine(service: Service | ReadOnlyService) -> Health:
    """Look at each part now; each look is short, and none changes anything."""
    if isinstance(service, ReadOnlyService):
        health = Health()
        _storage(service, health)  # who only reads needs no more
        return health
    health = Health(leads=service.sequencer.leads)
    if service.desk.draining:
        health.problems["process"] = "this process is stopping"
    _storage(service, health)
    _database(service, health)
    _disk(service, health)
    return health


def _storage(service: Service | ReadOnlyService, health: Health) -> None:
    """Check that the published checkpoint is ours, and read the newest entry."""
    try:
        health.size = service.queries.checkpoint().size
        service.folder.log.read_entry(health.size - 1, health.size)
    except (OSError, WeighbridgeError) as error:
        health.problems["storage"] = f"the log's files cannot be read: {_named(error)}"


def _database(service: Service, health: Health) -> None:
    try:
        with service.database.read() as connection:
            now, oldest = queue.now(connection), queue.oldest(connection)
            health.waiting = queue.count(connection) if oldest is not None else 0
            health.led = service.election.taken(connection)
    except SQLAlchemyError as error:
        health.problems["database"] = f"the database does not answer: {_named(error)}"
        return
    if (failure := service.sequencer.failure) is not None:
        health.problems["sequencer"] = failure
    elif not health.led:
        health.problems["sequencer"] = "no process leads the log just now"
    elif oldest is not None and now - oldest > _STALLED_SECONDS:
        health.problems["sequencer"] = f"a submission has waited for {now - oldest} s"


def _disk(service: Service, health: Health) -> None:
    try:
        health.free = shutil.disk_usage(service.folder.path).free
    except OSError as error:
        health.problems["disk"] = f"the data folder cannot be read: {_named(error)}"
        return
    if health.free < service.settings.limits.free_bytes:
        health.problems["disk"] = f"only {health.free} bytes are free on the data folder's disk"


def _named(error: Exception) -> str:
    """Name an error without what a driver's message may hold (addresses, users)."""
    if isinstance(error, WeighbridgeError):
        return error.message
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
