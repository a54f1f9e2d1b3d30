# SPDX-License-Identifier: Apache-2.0
"""Write files so that a reader, or a crash, sees the old bytes or the new ones, never a part."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from weighbridge.errors import InputError

__all__ = ["write_atomically"]


def write_atomically(path: Path | str, data: bytes, mode: int = 0o644, *, sync: bool = True) -> None:
    """Write `data` to `path`: temporary file in the same folder, fsync, rename, fsync the folder.

    `mode` is that of the new file, lowered by the process's umask; give 0o600 for secrets (the
    temporary file is never more open than that). A symbolic link at `path` is replaced, not
    followed. `sync=False` keeps the atomicity but not the durability, for what can be remade.
    The parent folder must exist. Raises `InputError` if it cannot be written; then nothing is
    left behind and the old file is untouched.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name[:64]}.{secrets.token_hex(8)}.tmp")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(temporary, flags, mode)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
                file.write(data)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        if sync:
            _sync_folder(target.parent)
    except OSError as error:
        raise InputError(
            f"cannot write {target}: {error.strerror or error}",
            hint="check that the folder exists, that you may write to it and that the disk is not full",
            evidence={"path": str(target)},
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename durable. Windows has no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
