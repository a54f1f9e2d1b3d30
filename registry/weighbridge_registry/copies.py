# SPDX-License-Identifier: Apache-2.0
"""Whose log a data folder holds: a registry's own, or a copy of another's.

A copy has no log key. `mirror.json` beside it says where it comes from, and pins the key:

    {"v": 1, "origin": "log.example/…", "vkey": "log.example/…+…", "url": "https://log.example"}

and, if the copied log lies in a bucket, its `"storage": "s3://…"`, which holds nothing that would tell.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from weighbridge import tlog
from weighbridge.atomic import write_atomically
from weighbridge.canonical import decode
from weighbridge.errors import BundleError, ConfigurationError, InputError, NoteError

from .store.files import DataFolder

__all__ = ["Copied", "no_log", "pin", "read_copied", "vkey_of"]

_NAME: Final = "mirror.json"
_MAX_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Copied:
    """Where a copy comes from: the log's origin and key, and the address it was copied from."""

    origin: str
    vkey: str
    url: str
    storage: str | None = None
    """Where its objects lie; None for the folder itself."""

    @property
    def place(self) -> str | None:
        """The bucket and prefix of `storage`, however they are reached."""
        return self.storage.partition("?")[0].rstrip("/") if self.storage is not None else None


def read_copied(folder: DataFolder) -> Copied | None:
    """Return where this folder was copied from; None if it is no copy."""
    path = folder.path / _NAME
    try:
        data = path.read_bytes()[:_MAX_BYTES]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    try:
        value = decode(data, max_bytes=_MAX_BYTES)
        version = value.pop("v", None)
        copied = Copied(**value)
        fits = version == 1 and tlog.Verifier.from_vkey(copied.vkey).name == copied.origin
    except (BundleError, NoteError, TypeError, AttributeError) as error:
        raise _spoilt(path, str(error)) from error
    if not fits or not isinstance(copied.url, str) or not isinstance(copied.storage, str | None):
        raise _spoilt(path, "it is not of version 1, or its key is of another log")
    return copied


def pin(folder: DataFolder, copied: Copied) -> None:
    """Make this folder a copy of a log, for ever; another address of the same log is taken.

    Raises `ConfigurationError` if it is a registry's own folder, the copy of another log, or a copy whose
    objects lie elsewhere, and for a new copy in a bucket where a log is already: that may be a
    registry's own, and nothing there would tell.
    """
    if (folder.keys / "log.key").exists():
        raise ConfigurationError(
            f"{folder.path} is a registry's own data folder: a copy there would replace its log",
            hint="mirror into another folder with --data",
        )
    known = read_copied(folder)
    if known == copied:
        return
    if known is not None and known.vkey != copied.vkey:
        raise ConfigurationError(
            f"{folder.path} is a copy of the log {known.origin} with the key {known.vkey}",
            hint="another log, or another key of the same, needs another folder",
            evidence={"known": known.vkey, "given": copied.vkey},
        )
    if known is not None and known.place != copied.place:
        raise ConfigurationError(
            f"this copy's log lies in {known.storage or folder.path}, not in {copied.storage or folder.path}",
            hint="give the same --storage each time; a copy elsewhere needs another folder",
        )
    if known is None and copied.storage is not None and folder.log.published() is not None:
        raise ConfigurationError(
            f"there is a log in {copied.place} already: a copy there could replace a registry's own",
            hint="give an empty prefix with --storage, or the --data folder of the copy that lies there",
        )
    fields = {name: value for name, value in asdict(copied).items() if value is not None}
    text = json.dumps({"v": 1, **fields}, ensure_ascii=False, indent=1)
    write_atomically(folder.path / _NAME, text.encode() + b"\n")


def vkey_of(folder: DataFolder) -> str:
    """Return the verifier key of the log in a data folder: its own key's, or that of a copy."""
    copied = read_copied(folder)
    if copied is not None:
        return copied.vkey
    try:
        return tlog.Signer.from_private_key((folder.keys / "log.key").read_text()).verifier.vkey
    except (OSError, UnicodeDecodeError, NoteError) as error:
        raise InputError(
            f"the log key of {folder.path} cannot be read: {error}",
            hint="run this as the user that runs the registry, or name the key with --log-key",
        ) from error


def no_log(folder: DataFolder, what: str, hint: str) -> InputError:
    """Return the error for a place that shows no log; a copy says itself where its log lies."""
    copied = read_copied(folder)
    if copied is not None and copied.storage is not None:
        return InputError(
            f"the log of the copy in {folder.path} lies in a bucket",
            hint=f"give --storage '{copied.storage}'",
        )
    return InputError(what, hint=hint)


def _spoilt(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is spoilt: {why}", hint="mirror the log again into another folder", evidence={"why": why}
    )
