# SPDX-License-Identifier: Apache-2.0
"""A running registry: keys, log, sequencer and queries, opened and closed as one thing."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from weighbridge import tlog
from weighbridge.errors import ConfigurationError, InputError, UnavailableError, WeighbridgeError

from . import metrics
from .attachments import Attachments
from .authentication import Authentication
from .beginning import Beginning, Replay, predecessor_of
from .log.bells import Crew
from .log.cosigners import Cosigners, Refresher, read_witness_policy
from .log.desk import Desk, Ticket, answered
from .log.election import Election, election_of
from .log.keys import RegistryKeys, open_keys
from .log.outcomes import Placed, places_of, unavailable
from .log.places import Place, check_place
from .log.sequencer import Course, Sequencer, decide
from .log.writing import Log
from .queries import Queries
from .queries.reader import Statements
from .settings import Settings
from .state import Candidate, Overlay, read_candidate, required
from .store import queue
from .store.database import Database, check_not_moved, open_database, read_meta
from .store.files import DataFolder
from .store.locks import FileLock
from .store.state import SnapshotState, SqlState
from .store.tables import Checkpoint, Meta
from .withholding import check_restorable, sweep

__all__ = ["Service", "open_service", "take_folder"]

_LOG: Final = logging.getLogger("weighbridge.registry")
_JOIN_SECONDS: Final = 60.0
_JOIN_POLL_SECONDS: Final = 0.1
_DRAIN_SECONDS: Final = 8.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A submission that the sequencer can decide about."""

    bundles: tuple[str, ...]
    """For each statement the SHA-256 of its bundle, or the entry that it is already."""
    new: tuple[Candidate, ...]
    """Those that have to be stored."""
    known: tuple[Placed, ...] | None
    """Where they stand, if all of them are logged already."""


@dataclass(frozen=True)
class Service:
    """One process of a registry that is open. All methods may be called by several threads at once."""

    settings: Settings
    folder: DataFolder
    database: Database
    keys: RegistryKeys
    authentication: Authentication
    queries: Queries
    attachments: Attachments
    sequencer: Sequencer
    desk: Desk
    election: Election
    cosigners: Cosigners | None
    _refresher: Refresher | None
    _place: Place
    _crew: Crew
    _lock: FileLock
    _closed: threading.Event = field(default_factory=threading.Event)

    @property
    def origin(self) -> str:
        """Origin of the log."""
        return self.keys.log.name

    def start(self) -> None:
        """Start the threads, once."""
        self.sequencer.start()
        self.desk.start()
        if self._refresher is not None:
            self._refresher.start()

    def prepare(
        self, bundles: Sequence[bytes], count: Callable[[Mapping[str, int]], None] | None = None
    ) -> Prepared:
        """Parse, authenticate and judge bundles as of now.

        What is refused here costs the sequencer nothing. It is advice all the same: the
        sequencer decides again, at the index that each bundle gets. `count` is told how many new
        entries each authenticated signer would make, and may raise. Raises `AdmissionError`.
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
            overlay = Overlay(SnapshotState(connection))
            head = required(overlay, "log/head")
            received = max(int(time.time()), head["received"])
            places, entries = decide(overlay, head["size"], received, candidates, self.authentication)
        if count is not None:
            count(Counter(entry.signer for entry in entries))
        new: dict[int, Candidate] = {}
        for candidate, place in zip(candidates, places, strict=True):
            if place.created:
                new[place.index] = candidate
        named = tuple(
            new[place.index].bundle.sha256 if place.index in new else queue.logged_as(place.index)
            for place in places
        )
        return Prepared(named, tuple(new.values()), None if new else places)

    def hand_in(
        self,
        bundles: Sequence[bytes],
        *,
        kept: bool = False,
        count: Callable[[Mapping[str, int]], None] | None = None,
    ) -> Ticket:
        """Prepare bundles and queue them as one submission, all or none.

        The ticket's answer is done when all of them are published, by whichever process leads;
        at once if they are. `kept` keeps the outcome for `outcome`, `count` is that of `prepare`. Raises
        `AdmissionError`, or `UnavailableError` if too many are waiting.
        """
        prepared = self.prepare(bundles, count)
        if prepared.known is not None:
            return answered(prepared.known)
        return self.desk.submit(prepared.bundles, prepared.new, kept=kept)

    def submit(self, bundles: Sequence[bytes]) -> Future[tuple[Placed, ...]]:
        """Hand in bundles, and give the answer's future."""
        return self.hand_in(bundles).answer

    def outcome(self, token: str) -> tuple[Placed, ...] | None:
        """Say what became of a submission; None while it waits.

        Raises `KeyError` if the token is not known (any more), and the error of one that was refused.
        """
        with self.database.read() as connection:
            found = queue.outcomes(connection, [token])[token]
        return None if found is None else places_of(found)

    def drain(self, seconds: float = _DRAIN_SECONDS) -> None:
        """Refuse new submissions; those that wait longer than `seconds` are told to come again."""
        self.desk.drain(seconds)

    def close(self, seconds: float = _DRAIN_SECONDS) -> None:
        """Finish what is queued, then let go of everything. May be called twice."""
        if self._closed.is_set():
            return
        self._closed.set()
        self.attachments.likenesses.close()
        self.desk.close(seconds)
        if self._refresher is not None:
            self._refresher.close()
        self.sequencer.close()
        try:
            self._place.mark()
        except (SQLAlchemyError, OSError, WeighbridgeError) as error:
            _LOG.warning("the place could not be marked, which the next start bears: %s", error)
        self.database.close()
        self.folder.close()
        self._crew.close()
        self._lock.release()


