# SPDX-License-Identifier: Apache-2.0
"""Tables of files kept from signing to signing, so that `sign --reuse` need not hash all of them again.

One file for each signed bundle, named by the bundle's SHA-256, in a folder that is its owner's alone. They
are a convenience: what is lost, spoilt or not private costs a hashing and nothing else, so it is never an
error.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from weighbridge.atomic import write_atomically
from weighbridge.config import config_folder
from weighbridge.errors import BundleError, InputError
from weighbridge.stores import make_private_folder
from weighbridge.weighing.reuse import MAX_TABLE_BYTES, FileTable
from weighbridge.weighing.tree import Listed

__all__ = ["MAX_TABLES", "FileTables", "NoTableError"]

MAX_TABLES: Final = 64
"""Most tables that are kept; those written last stay."""

MAX_TOTAL_BYTES: Final = 256 * 1024 * 1024
"""Most bytes that all tables together take."""

# On Windows ctime is the time of creation, so that a change with its times set back would go unseen.
_TELLS_CHANGES: Final = os.name == "posix"
_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_FLAGS: Final[int] = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
)


class NoTableError(Exception):
    """There is no table that may be believed; the text is the reason, in the middle of a sentence."""


class FileTables:
    """The tables of one user. `clock` gives nanoseconds since 1970."""

    def __init__(self, folder: Path | None = None, *, clock: Callable[[], int] = time.time_ns) -> None:
        """Keep them in `folder`, by default in the user's own; it is made when it is needed."""
        self.folder = folder if folder is not None else config_folder() / "hashed"
        self._clock = clock

    def now(self) -> int:
        """Return the time to keep a table by: take it before the files are listed."""
        return self._clock()

    def find(self, bundle: str) -> FileTable:
        """Return the table of the bundle with this SHA-256 (hex); raises `NoTableError`."""
        if not _TELLS_CHANGES:
            raise NoTableError("this system does not tell when a file was last changed")
        try:
            self._require_private(self.folder.lstat(), stat.S_ISDIR)
            table = FileTable.decode(self._read(self._path(bundle)))
        except (FileNotFoundError, NotADirectoryError):
            raise NoTableError(
                "the older signature was not made here, or too long ago: how its files stood is not known"
            ) from None
        except OSError as error:
            raise NoTableError(
                f"how the older signature's files stood can't be read: {error.strerror}"
            ) from error
        except BundleError as error:
            raise NoTableError(
                f"the table of the older signature's files is spoilt: {error.message}"
            ) from error
        if table.bundle != bundle:
            raise NoTableError("the table of the older signature's files is of another signature")
        return table

    def save(self, bundle: bytes, files: Iterable[Listed], listed_at: int) -> str:
        """Keep how the files of a signed bundle stood; return why not, "" if they are kept.

        `listed_at` is what `now` gave before they were listed.
        """
        if not _TELLS_CHANGES:
            return "this system does not tell when a file was last changed"
        digest = hashlib.sha256(bundle).hexdigest()
        data = FileTable(digest, listed_at, {file.path: file for file in files}).encode()
        if len(data) > MAX_TABLE_BYTES:
            return f"the table of its files is longer than {MAX_TABLE_BYTES:,} bytes"
        try:
            make_private_folder(self.folder)
            self._require_private(self.folder.lstat(), stat.S_ISDIR)
            write_atomically(self._path(digest), data, mode=0o600, sync=False)
            self._prune()
        except InputError as error:
            return error.message
        except OSError as error:
            return f"cannot write {self.folder}: {error.strerror}"
        except NoTableError as error:
            return str(error)
        return ""

    def _path(self, bundle: str) -> Path:
        return self.folder / f"{bundle}.json"

    def _read(self, path: Path) -> bytes:
        descriptor = os.open(path, _FLAGS)
        with os.fdopen(descriptor, "rb") as file:
            self._require_private(os.fstat(descriptor), stat.S_ISREG)
            return file.read(MAX_TABLE_BYTES + 1)

    def _require_private(self, status: os.stat_result, kind: Callable[[int], bool]) -> None:
        """Refuse what somebody else may have written: it would say which files need no look."""
        if not kind(status.st_mode):
            raise NoTableError(f"something else lies in its place in {self.folder}")
        if status.st_uid != os.geteuid() or status.st_mode & _OTHERS_MAY_WRITE:
            raise NoTableError(f"somebody else may have written into {self.folder}")

    def _prune(self) -> None:
        """Remove the oldest tables beyond the limits, and what a crash left of writing one."""
        known = []
        for path in self.folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                if path.suffix == ".json":
                    known.append((status.st_mtime_ns, status.st_size, path))
                elif path.suffix == ".tmp" and status.st_mtime < time.time() - 3600:
                    path.unlink()
        total = 0
        for number, (_, size, path) in enumerate(sorted(known, reverse=True)):
            total += size
            if number and (number >= MAX_TABLES or total > MAX_TOTAL_BYTES):
                path.unlink(missing_ok=True)
