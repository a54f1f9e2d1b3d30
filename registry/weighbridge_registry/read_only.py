# SPDX-License-Identifier: Apache-2.0
"""A log that is only shown: a mirror's copy, or a registry's folder or bucket beside its writer.

No key is read, no lock taken, nothing written or signed. Pages and questions are answered as the
registry would; whoever sends something is told where to send it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from weighbridge import tlog
from weighbridge.errors import ConfigurationError, UnavailableError

from .attachments import Attachments
from .authentication import Authentication
from .copies import no_log, read_copied
from .log.desk import Ticket
from .log.outcomes import Placed
from .queries import Queries
from .settings import Settings
from .store.database import Database, check_not_moved, open_for_reading, read_meta
from .store.files import DataFolder

__all__ = ["ReadOnlyService", "open_read_only"]


@dataclass(frozen=True)
class ReadOnlyService:
    """One log that is shown. All methods may be called by several threads at once."""

    settings: Settings
    folder: DataFolder
    database: Database
    queries: Queries
    attachments: Attachments
    origin: str
    where_to_publish: str
    """What to tell somebody who sends a statement here."""

    def hand_in(
        self,
        bundles: Sequence[bytes],  # noqa: ARG002 - refused
        *,
        kept: bool = False,  # noqa: ARG002 - refused
        count: Callable[[Mapping[str, int]], None] | None = None,  # noqa: ARG002 - refused
    ) -> Ticket:
        """Refuse; the interface does so before a body is read."""
        raise UnavailableError("this is a read-only copy of the log", hint=self.where_to_publish)

    def outcome(self, token: str) -> tuple[Placed, ...] | None:
        """Raise `KeyError`: nothing was handed in here."""
        raise KeyError(token)

    def drain(self) -> None:
        """Do nothing: nothing is under way but answers."""

    def close(self) -> None:
        """Let go of everything."""
        self.database.close()
        self.folder.close()


def open_read_only(settings: Settings) -> ReadOnlyService:
    """Open the log of a data folder for reading.

    Raises `InputError` if nothing was published there, `ConfigurationError` if its database cannot be
    read or is of another log.
    """
    folder = DataFolder.open(settings.data, settings.storage, write=False)
    shown = folder.log.published()
    if shown is None:
        folder.close()
        raise no_log(
            folder,
            f"there is no log in {folder.path}",
            "give a registry's data folder, or mirror one there: weighbridge log mirror URL",
        )
    database = open_for_reading(settings.database)
    try:
        verifier = _verifier(database)
        tlog.parse_checkpoint(shown, [verifier])
        authentication = Authentication(settings.trust_configs, public_sigstore=settings.public_sigstore)
        return ReadOnlyService(
            settings,
            folder,
            database,
            Queries(database, folder, verifier, settings.base_url),
            Attachments(database, folder, authentication, settings.limits),
            verifier.name,
            _where(folder),
        )
    except BaseException:
        database.close()
        raise


def _verifier(database: Database) -> tlog.Verifier:
    with database.read() as connection:
        check_not_moved(connection)
        vkey = read_meta(connection, "vkey")
    if vkey is None:
        raise ConfigurationError(
            "the database holds no log", hint="start the registry once, or mirror a log into the folder first"
        )
    return tlog.Verifier.from_vkey(vkey)


def _where(folder: DataFolder) -> str:
    copied = read_copied(folder)
    return "publish to the registry itself" + (f": {copied.url}" if copied is not None else "")