def open_service(
    settings: Settings,
    hook: Callable[[str], None] | None = None,
    *,
    crew: Crew | None = None,
    clock: Callable[[], float] = time.time,
) -> Service:
    """Open the registry of a data folder, making it at first start.

    Makes keys and the genesis entry once, heals what a crash left if this process is elected, then
    starts the threads. `hook` is called after each step of a write (`log.writing.STEPS`). `crew` is
    given to the processes of one run, whose parent has the data folder's lock. Raises
    `ConfigurationError` if settings, keys, files and database do not belong together, and
    `InputError` if another registry has the data folder.
    """
    with contextlib.ExitStack() as undo:
        folder = DataFolder.open(settings.data, settings.storage)
        undo.callback(folder.close)
        folder.make()
        lock = FileLock(folder.lock)
        if crew is None and settings.database_url is None:
            take_folder(lock)
        undo.callback(lock.release)
        registry_keys = open_keys(folder, settings.origin)
        database = open_database(settings.database, upgrade=None)
        undo.callback(database.close)
        members = crew or Crew.of(1)
        undo.callback(members.close)
        service = _assemble(settings, hook, folder, registry_keys, database, members, lock, clock)
        undo.callback(service.election.release)
        _join(service.sequencer, database, folder)
        _check_admission(database, settings)
        _check_predecessor(database, settings)
        if service.sequencer.leads:
            for sha256 in sweep(database, folder):
                _LOG.warning("the withheld bundle %s is kept, unserved, until its account is written", sha256)
        undo.pop_all()
    service.start()
    return service


