# SPDX-License-Identifier: Apache-2.0
"""A lock on a file that one process holds, and the processes that it forks while holding it.

The kernel lets go of it when the last of them has ended, however it ended (flock(2)).
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

__all__ = ["FileLock"]


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
