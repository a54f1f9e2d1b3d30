# SPDX-License-Identifier: Apache-2.0
"""Copy a log's objects from a data folder into a bucket: `weighbridge log export`.

The registry goes on there afterwards, with `serve --storage`, or a cache serves the copy. What
was copied stays in the folder. The checkpoint comes last, so a copy that was interrupted shows
no tree that is not there; done again it goes on, since the same bytes may be put twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from weighbridge.errors import InputError

from .rebuilding import locked
from .store.files import DataFolder
from .store.objects import CHECKPOINT, Objects

__all__ = ["Exported", "export"]

_TOGETHER: Final = 64
_TOGETHER_BYTES: Final = 32 * 1024 * 1024

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the objects and the bytes that were copied so far."""


@dataclass(frozen=True, slots=True)
class Exported:
    """How much was copied, the checkpoint included."""

    objects: int
    size: int
    """In bytes, uncompressed."""


def export(data: Path, storage: str, progress: Progress | None = None) -> Exported:
    """Copy the objects of a data folder to an s3:// address. No registry may run on the folder.

    Raises `InputError` if there is no log or a registry runs, `ConfigurationError` if the storage
    can't be used, `LogError` or `ForkError` if another log, or a later state of this one, is there.
    """
    source = DataFolder(data)
    note = source.log.published()
    if note is None:
        raise InputError(f"there is no registry in {data}", hint="give its data folder with --data")
    try:
        with locked(source):
            target = DataFolder.open(data, storage)
            try:
                target.log.check_publishable(note)
                copied = _copy(source.objects, target.objects, progress or (lambda _count, _bytes: None))
                target.log.publish(note)
            finally:
                target.close()
    finally:
        source.close()
    return Exported(copied.objects + 1, copied.size + len(note))


def _copy(source: Objects, target: Objects, progress: Progress) -> Exported:
    """Copy all but the checkpoint, some objects at a time."""
    count, total = 0, 0
    waiting: dict[str, bytes] = {}
    waiting_bytes = 0
    for one in source.list():
        if one.name == CHECKPOINT:
            continue
        waiting[one.name] = source.get(one.name)
        waiting_bytes += len(waiting[one.name])
        if len(waiting) >= _TOGETHER or waiting_bytes >= _TOGETHER_BYTES:
            target.put(waiting)
            count, total = count + len(waiting), total + waiting_bytes
            waiting, waiting_bytes = {}, 0
            progress(count, total)
    target.put(waiting)
    return Exported(count + len(waiting), total + waiting_bytes)