def _assemble(
    settings: Settings,
    hook: Callable[[str], None] | None,
    folder: DataFolder,
    registry_keys: RegistryKeys,
    database: Database,
    crew: Crew,
    lock: FileLock,
    clock: Callable[[], float],
) -> Service:
    """Put the parts together; nothing of them runs yet, and nothing was signed."""
    verifier = registry_keys.log.verifier
    _check_database(database, registry_keys)
    authentication = Authentication(settings.trust_configs, public_sigstore=settings.public_sigstore)
    if settings.trust_configs:
        authentication.trust()  # a configuration that cannot be read must not wait for its first signer
    policy, cosigners = _cosigners(settings, verifier)
    place = Place(folder, database)
    check_place(place, folder, database, verifier, settings.saw_checkpoints)
    parsed = Statements(folder)
    replay = Replay(folder, authentication)
    election = election_of(database, folder.path / "sequencer.lock", verifier.name)
    course = Course(
        open_log=lambda fenced: Log(fenced, folder.log, registry_keys.log, hook, cosigners),
        begin=Beginning(folder, registry_keys, settings, replay, authentication, cosigners),
        read=parsed.get,
        authenticate=authentication,
        observe=metrics.batch,
    )
    sequencer = Sequencer(database, election, course, crew, settings.limits, clock)
    refresher = Refresher(sequencer.refresh, settings.witness_refresh_seconds) if cosigners else None
    return Service(
        settings,
        folder,
        database,
        registry_keys,
        authentication,
        Queries(database, folder, verifier, settings.base_url, policy, parsed),
        Attachments(database, folder, authentication, settings.limits),
        sequencer,
        Desk(database, functools.partial(_store, folder, parsed), crew, settings.limits),
        election,
        cosigners,
        refresher,
        place,
        crew,
        lock,
    )


def _store(folder: DataFolder, parsed: Statements, candidates: Sequence[Candidate]) -> None:
    """Make bundles durable; the sequencer, if it is in this process, finds them parsed."""
    if not candidates:
        return
    try:
        folder.bundles.put_all({one.bundle.sha256: one.bundle.raw for one in candidates})
    except (InputError, OSError) as error:
        _LOG.error("bundles could not be stored: %s", error)
        raise unavailable("the bundles could not be stored") from error
    for candidate in candidates:
        parsed.keep(candidate)


def take_folder(lock: FileLock) -> None:
    """Take a data folder for one run; raises `InputError` if another has it."""
    if not lock.acquire():
        raise InputError(
            f"another registry is running on {lock.path.parent}",
            hint="stop it first, or give this one another folder with --data; "
            "several processes of one registry are made with --workers",
        )


def _join(sequencer: Sequencer, database: Database, folder: DataFolder) -> None:
    """Lead and heal, or wait until the process that leads has begun the log."""
    deadline = time.monotonic() + _JOIN_SECONDS
    while not sequencer.campaign():
        with database.read() as connection:
            size = connection.execute(select(col(Checkpoint.size))).scalar_one()
            begun = SqlState(connection).get("log/genesis") is not None
        if begun:
            if folder.log.published() is None:
                raise ConfigurationError(
                    f"the database holds a log of {size} entries that is not in {folder.path}",
                    hint="all registries on one database need the same keys and the same storage",
                )
            return
        if time.monotonic() > deadline:
            raise UnavailableError(
                "another process leads this log, and has not begun it", hint="look at its messages"
            )
        time.sleep(_JOIN_POLL_SECONDS)


def _cosigners(
    settings: Settings, verifier: tlog.Verifier
) -> tuple[tlog.WitnessPolicy, Cosigners] | tuple[None, None]:
    if settings.witness_policy is None:
        return None, None
    policy = read_witness_policy(settings.witness_policy, verifier)
    metrics.witnesses(one.name for one in policy.witnesses if one.url)
    cosigners = Cosigners(
        policy.witnesses,
        verifier,
        seconds=settings.witness_seconds,
        on_cosigned=metrics.witness_cosigned,
        on_failed=metrics.witness_failed,
    )
    return policy, cosigners


def _check_database(database: Database, registry_keys: RegistryKeys) -> None:
    """Tie the database to the log key at first start, and refuse another's later."""
    vkey = registry_keys.log.verifier.vkey
    with database.write() as connection:
        check_not_moved(connection)
        found = read_meta(connection, "vkey")
        if found is None:
            connection.execute(insert(Meta), [{"key": "vkey", "value": vkey}])
            connection.execute(insert(Checkpoint).values(id=1, size=0, root=tlog.EMPTY_ROOT.hex(), note=b""))
    if found not in (None, vkey):
        raise ConfigurationError(
            f"the database holds the log of {found}, the data folder the key of {vkey}",
            hint="give the database and the data folder that belong together",
        )


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
