# SPDX-License-Identifier: Apache-2.0
"""Small JSON files in the user's configuration folder, changed under a lock and never by halves.

Folders are made with mode 0700 and files with 0600: what somebody trusts and has looked at is
nobody else's business, and nobody else may change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from weighbridge.atomic import write_atomically
from weighbridge.canonical import decode
from weighbridge.errors import BundleError, ConfigurationError, InputError

__all__ = ["JsonFolder", "UnwritableError", "make_private_folder"]

_MAX_BYTES = 16 << 20
_LOCK_SECONDS = 10.0
_ELSEWHERE = "set WEIGHBRIDGE_CONFIG_DIR to a folder that you may write"


class UnwritableError(ConfigurationError):
    """The configuration folder cannot be written: set WEIGHBRIDGE_CONFIG_DIR to one that can."""


def make_private_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, for the user alone (0700)."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


class JsonFolder:
    """A folder of JSON objects, each `{"v": 1, …}` in a file of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> dict[str, Any] | None:
        """Read an object; None if there is none. Raises `ConfigurationError` if it is spoilt."""
        path = self.folder / name
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
        try:
            value = decode(data, max_bytes=_MAX_BYTES)
        except BundleError as error:
            raise self.spoilt(name, error.message) from error
        if not isinstance(value, dict) or value.get("v") != 1:
            raise self.spoilt(name, "not an object of version 1")
        return value

    def spoilt(self, name: str, why: str) -> ConfigurationError:
        """Make the error for a file whose content is not what this program writes."""
        path = self.folder / name
        return ConfigurationError(
            f"{path} is spoilt: {why}",
            hint="a newer weighbridge may have written it; else move it away, which forgets what it holds",
            evidence={"path": str(path)},
        )

    def update(self, name: str, change: Callable[[dict[str, Any] | None], dict[str, Any]]) -> None:
        """Read, change and write an object with no other process in between.

        If `change` raises, nothing is written. Raises `UnwritableError` if nothing can be written
        there, `ConfigurationError` if another process does not give the lock back.
        """
        with self._lock():
            old = self.read(name)
            new = self.changed(name, old, change)
            if new != old:
                self._write(name, new)

    def changed(
        self, name: str, old: dict[str, Any] | None, change: Callable[[dict[str, Any] | None], dict[str, Any]]
    ) -> dict[str, Any]:
        """Change an object; `ConfigurationError` if its members are not those that `change` expects."""
        try:
            return change(old)
        except (AttributeError, KeyError, TypeError) as error:
            raise self.spoilt(name, "its members are not those that belong there") from error

    def _write(self, name: str, value: dict[str, Any]) -> None:
        import json

        text = json.dumps({**value, "v": 1}, ensure_ascii=False, allow_nan=False, indent=1, sort_keys=True)
        try:
            write_atomically(self.folder / name, text.encode() + b"\n", mode=0o600)
        except InputError as error:
            raise UnwritableError(error.message, hint=_ELSEWHERE, evidence=error.evidence) from error

    @contextmanager
    def _lock(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / ".lock", timeout=_LOCK_SECONDS, mode=0o600)
        try:
            make_private_folder(self.folder)
            lock.acquire()
        except Timeout as error:
            raise ConfigurationError(
                f"{self.folder} is locked by another weighbridge process",
                hint="wait for it to end, then try again",
            ) from error
        except OSError as error:
            raise UnwritableError(
                f"{self.folder} cannot be written: {error.strerror}", hint=_ELSEWHERE
            ) from error
        try:
            yield
        finally:
            lock.release()
