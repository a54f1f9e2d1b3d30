# SPDX-License-Identifier: Apache-2.0
"""What a registry keeps outside its database: keys, the log, bundles, attachments.

    keys/log.key, keys/operator.pem   private keys, mode 0600
    lock                              held by the one process that writes
    registry.db                       the SQLite database, unless there is another

are always files of the data folder. The log's objects (`store.objects`) are files below it, too
(`store.folders`), or lie in a bucket (`store.buckets`).

Nothing but `checkpoint` ever changes: what else is there may be copied or cached as it is.
Partial tiles go when the full tile stands, and are then served from it.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from weighbridge import tlog
from weighbridge.errors import ConfigurationError, ForkError, LogError, UnavailableError

from .folders import FolderObjects
from .objects import CHECKPOINT, Listed, Objects, Versioned

__all__ = ["DataFolder", "DigestFiles", "LogFiles"]

_HASH_BYTES: Final = 32
_SHOWN_SECONDS: Final = 1.0
"""A checkpoint in a distant storage is read again after this time: tlog-tiles allows a few seconds."""
_KEPT_BYTES: Final = 16 * 1024 * 1024
"""Tiles and bundles of entries of a distant storage that are kept in memory."""
_TRIES: Final = 4


class DataFolder:
    """The folder that holds everything an operator must back up, unless a part lies in a bucket.

    `objects` are the files below `path`, or those that the driver given holds.
    """

    def __init__(self, path: Path, objects: Objects | None = None) -> None:
        self.path = path
        self.keys = path / "keys"
        self.lock = path / "lock"
        self.public = path / "public"
        self.objects: Objects = objects if objects is not None else FolderObjects(path)
        self.bundles = DigestFiles(self.objects, "bundles", verified=True)
        self.blobs = DigestFiles(self.objects, "blobs")
        self.log = LogFiles(self.objects)

    @classmethod
    def open(cls, path: Path, storage: str | None = None, *, write: bool = True) -> DataFolder:
        """Open a data folder whose objects lie in `storage`, an s3:// address, or in files.

        Raises `ConfigurationError` if that storage can't be used, or, with `write`, not be written.
        """
        if storage is None:
            return cls(path)
        try:
            from .buckets import open_bucket  # noqa: PLC0415 - the extra s3: loaded only where it is used
        except ImportError as error:
            raise ConfigurationError(
                f"storage in S3 is not installed: {error}",
                hint="pip install 'weighbridge[registry,s3]'",
            ) from error
        return cls(path, open_bucket(storage, write=write))

    def make(self) -> None:
        """Make the folders. Raises `ConfigurationError` if that is not allowed."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o755)
            self.keys.mkdir(exist_ok=True, mode=0o700)
            if isinstance(self.objects, FolderObjects):
                for folder in (self.public, self.public / "bundles", self.path / "blobs"):
                    folder.mkdir(exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"the data folder {self.path} cannot be made: {error.strerror}",
                hint="give a folder that you may write to with --data",
            ) from error

    def close(self) -> None:
        """Let go of the storage."""
        self.objects.close()


class DigestFiles:
    """Objects named by a SHA-256. With `verified` it is that of their bytes, and checked at reading."""

    def __init__(self, objects: Objects, kind: str, *, verified: bool = False) -> None:
        self._objects = objects
        self._kind = kind
        self._verified = verified

    def put(self, sha256: str, data: bytes) -> None:
        """Store one durably, unless it is there. The caller has checked the digest.

        Raises `LogError` if other bytes stand there.
        """
        self.put_all({sha256: data})

    def put_all(self, files: Mapping[str, bytes]) -> None:
        """Store several, given by their digests, at the price of one."""
        self._objects.put({self._name(sha256): data for sha256, data in files.items()})

    def read(self, sha256: str) -> bytes:
        """Return the bytes; raises `FileNotFoundError`, or `LogError` if they are others."""
        data = self._objects.get(self._name(sha256))
        if self._verified and (found := hashlib.sha256(data).hexdigest()) != sha256:
            raise LogError(
                f"what is stored as {self._name(sha256)} has the digest {found}",
                hint="the storage is damaged, or somebody has changed it: weighbridge log fsck",
                evidence={"wanted": sha256, "found": found},
            )
        return data

    def size(self, sha256: str) -> int:
        """Return the length in bytes, as stored; raises `FileNotFoundError`."""
        return self._objects.size(self._name(sha256))

    def delete(self, sha256: str) -> None:
        """Delete one durably, if it is there: for what may be shown no more."""
        self._objects.delete([self._name(sha256)])

    def _name(self, sha256: str) -> str:
        return f"{self._kind}/{sha256}"


