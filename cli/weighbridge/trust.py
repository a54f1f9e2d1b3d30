# SPDX-License-Identifier: Apache-2.0
"""The trust store: which logs this user has decided to believe.

Trust never comes from the thing being checked (DESIGN section 6). A log is trusted because a
person compared its fingerprint and pinned it (`log trust add`), or because `publish` pinned the
log that it first published to and said so. `verify` never adds one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighbridge import tlog
from weighbridge.config import config_folder
from weighbridge.errors import ConfigurationError, NoteError
from weighbridge.stores import JsonFolder

if TYPE_CHECKING:
    from weighbridge.tlog import Verifier

__all__ = ["TrustStore", "TrustedLog", "config_folder", "fingerprint"]

_FILE = "logs.json"


def fingerprint(vkey: str) -> str:
    """Give the digest by which two people compare a log key: SHA-256 of the vkey text, in hex."""
    return sha256(vkey.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class TrustedLog:
    """A pinned log: its origin, its key, where it is (or empty), and when it was pinned (RFC 3339)."""

    origin: str
    vkey: str
    url: str
    added: str

    @property
    def verifier(self) -> Verifier:
        """The key, ready to open checkpoints with."""
        return tlog.Verifier.from_vkey(self.vkey)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the vkey text, in hex."""
        return fingerprint(self.vkey)


class TrustStore:
    """The pinned logs of one configuration folder (`logs.json`)."""

    def __init__(self, folder: Path) -> None:
        self._store = JsonFolder(folder)

    @property
    def path(self) -> Path:
        """The file that holds the pins."""
        return self._store.folder / _FILE

    def logs(self) -> tuple[TrustedLog, ...]:
        """List the pinned logs by origin. Raises `ConfigurationError` if the file is spoilt."""
        return self._parse(self._store.read(_FILE))

    def find(self, origin: str) -> TrustedLog | None:
        """Give the pin of a log, if it has one."""
        return next((log for log in self.logs() if log.origin == origin), None)

    def trust(
        self, vkey: str, url: str = "", *, replace: bool = False, now: datetime | None = None
    ) -> TrustedLog:
        """Pin a log by its key; the origin is the key's name.

        Pinning the same key again keeps its date and takes a new URL. Another key for a pinned
        origin raises `ConfigurationError` unless `replace`: a log that changes its key is what
        an impostor looks like. Raises `NoteError` for text that is no log key.
        """
        verifier = tlog.Verifier.from_vkey(vkey)
        if not verifier.algorithm.for_logs:
            raise NoteError(
                f"the key of {verifier.name} is a witness's, not a log's",
                hint="witnesses belong in a witness policy: --witness-policy FILE",
            )
        added = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        new = TrustedLog(verifier.name, verifier.vkey, url, added)

        def change(old: dict[str, Any] | None) -> dict[str, Any]:
            nonlocal new
            logs = {log.origin: log for log in self._parse(old)}
            present = logs.get(new.origin)
            if present is not None and present.vkey == new.vkey:
                new = TrustedLog(new.origin, new.vkey, url or present.url, present.added)
            elif present is not None and not replace:
                raise _key_changed(present, new)
            logs[new.origin] = new
            return _spell(logs.values())

        self._store.update(_FILE, change)
        return new

    def forget(self, origin: str) -> bool:
        """Remove a pin; False if there was none."""
        found = False

        def change(old: dict[str, Any] | None) -> dict[str, Any]:
            nonlocal found
            logs = self._parse(old)
            kept = [log for log in logs if log.origin != origin]
            found = len(kept) < len(logs)
            return _spell(kept)

        if self._store.read(_FILE) is not None:
            self._store.update(_FILE, change)
        return found

    def _parse(self, value: dict[str, Any] | None) -> tuple[TrustedLog, ...]:
        if value is None:
            return ()
        try:
            logs = [
                TrustedLog(**{str(name): str(each) for name, each in log.items()}) for log in value["logs"]
            ]
            if any(log.verifier.name != log.origin for log in logs):
                raise self._store.spoilt(_FILE, "a key bears another name than its log")
        except (KeyError, TypeError, AttributeError, NoteError) as error:
            raise self._store.spoilt(_FILE, f"not a list of logs ({error})") from error
        return tuple(sorted(logs, key=lambda log: log.origin))


def _spell(logs: Any) -> dict[str, Any]:
    return {
        "v": 1,
        "logs": [
            {"origin": log.origin, "vkey": log.vkey, "url": log.url, "added": log.added}
            for log in sorted(logs, key=lambda log: str(log.origin))
        ],
    }


def _key_changed(present: TrustedLog, new: TrustedLog) -> ConfigurationError:
    return ConfigurationError(
        f"the log {new.origin} is trusted with another key",
        hint="this is what an impostor looks like: ask the log's operator before you replace the key "
        f"(`weighbridge log trust remove {new.origin}`, then add)",
        evidence={"trusted": present.fingerprint, "offered": new.fingerprint},
    )
