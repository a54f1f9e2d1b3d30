# SPDX-License-Identifier: Apache-2.0
"""Signed, but not yet known to be recorded: bundles kept until a registry has answered.

A signature may have cost a log-in, a hardware token's touch or an entry in Sigstore's public log. It
is saved before it is sent, so that whatever dies in the middle (this program, the registry, the
line between them), running the same command again sends the same bytes, which a log records once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from weighbridge import canonical
from weighbridge.atomic import write_atomically
from weighbridge.bundles import MAX_BUNDLE_BYTES
from weighbridge.errors import BundleError

__all__ = ["PendingKey", "PendingStore"]

_MAX_BUNDLES: Final = 32
_MAX_FILE_BYTES: Final = 8 * MAX_BUNDLE_BYTES
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class PendingKey:
    """Which publishing it is: the log's origin, NS/NAME@VERSION, the model digest (bare hex).

    `request` is the SHA-256 (hex) over everything else that was asked for: card, lineage, locations,
    signer, and which statements are needed. If any of it differs, the kept bundles are not the answer.
    """

    origin: str
    release: str
    model_digest: str
    request: str

    @property
    def file_name(self) -> str:
        """Name of the file that keeps it: a digest, because origins and names are strangers' text."""
        text = f"{self.origin}\n{self.release}\n{self.model_digest}"
        return f"{hashlib.sha256(text.encode()).hexdigest()}.json"


class PendingStore:
    """Bundles that wait, one file each, readable by their owner only."""

    def __init__(self, folder: Path) -> None:
        """Keep them in `folder`, which is made when it is needed."""
        self._folder = folder

    def find(self, key: PendingKey) -> tuple[bytes, ...] | None:
        """Return the bundles kept for exactly this request, or None.

        A file that can't be read or is not of this form counts as none: then is signed again.
        """
        path = self._folder / key.file_name
        try:
            if path.stat().st_size > _MAX_FILE_BYTES:
                return None
            value = canonical.decode(path.read_bytes(), max_bytes=_MAX_FILE_BYTES)
        except (OSError, BundleError):
            return None
        return _bundles(value, key)

    def save(self, key: PendingKey, bundles: Sequence[bytes]) -> None:
        """Keep bundles, in the order in which they are to be sent, on disk before this returns."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        value = {
            "v": _VERSION,
            "origin": key.origin,
            "release": key.release,
            "model_digest": key.model_digest,
            "request": key.request,
            "bundles": [base64.b64encode(bundle).decode("ascii") for bundle in bundles],
        }
        write_atomically(self._folder / key.file_name, canonical.encode(value) + b"\n", mode=0o600)

    def remove(self, key: PendingKey) -> None:
        """Forget bundles that are recorded, or that a registry has refused for good."""
        (self._folder / key.file_name).unlink(missing_ok=True)


def _bundles(value: Any, key: PendingKey) -> tuple[bytes, ...] | None:
    match value:
        case {"v": 1, "origin": key.origin, "release": key.release, "model_digest": key.model_digest} if (
            value.get("request") == key.request
        ):
            kept = value.get("bundles")
        case _:
            return None
    if not isinstance(kept, list) or not 0 < len(kept) <= _MAX_BUNDLES:
        return None
    try:
        return tuple(base64.b64decode(text, validate=True) for text in kept)
    except (TypeError, ValueError, binascii.Error):
        return None
