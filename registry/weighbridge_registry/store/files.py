# SPDX-License-Identifier: Apache-2.0
"""Files of the data folder: written once, durable before anybody relies on them.

    keys/log.key, keys/operator.pem   private keys, mode 0600
    lock                              held by the one process that writes
    registry.db                       the SQLite database, unless there is another
    public/checkpoint                 the published checkpoint
    public/tile/…                     tiles and bundles of entries, C2SP tlog-tiles paths
    public/bundles/<2 hex>/<sha256>   bundles
    blobs/<2 hex>/<sha256>.gz         attachments

Below `public/` nothing but `checkpoint` ever changes: what is there may be copied or cached as
it is. Partial tiles go when the full tile stands, and are then served from it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from weighbridge import tlog
from weighbridge.atomic import write_atomically
from weighbridge.errors import ConfigurationError, LogError

__all__ = ["DataFolder", "LogFiles", "ShardedFiles"]

_HASH_BYTES: Final = 32


class DataFolder:
    """The folder that holds everything an operator must back up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys = path / "keys"
        self.lock = path / "lock"
        self.public = path / "public"
        self.bundles = ShardedFiles(self.public / "bundles")
        self.blobs = ShardedFiles(path / "blobs", suffix=".gz")
        self.log = LogFiles(self.public)

    def make(self) -> None:
        """Make the folders. Raises `ConfigurationError` if that is not allowed."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o755)
            self.keys.mkdir(exist_ok=True, mode=0o700)
            for folder in (self.public, self.bundles.folder, self.blobs.folder):
                folder.mkdir(exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"the data folder {self.path} cannot be made: {error.strerror}",
                hint="give a folder that you may write to with --data",
            ) from error


class ShardedFiles:
    """Files named by their SHA-256, spread over 256 folders."""

    def __init__(self, folder: Path, suffix: str = "") -> None:
        self.folder = folder
        self._suffix = suffix

    def path(self, sha256: str) -> Path:
        """Return where the file with this name is, or will be."""
        return self.folder / sha256[:2] / f"{sha256}{self._suffix}"

    def put(self, sha256: str, data: bytes) -> None:
        """Store a file durably, unless it is there. The caller has checked the digest."""
        path = self.path(sha256)
        if path.exists():
            return
        _make_folder(path.parent)
        write_atomically(path, data)

    def read(self, sha256: str) -> bytes:
        """Return a file's bytes; raises `FileNotFoundError`."""
        return self.path(sha256).read_bytes()

    def size(self, sha256: str) -> int:
        """Return a file's length in bytes; raises `FileNotFoundError`."""
        return self.path(sha256).stat().st_size


class LogFiles:
    """Tiles, bundles of entries and the published checkpoint."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._checkpoint = root / "checkpoint"

    def published(self) -> bytes | None:
        """Return the published checkpoint, or None before the first."""
        try:
            return self._checkpoint.read_bytes()
        except FileNotFoundError:
            return None

    def publish(self, note: bytes) -> None:
        """Replace the published checkpoint, durably."""
        write_atomically(self._checkpoint, note)

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        """Return a tile; a partial one may come from the full one. Raises `FileNotFoundError`."""
        try:
            return (self.root / tlog.tile_path(level, index, width)).read_bytes()
        except FileNotFoundError:
            if width == tlog.TILE_WIDTH:
                raise
            full = (self.root / tlog.tile_path(level, index)).read_bytes()
            return full[: width * _HASH_BYTES]

    def read_entries(self, index: int, width: int) -> bytes:
        """Return a bundle of entries, as `read_tile` does."""
        try:
            return (self.root / tlog.entries_path(index, width)).read_bytes()
        except FileNotFoundError:
            if width == tlog.TILE_WIDTH:
                raise
            full = (self.root / tlog.entries_path(index)).read_bytes()
            return tlog.entry_bundle(tlog.parse_entry_bundle(full, tlog.TILE_WIDTH)[:width])

    def read_entry(self, number: int, size: int) -> bytes:
        """Return one leaf of a tree of `size` entries; raises `FileNotFoundError`."""
        index, place = divmod(number, tlog.TILE_WIDTH)
        width = tlog.tile_width(0, index, size)
        return tlog.parse_entry_bundle(self.read_entries(index, width), width)[place]

    def reaches_beyond(self, size: int) -> bool:
        """Tell whether entries after the first `size` are on disk."""
        index, kept = divmod(size, tlog.TILE_WIDTH)
        partial = (self.root / f"{tlog.entries_path(index)}.p").glob("[0-9]*")
        return (
            (self.root / tlog.entries_path(index)).exists()
            or any(int(path.name) > kept for path in partial)
            or any((self.root / f"{tlog.entries_path(index + 1)}{end}").exists() for end in ("", ".p"))
        )

    def append(self, start: int, leaves: list[bytes], tiles: Mapping[tlog.Tile, bytes]) -> None:
        """Write the tiles and entries of a batch durably. Doing it again changes nothing.

        Raises `LogError` if another tile of that name stands: tiles are never changed.
        """
        files = {tlog.tile_path(*tile): data for tile, data in tiles.items()}
        files |= self._entry_files(start, leaves)
        _write_all({self.root / name: data for name, data in files.items()})
        for name in files:
            if ".p/" not in name:
                shutil.rmtree(self.root / f"{name}.p", ignore_errors=True)

    def _entry_files(self, start: int, leaves: list[bytes]) -> dict[str, bytes]:
        index, kept = divmod(start, tlog.TILE_WIDTH)
        before = tlog.parse_entry_bundle(self.read_entries(index, kept), kept) if kept else []
        entries = [*before, *leaves]
        files: dict[str, bytes] = {}
        for place in range(0, len(entries), tlog.TILE_WIDTH):
            part = entries[place : place + tlog.TILE_WIDTH]
            name = tlog.entries_path(index + place // tlog.TILE_WIDTH, len(part))
            files[name] = tlog.entry_bundle(part)
        return files


def _write_all(files: Mapping[Path, bytes]) -> None:
    """Write several immutable files; durable, with their folders, when this returns."""
    folders: set[Path] = set()
    for path, data in files.items():
        if _stands(path, data):
            continue
        _make_folder(path.parent)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        folders.add(path.parent)
    for folder in folders:
        _sync_folder(folder)


def _stands(path: Path, data: bytes) -> bool:
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return False
    if found != data:
        raise LogError(
            f"{path} already stands with other bytes; a log never changes what it has written",
            hint="stop this registry, keep its data folder as it is, and run: weighbridge log fsck",
        )
    return True


def _make_folder(folder: Path) -> None:
    """Make a folder and make its name durable, and those of its parents that were missing."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
