# SPDX-License-Identifier: Apache-2.0
"""Objects as files below a data folder: temporary file, fsync, rename, fsync of the folder.

    public/checkpoint, public/tile/…      under their own names
    public/bundles/<2 hex>/<sha256>       digests are spread over 256 folders
    blobs/<2 hex>/<sha256>.gz             not below public/: served with care, see `api.blobs`

What costs time is fsync, and a file system that is asked for several at once writes its journal
once for all. So those of one call are asked for together, first the files', then the folders'.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from weighbridge.errors import UnavailableError

from .objects import CHECKPOINT, Listed, Versioned, check_length, form_of, other_bytes

__all__ = ["FolderObjects"]

_SYNCING: Final = 6
"""Files or folders that are synced at one time."""
_REMEMBERED: Final = 4096
"""Folders that are known to exist durably."""
_LOCK_SECONDS: Final = 10.0
_LOCK_PAUSE: Final = 0.005


class FolderObjects:
    """The driver for files. Several processes of one machine may use a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._public = root / "public"
        self._durable: set[Path] = set()
        self._pool = ThreadPoolExecutor(_SYNCING, thread_name_prefix="weighbridge-fsync")

    @property
    def distant(self) -> bool:
        """False: the system keeps what was read (`Objects.distant`)."""
        return False

    def path(self, name: str) -> Path:
        """Return where an object is kept, or would be. Raises `LogError` for a name none can have."""
        form_of(name)
        kind, _, rest = name.partition("/")
        if kind == "bundles":
            return self._public / "bundles" / rest[:2] / rest
        if kind == "blobs":
            return self._root / "blobs" / rest[:2] / f"{rest}.gz"
        return self._public / name

    def get(self, name: str) -> bytes:
        """Return an object's bytes (`Objects.get`)."""
        with self.path(name).open("rb") as file:
            data = file.read(form_of(name).limit + 1)
        check_length(name, len(data))
        return data

    def size(self, name: str) -> int:
        """Return an object's size (`Objects.size`)."""
        return self.path(name).stat().st_size

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Store immutable objects (`Objects.put`)."""
        with _told("written"):
            files = {}
            for name, data in objects.items():
                path = self.path(name)
                if not self._stands(name, path, data):
                    files[path] = data
            self._write(files, {self.path(name).parent for name in objects})

    def versioned(self) -> Versioned | None:
        """Return the checkpoint (`Objects.versioned`)."""
        try:
            data = self.get(CHECKPOINT)
        except FileNotFoundError:
            return None
        return Versioned(data, _version(data))

    def replace(self, data: bytes, seen: str | None) -> str | None:
        """Replace the checkpoint (`Objects.replace`)."""
        path = self.path(CHECKPOINT)
        with _told("written"), self._locked():
            now = self.versioned()
            if (now.version if now is not None else None) != seen:
                return None
            self._write({path: data}, {path.parent})
        return _version(data)

    def list(self, under: str = "") -> Iterator[Listed]:
        """List objects (`Objects.list`)."""
        kind = under.partition("/")[0]
        if under in {"", CHECKPOINT} and self.path(CHECKPOINT).is_file():
            yield Listed(CHECKPOINT, self.size(CHECKPOINT))
        if kind in {"", "tile"}:
            yield from _walk(
                self._public / (under or "tile"), lambda path: str(path.relative_to(self._public))
            )
        if under in {"", "bundles"}:
            yield from _walk(self._public / "bundles", lambda path: f"bundles/{path.name}")
        if under in {"", "blobs"}:
            yield from _walk(self._root / "blobs", lambda path: f"blobs/{path.stem}")

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects (`Objects.delete`)."""
        with _told("deleted"):
            folders = set()
            for name in names:
                path = self.path(name)
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                    folders.add(path.parent)
            self._each(_sync_folder, folders)

    def discard(self, folders: Iterable[str]) -> None:
        """Delete what is below folders (`Objects.discard`); not synced, since it may stay."""
        for folder in folders:
            shutil.rmtree(self._public / folder, ignore_errors=True)

    def close(self) -> None:
        """End the threads (`Objects.close`)."""
        self._pool.shutdown()

    def _stands(self, name: str, path: Path, data: bytes) -> bool:
        try:
            with path.open("rb") as file:
                found = file.read(len(data) + 1)
        except FileNotFoundError:
            return False
        if found != data:
            raise other_bytes(name)
        return True

    def _write(self, files: Mapping[Path, bytes], folders: set[Path]) -> None:
        """Write files and sync them, then rename all and sync the folders."""
        temporary = {path: path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp") for path in files}
        try:
            unsynced = set().union(*(self._make_folder(folder) for folder in folders))
            self._each(lambda path: _write_synced(temporary[path], files[path]), files)
            for path in files:
                temporary[path].replace(path)
        except BaseException:
            for path in temporary.values():
                with contextlib.suppress(OSError):
                    path.unlink()
            raise
        self._each(_sync_folder, folders | unsynced)
        self._durable |= folders | unsynced

    def _make_folder(self, folder: Path) -> set[Path]:
        """Make a folder if it is not there; return those to sync before its name is durable.

        What this process did not make itself may be left from one that died before it synced.
        """
        if folder in self._durable and folder.is_dir():
            return set()
        unsynced = set()
        if folder != self._root:
            unsynced = self._make_folder(folder.parent) | {folder.parent}
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
        if len(self._durable) >= _REMEMBERED:
            self._durable.clear()
        return unsynced

    def _each(self, action: Callable[[Path], None], paths: Iterable[Path]) -> None:
        """Do something to several files at once; all are done when this returns or raises."""
        several = list(paths)
        if len(several) == 1:
            action(several[0])
            return
        waiting = [self._pool.submit(action, path) for path in several]
        failures = [failure for one in waiting if (failure := one.exception()) is not None]
        if failures:
            raise failures[0]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from replacing the checkpoint between its reading and its writing."""
        for folder in self._make_folder(self._public):
            _sync_folder(folder)
        descriptor = os.open(self._public, os.O_RDONLY)
        try:
            deadline = time.monotonic() + _LOCK_SECONDS
            while not _lock(descriptor):
                if time.monotonic() > deadline:
                    raise UnavailableError(
                        f"another process has kept {self._public} locked for {_LOCK_SECONDS:.0f} s",
                        hint="find out which process stands still, and end it",
                    )
                time.sleep(_LOCK_PAUSE)
            yield
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _told(done: str) -> Iterator[None]:
    """Say which file could not be written; a reader is asked to come back."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"{error.filename or 'a file of the data folder'} cannot be {done}: {error.strerror}",
            hint="make room or repair the disk; nothing acknowledged is lost",
        ) from error


def _write_synced(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - of a descriptor
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _walk(folder: Path, name: Callable[[Path], str]) -> Iterator[Listed]:
    """List files, but not those that are being written."""
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            if not file.startswith("."):
                path = Path(parent) / file
                with contextlib.suppress(FileNotFoundError):
                    yield Listed(name(path), path.stat().st_size)


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
