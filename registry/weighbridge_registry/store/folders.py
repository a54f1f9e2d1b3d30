# SPDX-License-Identifier: Apache-2.0
"""Objects as files below a data folder: temporary file, fsync, rename, fsync of the folder.

    public/checkpoint, public/tile/…      under their own names
    public/bundles/<2 hex>/<sha256>       digests are spread over 256 folders
    blobs/<2 hex>/<sha256>.gz             not below public/: served with care, see `api.blobs`

What costs time is fsync, and a file system that is asked for several at once writes its journal
once for all. So those of one call are asked for together, first the files', then the folders'.
Paths are strings here: pathlib takes a tenth of the time that a batch has.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from weighbridge.errors import LogError, UnavailableError

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
        self._root = str(root)
        self._public = f"{root}/public"
        self._durable: set[str] = set()
        self._pool = ThreadPoolExecutor(_SYNCING, thread_name_prefix="weighbridge-fsync")

    @property
    def distant(self) -> bool:
        """False: the system keeps what was read (`Objects.distant`)."""
        return False

    def path(self, name: str) -> Path:
        """Return where an object is kept, or would be. Raises `LogError` for a name none can have."""
        return Path(self._path(name))

    def get(self, name: str) -> bytes:
        """Return an object's bytes (`Objects.get`)."""
        data = _read(self._path(name), form_of(name).limit + 1)
        check_length(name, len(data))
        return data

    def size(self, name: str) -> int:
        """Return an object's size (`Objects.size`)."""
        return os.stat(self._path(name)).st_size

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Store immutable objects (`Objects.put`)."""
        with _told("written"):
            paths = {name: self._path(name) for name in objects}
            files = {
                path: objects[name] for name, path in paths.items() if not _stands(name, path, objects[name])
            }
            self._write(files, {_parent(path) for path in paths.values()})

    def versioned(self) -> Versioned | None:
        """Return the checkpoint (`Objects.versioned`)."""
        try:
            data = self.get(CHECKPOINT)
        except FileNotFoundError:
            return None
        return Versioned(data, _version(data))

    def replace(self, data: bytes, seen: str | None) -> str | None:
        """Replace the checkpoint (`Objects.replace`)."""
        path = self._path(CHECKPOINT)
        with _told("written"), self._locked():
            now = self.versioned()
            if (now.version if now is not None else None) != seen:
                return None
            self._write({path: data}, {_parent(path)})
        return _version(data)

    def list(self, under: str = "") -> Iterator[Listed]:
        """List objects (`Objects.list`)."""
        kind = under.partition("/")[0]
        if under in {"", CHECKPOINT} and (shown := self.versioned()) is not None:
            yield Listed(CHECKPOINT, len(shown.data))
        if kind in {"", "tile"}:
            cut = len(self._public) + 1
            yield from _walk(f"{self._public}/{under or 'tile'}", lambda path: path[cut:])
        if under in {"", "bundles"}:
            yield from _walk(f"{self._public}/bundles", lambda path: f"bundles/{path.rpartition('/')[2]}")
        if under in {"", "blobs"}:
            yield from _walk(
                f"{self._root}/blobs", lambda path: f"blobs/{path.rpartition('/')[2].removesuffix('.gz')}"
            )

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects (`Objects.delete`)."""
        with _told("deleted"):
            folders = set()
            for path in [self._path(name) for name in names]:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                    folders.add(_parent(path))
            self._each(_sync_folder, folders)

    def discard(self, folders: Iterable[str]) -> None:
        """Delete what is below folders (`Objects.discard`); not synced, since it may stay."""
        for folder in folders:
            shutil.rmtree(f"{self._public}/{folder}", ignore_errors=True)

    def close(self) -> None:
        """End the threads (`Objects.close`)."""
        self._pool.shutdown()

    def _path(self, name: str) -> str:
        form_of(name)
        kind, _, rest = name.partition("/")
        if kind == "bundles":
            return f"{self._public}/bundles/{rest[:2]}/{rest}"
        if kind == "blobs":
            return f"{self._root}/blobs/{rest[:2]}/{rest}.gz"
        return f"{self._public}/{name}"

    def _write(self, files: Mapping[str, bytes], folders: set[str]) -> None:
        """Write files and sync them, then rename all and sync the folders."""
        mark = secrets.token_hex(8)
        temporary = {path: f"{_parent(path)}/.{path.rpartition('/')[2]}.{mark}.tmp" for path in files}
        try:
            unsynced = {one for folder in folders for one in self._make_folder(folder)}
            self._each(lambda path: _write_synced(temporary[path], files[path]), files)
            for path in files:
                os.replace(temporary[path], path)
        except BaseException:
            for path in temporary.values():
                with contextlib.suppress(OSError):
                    os.unlink(path)
            raise
        self._each(_sync_folder, folders | unsynced)
        self._durable |= folders | unsynced

    def _make_folder(self, folder: str) -> set[str]:
        """Make a folder if it is not there; return those to sync before its name is durable.

        What this process did not make itself may be left from one that died before it synced.
        """
        if folder in self._durable and os.path.isdir(folder):
            return set()
        if len(self._durable) >= _REMEMBERED:
            self._durable.clear()
        unsynced = set()
        if folder != self._root:
            unsynced = self._make_folder(_parent(folder)) | {_parent(folder)}
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder)
        return unsynced

    def _each(self, action: Callable[[str], None], paths: Iterable[str]) -> None:
        """Do something to several files at once; all are done when this returns or raises."""
        several = list(paths)
        waiting = [self._pool.submit(action, path) for path in several[1:]]
        try:
            for path in several[:1]:
                action(path)
        finally:
            failures = [failure for one in waiting if (failure := one.exception()) is not None]
        if failures:
            raise failures[0]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from replacing the checkpoint between its reading and its writing."""
        if self._public not in self._durable:
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


def _read(path: str, limit: int) -> bytes:
    """Read a regular file; a folder that somebody else filled may hold pipes, which never end."""
    with open(path, "rb", buffering=0, opener=_open_at_once) as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise LogError(
                f"{path} is not a regular file",
                hint="something else than weighbridge has written there: weighbridge log fsck",
            )
        return file.read(min(limit, facts.st_size + 1)) or b""


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _stands(name: str, path: str, data: bytes) -> bool:
    try:
        found = _read(path, len(data) + 1)
    except FileNotFoundError:
        return False
    if found != data:
        raise other_bytes(name)
    return True


def _write_synced(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _walk(folder: str, name: Callable[[str], str]) -> Iterator[Listed]:
    """List files, but not those that are being written."""
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            if not file.startswith("."):
                path = f"{parent}/{file}"
                with contextlib.suppress(FileNotFoundError):
                    yield Listed(name(path), os.stat(path).st_size)


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
