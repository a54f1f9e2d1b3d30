# SPDX-License-Identifier: Apache-2.0
"""A running registry: keys, log, sequencer and queries, opened and closed as one thing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

import filelock
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from weighbridge import keys, statements, tlog
from weighbridge.errors import ConfigurationError, InputError, NoteError, WeighbridgeError
from weighbridge.leaves import encode_leaf, parse_leaf
from weighbridge.signing import KeySigner
from weighbridge_schemas.operator import Genesis, Operator, Predecessor

from .attachments import Attachments
from .authentication import Authentication
from .log.cosigners import Cosigners, Refresher, read_witness_policy
from .log.keys import RegistryKeys, open_keys
from .log.places import Place, check_place
from .log.sequencer import Placed, Sequencer, decide
from .log.writing import Log
from .queries import Queries
from .settings import Settings
from .state import Admitted, Candidate, Overlay, apply, read_candidate, required
from .store.database import Database, open_database
from .store.files import DataFolder
from .store.state import SqlState
from .store.tables import Checkpoint, Meta
from .store.views import project, write_facts
from .withholding import check_restorable, sweep

__all__ = ["Service", "open_service"]

_LOCK_SECONDS: Final = 0.0
_LOG: Final = logging.getLogger("weighbridge.registry")


@dataclass(frozen=True)
class Service:
    """One registry that is open. All methods may be called by several threads at once."""

    settings: Settings
    folder: DataFolder
    database: Database
    keys: RegistryKeys
    authentication: Authentication
    queries: Queries
    attachments: Attachments
    sequencer: Sequencer
    cosigners: Cosigners | None
    _refresher: Refresher | None
    _place: Place
    _lock: filelock.BaseFileLock
    _closed: threading.Event = field(default_factory=threading.Event)

    @property
    def origin(self) -> str:
        """Origin of the log."""
        return self.keys.log.name

    @property
    def failure(self) -> str | None:
        """Why nothing is added to the log, or None while all is well."""
        return self.sequencer.failure

    def prepare(self, bundles: Sequence[bytes]) -> tuple[Candidate, ...]:
        """Parse, authenticate and judge bundles as of now, and make them durable.

        What is refused here costs the sequencer nothing. It is advice all the same: the
        sequencer decides again, at the index that each bundle gets. Raises `AdmissionError`.
        """
        candidates: list[Candidate] = []
        for line, data in enumerate(bundles, start=1):
            try:
                candidates.append(read_candidate(data))
                check_restorable(self.folder, candidates[-1])
            except WeighbridgeError as error:
                error.evidence.setdefault("line", line)
                raise
        with self.database.read() as connection:
            overlay = Overlay(SqlState(connection))
            head = required(overlay, "log/head")
            received = max(int(time.time()), head["received"])
            places, _ = decide(overlay, head["size"], received, candidates, self.authentication)
        placed = zip(candidates, places, strict=True)
        self.folder.bundles.put_all(
            {one.bundle.sha256: one.bundle.raw for one, place in placed if place.created}
        )
        return tuple(candidates)

    def submit(self, bundles: Sequence[bytes]) -> Future[tuple[Placed, ...]]:
        """Prepare bundles and queue them as one submission, all or none.

        The future is done when all of them are published. Raises `AdmissionError`, or
        `UnavailableError` if too many are waiting.
        """
        return self.sequencer.submit(self.prepare(bundles))

    def close(self) -> None:
        """Finish what is queued, then let go of everything. May be called twice."""
        if self._refresher is not None:
            self._refresher.close()
        self.sequencer.close()
        if not self._closed.is_set():
            self._closed.set()
            try:
                self._place.mark()
            except (SQLAlchemyError, OSError, WeighbridgeError) as error:
                _LOG.warning("the place could not be marked, which the next start bears: %s", error)
        self.database.close()
        self.folder.close()
        self._lock.release()


def open_service(settings: Settings, hook: Callable[[str], None] | None = None) -> Service:
    """Open the registry of a data folder, making it at first start.

    Makes keys and the genesis entry once, heals what a crash left, then starts the sequencer.
    `hook` is called after each step of a write (`log.writing.STEPS`). Raises
    `ConfigurationError` if settings, keys, files and database do not belong together, and
    `InputError` if another process has the data folder.
    """
    folder = DataFolder.open(settings.data, settings.storage)
    try:
        folder.make()
        lock = _lock(folder)
    except BaseException:
        folder.close()
        raise
    try:
        registry_keys = open_keys(folder, settings.origin)
        database = open_database(settings.database)
    except BaseException:
        folder.close()
        lock.release()
        raise
    try:
        _check_database(database, registry_keys)
        authentication = Authentication(settings.trust_configs, public_sigstore=settings.public_sigstore)
        if settings.trust_configs:
            authentication.trust()  # a configuration that cannot be read must not wait for its first signer
        verifier = registry_keys.log.verifier
        policy, cosigners = _cosigners(settings, verifier)
        place = Place(folder, database)
        check_place(place, folder, database, verifier, settings.saw_checkpoints)
        log = Log(database, folder.log, registry_keys.log, hook, cosigners)
        replay = Replay(folder, authentication)
        log.heal(replay)
        if cosigners is not None:
            cosigners.check_head(*log.head())
        if log.size() == 0:
            _begin(log, folder, registry_keys, settings, replay)
        _check_admission(database, settings)
        _check_predecessor(database, settings)
        queries = Queries(database, folder, verifier, settings.base_url, policy)
        for sha256 in sweep(database, folder):
            _LOG.warning("the withheld bundle %s is kept, unserved, until its account is written", sha256)
        sequencer = Sequencer(log, database, authentication, replay, settings.limits)
        attachments = Attachments(database, folder, authentication, settings.limits)
        refresher = Refresher(log.refresh, settings.witness_refresh_seconds) if cosigners else None
        service = Service(
            settings,
            folder,
            database,
            registry_keys,
            authentication,
            queries,
            attachments,
            sequencer,
            cosigners,
            refresher,
            place,
            lock,
        )
    except BaseException:
        database.close()
        folder.close()
        lock.release()
        raise
    sequencer.start()
    if refresher is not None:
        refresher.start()
    return service


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


def _cosigners(
    settings: Settings, verifier: tlog.Verifier
) -> tuple[tlog.WitnessPolicy, Cosigners] | tuple[None, None]:
    if settings.witness_policy is None:
        return None, None
    policy = read_witness_policy(settings.witness_policy, verifier)
    return policy, Cosigners(policy.witnesses, verifier, seconds=settings.witness_seconds)


def _lock(folder: DataFolder) -> filelock.BaseFileLock:
    lock = filelock.FileLock(folder.lock, timeout=_LOCK_SECONDS, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise InputError(
            f"another registry is running on {folder.path}",
            hint="stop it first, or give this one another folder with --data",
        ) from error
    return lock


def _check_database(database: Database, registry_keys: RegistryKeys) -> None:
    """Tie the database to the log key at first start, and refuse another's later."""
    vkey = registry_keys.log.verifier.vkey
    with database.write() as connection:
        found = connection.execute(select(col(Meta.value)).where(col(Meta.key) == "vkey")).scalar()
        if found is None:
            connection.execute(insert(Meta), [{"key": "vkey", "value": vkey}])
            connection.execute(insert(Checkpoint).values(id=1, size=0, root=tlog.EMPTY_ROOT.hex(), note=b""))
    if found not in (None, vkey):
        raise ConfigurationError(
            f"the database holds the log of {found}, the data folder the key of {vkey}",
            hint="give the database and the data folder that belong together",
        )


