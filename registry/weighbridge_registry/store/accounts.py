# SPDX-License-Identifier: Apache-2.0
"""What an operator keeps of withheld things, for nobody else to read: `withheld/` in the data folder.

    withheld/<sha256>.facts.json   what the entry of a withheld bundle did; served with 451 answers
                                   unless the decision withholds it too, and needed to replay the log
    withheld/<sha256>.kept         the bytes themselves, only where the operator chose to keep them

The folder lies beside the keys and never in a bucket that others can read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from weighbridge import canonical
from weighbridge.atomic import write_atomically
from weighbridge.errors import BundleError, ConfigurationError

__all__ = ["Accounts"]

_MAX_FACTS: Final = 32 * 1024 * 1024
_MAX_DEPTH: Final = 64


class Accounts:
    """Facts and kept bytes of withheld bundles and attachments, by their SHA-256 in bare hex."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "withheld"

    def facts(self, sha256: str) -> dict[str, Any] | None:
        """Return what a withheld bundle's entry wrote, in the form whose digest is its effect; or None."""
        try:
            with self._path(sha256, "facts.json").open("rb") as file:
                data = file.read(_MAX_FACTS + 1)
        except FileNotFoundError:
            return None
        try:
            value = canonical.decode(data, max_bytes=_MAX_FACTS, max_depth=_MAX_DEPTH)
        except BundleError as error:
            raise _spoilt(self._path(sha256, "facts.json")) from error
        if not isinstance(value, dict):
            raise _spoilt(self._path(sha256, "facts.json"))
        return value

    def keep_facts(self, sha256: str, facts: Mapping[str, Any]) -> None:
        """Write down what an entry did, durably, before its bytes go."""
        self._write(sha256, "facts.json", canonical.encode(dict(facts)))

    def kept(self, sha256: str) -> bytes | None:
        """Return the bytes that were kept, or None."""
        try:
            return self._path(sha256, "kept").read_bytes()
        except FileNotFoundError:
            return None

    def keep(self, sha256: str, data: bytes) -> None:
        """Keep the bytes, readable by the operator alone."""
        self._write(sha256, "kept", data)

    def forget(self, sha256: str) -> None:
        """Let go of all that is kept of something: it is served again."""
        for what in ("facts.json", "kept"):
            self._path(sha256, what).unlink(missing_ok=True)

    def _path(self, sha256: str, what: str) -> Path:
        return self._folder / f"{sha256}.{what}"

    def _write(self, sha256: str, what: str, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_atomically(self._path(sha256, what), data, mode=0o600)


def _spoilt(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} cannot be read: it is not what an entry wrote",
        hint="restore withheld/ from your backup: without it the log cannot be replayed past that entry",
    )
