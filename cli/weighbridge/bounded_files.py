# SPDX-License-Identifier: Apache-2.0
"""Read a file that somebody named, whole and no more of it than it may have."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from weighbridge.errors import InputError, WeighbridgeError

__all__ = ["read_bounded"]


def read_bounded(
    path: Path, limit: int, what: str, *, too_long: type[WeighbridgeError] = InputError
) -> bytes:
    """Read a whole regular file of at most `limit` bytes.

    A FIFO, a device or a folder is refused before anything is read from it. Raises `InputError` (exit 2)
    if there is nothing to read, `too_long` if there is too much.
    """
    flags = (
        os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    )
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError as error:
        raise InputError(f"There is no {what} {path}.", hint="Check the path.") from error
    except OSError as error:
        raise InputError(f"The {what} {path} cannot be read: {error.strerror}.") from error
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise InputError(f"The {what} {path} is not a regular file.", hint="Check the path.")
    with os.fdopen(descriptor, "rb") as file:
        data = b"" if facts.st_size > limit else file.read(limit + 1)
    if facts.st_size > limit or len(data) > limit:
        raise too_long(
            f"The {what} {path} is {facts.st_size:,} bytes long; at most {limit:,} are read.",
            hint="It is not what it should be; get it again from the publisher.",
            evidence={"path": str(path), "size": facts.st_size, "limit": limit},
        )
    return data
