# SPDX-License-Identifier: Apache-2.0
"""A copy of the very bytes that are being read: what closes the gap between checking a model and using it.

Bytes are written as they are hashed, into a fresh folder beside the target that only its owner can enter. It
gets the target's name when the verdict is known to be good, and is removed otherwise.
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import Any, BinaryIO, Self

from weighbridge.errors import InputError

__all__ = ["CopiedFile", "ModelCopy"]


class CopiedFile:
    """Takes a file's bytes as a hash does (`weighbridge.weighing.hashing.Hash`), and writes them.

    A full disk must not stop the thread that feeds it, so the first error is kept for `close` to raise.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._error: OSError | None = None

    def update(self, data: Any, /) -> None:
        """Write the next bytes."""
        if self._error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self._error = error

    def hexdigest(self) -> str:
        """Return nothing: a copy is no digest."""
        return ""

    def close(self) -> None:
        """Make the file durable; raises `InputError` if it could not be written."""
        try:
            if self._error is not None:
                raise self._error
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _cannot_write(self._path, error) from error
        finally:
            self._file.close()


class ModelCopy:
    """A folder that is filled while a model is read, and kept only by `keep`. Use as a context manager."""

    def __init__(self, target: Path) -> None:
        """Take the folder to make; raises `InputError` if there is something at its place."""
        self.target = target
        if os.path.lexists(target):
            raise InputError(
                f"{target} exists; the verified copy is written into a new folder only.",
                hint="Name a folder that is not there yet.",
            )
        self._folder = target.with_name(f".{target.name[:64]}.{secrets.token_hex(8)}.tmp")

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(mode=0o700)
        except OSError as error:
            raise _cannot_write(self.target, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def open(self, path: str) -> CopiedFile:
        """Make a file for a path inside the model, which was judged before: relative, without `..`."""
        place = self._folder / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            return CopiedFile(place.open("xb", buffering=0), self.target / path)
        except OSError as error:
            raise _cannot_write(self.target / path, error) from error

    def keep(self) -> None:
        """Give the folder its name; raises `InputError` if something has taken that meanwhile."""
        try:
            if os.path.lexists(self.target):
                raise FileExistsError(None, "something is there now")
            self._folder.chmod(0o755)
            self._folder.rename(self.target)
        except OSError as error:
            raise _cannot_write(self.target, error) from error


def _cannot_write(path: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot write {path}: {error.strerror or error}",
        hint="check that the folder exists, that you may write to it and that the disk is not full",
        evidence={"path": str(path)},
    )