def _begin(
    log: Log, folder: DataFolder, registry_keys: RegistryKeys, settings: Settings, replay: Replay
) -> None:
    """Write entry 0, signed by the operator key that it names."""
    operator = registry_keys.operator
    predicate = Operator(
        decision=Genesis(
            action="genesis",
            origin=log.origin,
            log_key=registry_keys.log.verifier.vkey,
            operator_key=keys.public_pem(operator.public_key()).decode(),
            admission=settings.admission or "open",
            predecessor=predecessor_of(settings.successor_of, log.origin),
        ),
        logs=(log.origin,),
        previous=None,
    )
    payload = statements.encode_statement(
        "operator", log.origin, statements.abstract_subject("operator", log.origin), predicate.to_json()
    )
    bundle = KeySigner(operator).sign(payload)
    candidate = read_candidate(bundle)
    folder.bundles.put(candidate.bundle.sha256, bundle)
    log.append(0, [encode_leaf(candidate.bundle.sha256, int(time.time()))], replay)


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


def _check_predecessor(database: Database, settings: Settings) -> None:
    with database.read() as connection:
        genesis = required(SqlState(connection), "log/genesis")
    wanted = predecessor_of(settings.successor_of, genesis["origin"])
    if wanted is not None and genesis.get("predecessor") != wanted.to_json():
        raise ConfigurationError(
            "this log's genesis entry says something else of the log before it; it cannot change",
            hint="leave --successor-of out, or start a new registry with another --data",
        )


def _check_admission(database: Database, settings: Settings) -> None:
    with database.read() as connection:
        genesis = required(SqlState(connection), "log/genesis")
    if settings.admission is not None and genesis["admission"] != settings.admission:
        raise ConfigurationError(
            f"this log's admission is {genesis['admission']}, as its genesis entry says; it cannot change",
            hint="leave the admission setting out, or start a new registry with another --data",
        )