class LogFiles:
    """Tiles, bundles of entries and the published checkpoint. Several threads may read."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._publishing = threading.Lock()
        self._lock = threading.Lock()  # of what follows
        self._shown: Versioned | None = None
        self._shown_at = 0.0
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._kept_bytes = 0

    def published(self, *, newest: bool = True) -> bytes | None:
        """Return the published checkpoint, or None before the first.

        Without `newest`, one that was read from a distant storage a second ago will do.
        """
        if self._objects.distant and not newest:
            with self._lock:
                if self._shown is not None and time.monotonic() - self._shown_at < _SHOWN_SECONDS:
                    return self._shown.data
        found = self._objects.versioned()
        self._remember(found)
        return found.data if found is not None else None

    def publish(self, note: bytes) -> None:
        """Replace the published checkpoint, durably, by one of the same tree or of one that is larger.

        Raises `LogError` if a larger tree was published meanwhile, `ForkError` if another one of
        the same size was.
        """
        with self._publishing:
            with self._lock:
                now = self._shown
            if now is None or now.data == note:
                now = self._objects.versioned()
            for _ in range(_TRIES):
                if now is not None:
                    _check_forward(now.data, note)
                version = self._objects.replace(note, now.version if now is not None else None)
                if version is not None:
                    self._remember(Versioned(note, version))
                    return
                now = self._objects.versioned()
            self._remember(None)
        raise UnavailableError(
            "the checkpoint in the storage changes while it is being replaced",
            hint="see that only one registry writes to this storage",
        )

    def check_publishable(self, note: bytes) -> None:
        """Raise what `publish` would raise now, and write nothing."""
        shown = self.published()
        if shown is not None:
            _check_forward(shown, note)

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        """Return a tile; a partial one may come from the full one. Raises `FileNotFoundError`."""
        try:
            return self._get(tlog.tile_path(level, index, width))
        except FileNotFoundError:
            if width == tlog.TILE_WIDTH:
                raise
            return self._get(tlog.tile_path(level, index))[: width * _HASH_BYTES]

    def read_entries(self, index: int, width: int) -> bytes:
        """Return a bundle of entries, as `read_tile` does."""
        try:
            return self._get(tlog.entries_path(index, width))
        except FileNotFoundError:
            if width == tlog.TILE_WIDTH:
                raise
            full = self._get(tlog.entries_path(index))
            return tlog.entry_bundle(tlog.parse_entry_bundle(full, tlog.TILE_WIDTH)[:width])

    def read_entry(self, number: int, size: int) -> bytes:
        """Return one leaf of a tree of `size` entries; raises `FileNotFoundError`."""
        index, place = divmod(number, tlog.TILE_WIDTH)
        width = tlog.tile_width(0, index, size)
        return tlog.parse_entry_bundle(self.read_entries(index, width), width)[place]

    def reaches_beyond(self, size: int) -> bool:
        """Tell whether entries after the first `size` are stored."""
        index, kept = divmod(size, tlog.TILE_WIDTH)
        return any(
            self._exists(tlog.entries_path(number))
            or any(int(one.name.rpartition("/")[2]) > least for one in self._partial(number))
            for number, least in ((index, kept), (index + 1, 0))
        )

    def append(
        self,
        start: int,
        leaves: Sequence[bytes],
        tiles: Mapping[tlog.Tile, bytes],
        before: Sequence[bytes] | None = None,
    ) -> None:
        """Write the tiles and entries of a batch durably. Doing it again changes nothing.

        `before` are the entries that the partial bundle before `start` holds; they are read if it
        is not given. Raises `LogError` if another tile of that name stands: tiles are never changed.
        """
        if before is None:
            index, kept = divmod(start, tlog.TILE_WIDTH)
            before = tlog.parse_entry_bundle(self.read_entries(index, kept), kept) if kept else []
        objects = {tlog.tile_path(*tile): data for tile, data in tiles.items()}
        objects |= _entry_bundles(start // tlog.TILE_WIDTH, [*before, *leaves])
        self._objects.put(objects)
        for name, data in objects.items():
            self._keep(name, data)
        self._objects.discard([f"{name}.p" for name in objects if ".p/" not in name])

    def forget(self) -> None:
        """Read everything again: what is kept in memory has turned out to be wrong."""
        with self._lock:
            self._shown = None
            self._kept.clear()
            self._kept_bytes = 0

    def _partial(self, index: int) -> Iterator[Listed]:
        return self._objects.list(f"{tlog.entries_path(index)}.p")

    def _exists(self, name: str) -> bool:
        try:
            self._objects.size(name)
        except FileNotFoundError:
            return False
        return True

    def _get(self, name: str) -> bytes:
        """Read an immutable object, from memory if it is there."""
        if not self._objects.distant:
            return self._objects.get(name)
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        data = self._objects.get(name)
        self._keep(name, data)
        return data

    def _keep(self, name: str, data: bytes) -> None:
        if not self._objects.distant:
            return
        with self._lock:
            self._kept_bytes += len(data) - len(self._kept.pop(name, b""))
            self._kept[name] = data
            while self._kept_bytes > _KEPT_BYTES:
                _, dropped = self._kept.popitem(last=False)
                self._kept_bytes -= len(dropped)

    def _remember(self, shown: Versioned | None) -> None:
        with self._lock:
            self._shown = shown
            self._shown_at = time.monotonic()


def _entry_bundles(index: int, entries: Sequence[bytes]) -> dict[str, bytes]:
    """Spell entries from the beginning of bundle `index` on."""
    bundles: dict[str, bytes] = {}
    for place in range(0, len(entries), tlog.TILE_WIDTH):
        part = entries[place : place + tlog.TILE_WIDTH]
        name = tlog.entries_path(index + place // tlog.TILE_WIDTH, len(part))
        bundles[name] = tlog.entry_bundle(part)
    return bundles


def _check_forward(shown: bytes, note: bytes) -> None:
    """Check that a checkpoint may take the place of the one shown now. Signatures are the caller's."""
    old, new = _tree(shown), _tree(note)
    evidence = {"published": shown.decode(), "new": note.decode()}
    if old.origin != new.origin or (old.size == new.size and old.root != new.root):
        raise ForkError(
            f"{CHECKPOINT} shows another tree of {old.size} entries, of the log {old.origin}",
            hint="stop this registry, leave its data as it is, and find out who wrote that",
            evidence=evidence,
        )
    if old.size > new.size:
        raise LogError(
            f"a tree of {old.size} entries is published; it is not taken back to {new.size}",
            hint="another registry writes this log, or this one's database is older than its storage",
            evidence=evidence,
        )


def _tree(note: bytes) -> tlog.Checkpoint:
    """Read a checkpoint without asking who signed it; raises `NoteError`."""
    return tlog.parse_checkpoint_text(tlog.split_note(note)[0])
