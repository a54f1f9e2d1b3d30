# SPDX-License-Identifier: Apache-2.0
"""A lock on a file that one process holds, and the processes that it forks while holding it.

The kernel lets go of it when the last of them has ended, however it ended (flock(2)).
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path
from typing import Final, Self

from sqlalchemy.exc import SQLAlchemyError

from weighbridge.errors import UnavailableError

__all__ = ["TURN_SECONDS", "BusyError", "FileLock", "Turn"]

TURN_SECONDS: Final = 10.0
"""How long a writer of SQLite waits for the others."""


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
        descriptor = _open(self.path)
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


class BusyError(UnavailableError, SQLAlchemyError):
    """Somebody keeps the database for longer than anybody waits: nothing was written, try again later.

    One of the database's errors to those who look after it, and words to those who ask.
    """


class Turn:
    """Whose turn it is: one thread of one process at a time has it, the others wait in a row.

    For writers of a SQLite file, whose own way to wait is to look again ever later. It makes waiting
    short, and nothing safe: SQLite's lock does that. Not to be taken twice by one thread.
    """

    def __init__(self, path: Path | None = None, seconds: float | None = None) -> None:
        """Take turns by the lock on a file, or without one only within this process.

        Nobody waits for longer than `seconds`, else as long as for SQLite itself (`TURN_SECONDS`).
        """
        self._path = path
        self._seconds = TURN_SECONDS if seconds is None else seconds
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._process: int | None = None
        self._fetcher = _Fetcher()

    def __enter__(self) -> Self:
        """Wait for it; raises `BusyError` if that takes too long: its holder may be stopped, or hang."""
        until = time.monotonic() + self._seconds
        if not self._lock.acquire(timeout=self._seconds):
            raise _busy(self._path, self._seconds)
        try:
            if self._path is not None and not _try(self._opened(self._path)):
                self._fetch(self._path, until)
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
            self._close()

    def _opened(self, path: Path) -> int:
        if self._process != os.getpid():  # a fork shares its parent's lock, and has none of its threads
            self._descriptor, self._fetcher, self._process = None, _Fetcher(), os.getpid()
        if self._descriptor is None:
            self._descriptor = _open(path)
        return self._descriptor

    def _fetch(self, path: Path, until: float) -> None:
        found = self._fetcher.wait(path, until - time.monotonic())
        if found is None:
            raise _busy(path, self._seconds)
        self._close()
        self._descriptor = found

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _Fetcher:
    """Waits for the lock on a file in a thread of its own, since the kernel's waiting has no end.

    So that whoever waits is woken at once, and may give up all the same. One thread at most: it waits on
    for the next who asks, and lets go of the lock if nobody does any more.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()  # of what follows
        self._wanted = False
        self._running = False
        self._found: int | OSError | None = None

    def wait(self, path: Path, seconds: float) -> int | None:
        """Return an open file whose lock is held; None if it took longer. By one thread at a time."""
        with self._changed:
            self._wanted = True
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, args=[path], name="weighbridge-turn", daemon=True).start()
            self._changed.wait_for(lambda: self._found is not None, max(0.0, seconds))
            self._wanted = False
            found, self._found = self._found, None
        if isinstance(found, OSError):
            raise found
        return found

    def _run(self, path: Path) -> None:
        found: int | OSError
        try:
            found = _open(path)
            fcntl.flock(found, fcntl.LOCK_EX)
        except OSError as error:
            found = error
        with self._changed:
            self._running = False
            if self._wanted:
                self._found = found
                self._changed.notify()
            elif isinstance(found, int):
                os.close(found)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _busy(path: Path | None, seconds: float) -> BusyError:
    where = f"the database of {path.parent}" if path is not None else "the database"
    return BusyError(
        f"{where} has been kept by another process or thread for {seconds:g} seconds",
        hint="try again soon; if it lasts, look for a process that is stopped (ps shows T) or hangs",
    )
