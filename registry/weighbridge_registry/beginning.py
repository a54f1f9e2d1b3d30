# SPDX-License-Identifier: Apache-2.0
"""What a new leader does before it takes anything: heal the log, or write its first entry."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, delete
from sqlmodel import col

from weighbridge import keys, statements, tlog
from weighbridge.errors import ConfigurationError, NoteError
from weighbridge.leaves import encode_leaf, parse_leaf
from weighbridge.signing import KeySigner
from weighbridge_schemas.operator import Genesis, Operator, Predecessor

from .authentication import Authentication
from .log.cosigners import Cosigners
from .log.keys import RegistryKeys
from .log.writing import Log
from .rebuilding import remake_all
from .settings import Settings
from .state import Admitted, Authenticator, Overlay, apply, read_candidate
from .store.database import Database, check_not_moved, read_meta
from .store.files import DataFolder
from .store.state import SqlState
from .store.tables import Meta
from .store.views import project, write_facts

__all__ = ["Beginning", "Replay", "predecessor_of"]

_LOG: Final = logging.getLogger("weighbridge.registry")


class Replay:
    """Decides about logged entries again, from their bytes: the `ApplyBatch` of healing."""

    def __init__(self, folder: DataFolder, authentication: Authentication) -> None:
        self._folder = folder
        self._authentication = authentication

    def __call__(self, connection: Connection, start: int, leaves: Sequence[bytes]) -> None:
        """Write facts and views of entries whose leaves are known and whose bundles are on disk."""
        overlay = Overlay(SqlState(connection))
        entries: list[Admitted] = []
        for index, data in enumerate(leaves, start=start):
            leaf = parse_leaf(data)
            candidate = read_candidate(self._folder.bundles.read(leaf.bundle_sha256))
            entry = apply(overlay, index, leaf, candidate, self._authentication)
            overlay.update(entry.facts)
            entries.append(entry)
        write_facts(connection, overlay.facts)
        project(connection, entries)


class Beginning:
    """What a new leader does first."""

    def __init__(
        self,
        folder: DataFolder,
        registry_keys: RegistryKeys,
        settings: Settings,
        replay: Replay,
        authenticate: Authenticator,
        cosigners: Cosigners | None,
    ) -> None:
        self._folder = folder
        self._keys = registry_keys
        self._settings = settings
        self._replay = replay
        self._authenticate = authenticate
        self._cosigners = cosigners

    def __call__(self, log: Log, database: Database) -> None:
        """Heal the log, ask the witnesses whether they have seen more of it, or begin it."""
        self._renew(database)
        log.heal(self._replay)
        if self._cosigners is not None:
            self._cosigners.check_head(*log.head())
        if log.size() == 0:
            self._begin(log)

    def _renew(self, database: Database) -> None:
        """Replay the log if a migration left facts and views of an older meaning.

        Not if the registry has moved away, though: it may have done so since this process was opened.
        """
        with database.read() as connection:
            check_not_moved(connection)
            stale = read_meta(connection, "stale")
        if stale is None or self._folder.log.published() is None:
            return
        _LOG.warning("the database was migrated; facts and views are made anew from the log")
        with database.write() as connection:
            remake_all(connection, self._folder, self._keys.log.verifier, self._authenticate)
            connection.execute(delete(Meta).where(col(Meta.key) == "stale"))

    def _begin(self, log: Log) -> None:
        """Write entry 0, signed by the operator key that it names."""
        operator = self._keys.operator
        if operator is None:  # the log was there when the keys were read, and is not any more
            raise ConfigurationError(
                "this log has no entries, and keys/operator.pem is missing, which signs the first",
                hint="restore keys/ from your backup",
            )
        predicate = Operator(
            decision=Genesis(
                action="genesis",
                origin=log.origin,
                log_key=self._keys.log.verifier.vkey,
                operator_key=keys.public_pem(operator.public_key()).decode(),
                admission=self._settings.admission or "open",
                predecessor=predecessor_of(self._settings.successor_of, log.origin),
            ),
            logs=(log.origin,),
            previous=None,
        )
        payload = statements.encode_statement(
            "operator", log.origin, statements.abstract_subject("operator", log.origin), predicate.to_json()
        )
        bundle = KeySigner(operator).sign(payload)
        candidate = read_candidate(bundle)
        self._folder.bundles.put(candidate.bundle.sha256, bundle)
        log.append(0, [encode_leaf(candidate.bundle.sha256, int(time.time()))], self._replay)


def predecessor_of(note: bytes | None, origin: str) -> Predecessor | None:
    """Return what a successor's genesis says of the log before it, from that log's last checkpoint.

    Its signature is the caller's to check. Raises `ConfigurationError` for what is no checkpoint, or is of
    a log with the same name: a successor is another log.
    """
    if note is None:
        return None
    try:
        last = tlog.parse_checkpoint_text(tlog.split_note(note)[0])
    except NoteError as error:
        raise ConfigurationError(
            f"--successor-of is no checkpoint: {error.message}", hint="give the old log's last checkpoint"
        ) from error
    if last.origin == origin:
        raise ConfigurationError(
            f"the log {origin} cannot follow itself",
            hint="give the successor a name of its own with --origin, and another data folder",
        )
    return Predecessor(origin=last.origin, size=last.size, root=f"sha256:{last.root.hex()}")
