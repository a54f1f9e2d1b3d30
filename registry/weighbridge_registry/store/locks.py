# SPDX-License-Identifier: Apache-2.0
"""A lock on a file that one process holds, and the processes that it forks while holding it.

The kernel lets go of it when the last of them has ended, however it ended (flock(2)).
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Self

__all__ = ["FileLock", "Turn"]


class FileLock:
    """An exclusive lock; not for several threads at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this process has it."""
        return self._descriptor is not None

    def acquire(self) -> bool:
        """Take the lock if nobody has it; tell whether this process has it now."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let go in this process; one that was forked meanwhile keeps it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def taken(self) -> bool:
        """Tell whether somebody has it, be it this process."""
        if self._descriptor is not None:
            return True
        probe = FileLock(self.path)
        free = probe.acquire()
        probe.release()
        return not free


class Turn:
    """Whose turn it is: one thread of one process at a time has it, the others wait in a row.

    For writers of a SQLite file, whose own way to wait is to look again ever later. It makes waiting
    short, and nothing safe: SQLite's lock does that. Not to be taken twice by one thread.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Take turns by the lock on a file, or without one only within this process."""
        self._path = path
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._process: int | None = None

    def __enter__(self) -> Self:
        self._lock.acquire()
        try:
            if self._path is not None:
                fcntl.flock(self._opened(self._path), fcntl.LOCK_EX)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._descriptor is not None:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _opened(self, path: Path) -> int:
        if self._descriptor is None or self._process != os.getpid():  # a fork shares its parent's lock
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._process = os.getpid()
        return self._descriptor
