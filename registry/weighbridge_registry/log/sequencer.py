# SPDX-License-Identifier: Apache-2.0
"""The sequencer: one process of all decides the order of entries, and nothing else writes the log.

Every process has a thread that stands for election (`log.election`). The one that leads takes
submissions from the queue, decides about their bundles in index order against the facts of the
entries before them, those of the same batch included, and writes what was admitted with one
checkpoint. A submission is taken whole or not at all.

Whoever takes the lead heals first: it finishes what the one before had staged. What that one had
taken from the queue and not answered is still there, and is decided again; a statement that was
logged meanwhile is answered with its entry.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from weighbridge.errors import WeighbridgeError
from weighbridge.leaves import Leaf, encode_leaf
from weighbridge_registry.settings import Limits
from weighbridge_registry.state import (
    Admitted,
    Authenticator,
    Candidate,
    Overlay,
    State,
    apply,
    identify,
    logged,
    required,
)
from weighbridge_registry.store import queue
from weighbridge_registry.store.database import Database
from weighbridge_registry.store.state import SnapshotState
from weighbridge_registry.store.views import project, write_facts

from .bells import Crew
from .election import Election, Fenced, begin_term
from .outcomes import Placed, refusal, success, unavailable
from .writing import Log, LostRaceError

__all__ = ["Course", "Placed", "Sequencer", "decide"]

_LOG: Final = logging.getLogger("weighbridge.registry")
_CAMPAIGN_SECONDS: Final = 0.25
_POLL_SECONDS: Final = 0.05
_TROUBLE_SECONDS: Final = 0.5
_SWEEP_SECONDS: Final = 10.0
_PACE_SECONDS: Final = 0.03
"""From the beginning of a batch to that of the next, at least: what comes in between goes together."""


@dataclass(frozen=True, slots=True)
class Course:
    """What a sequencer needs of the service that it works for."""

    open_log: Callable[[Database], Log]
    """Opens the log as a leader writes it."""
    begin: Callable[[Log, Database], None]
    """Heals the log, given with the database as its leader writes it, or writes its first entry."""
    read: Callable[[str], Candidate]
    """Gives the parsed bundle of a SHA-256."""
    authenticate: Authenticator
    observe: Callable[[int, float], None] = lambda _entries, _seconds: None
    """Told of each batch: entries, seconds that it took."""


@dataclass(slots=True)
class _Batch:
    """What is being added with one checkpoint."""

    overlay: Overlay
    entries: list[Admitted] = field(default_factory=list)
    outcomes: dict[int, tuple[str, int]] = field(default_factory=dict)
    """By number in the queue: JSON, and for how many seconds it is kept."""


class Sequencer:
    """Stands for election, and owns the order of the log while it leads. One thread does both."""

    def __init__(
        self,
        database: Database,
        election: Election,
        course: Course,
        crew: Crew,
        limits: Limits,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._election = election
        self._course = course
        self._crew = crew
        self._limits = limits
        self._clock = clock
        self._log: Log | None = None
        self._fenced: Fenced | None = None
        self._doubtful = False
        self._trouble: str | None = None
        self._swept = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="weighbridge-sequencer", daemon=True)

    @property
    def leads(self) -> bool:
        """Whether this process writes the log."""
        return self._log is not None

    @property
    def failure(self) -> str | None:
        """Why this process's sequencer does not work, or None while all is well."""
        if self._closing.is_set():
            return "this registry is stopping"
        if not self._thread.is_alive():
            return "the sequencer is not running"
        return self._trouble

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End after the batch that is being written; another process may lead then."""
        self._closing.set()
        self._crew.work[self._crew.number].ring()
        if self._thread.ident is not None:
            self._thread.join()
        self._step_down()

    def campaign(self) -> bool:
        """Try to lead; who is elected heals the log. Tell whether this process leads.

        Called by the thread, and once by whoever opens the service, before the thread starts:
        raises `ConfigurationError` if database and files do not belong together.
        """
        if not self._election.acquire():
            return False
        try:
            fenced = Fenced(self._database, begin_term(self._database))
            log = self._course.open_log(fenced)
            self._course.begin(log, fenced)
        except BaseException:
            self._election.release()
            raise
        self._fenced, self._log, self._doubtful = fenced, log, False
        _LOG.info("this process leads the log, term %d", fenced.term)
        return True

    def refresh(self) -> None:
        """Have the published checkpoint cosigned again, if this process leads."""
        log = self._log
        if log is not None:
            log.refresh()

    def _run(self) -> None:
        bell = self._crew.work[self._crew.number]
        while not self._closing.is_set():
            try:
                if self._log is None and not self.campaign():
                    self._trouble = None
                    bell.wait(_CAMPAIGN_SECONDS)
                    continue
                began = time.monotonic()
                worked = self._turn()
                self._trouble = None
                if worked:
                    self._closing.wait(began + _PACE_SECONDS - time.monotonic())
            except LostRaceError as error:
                _LOG.warning("%s", error.message)
                self._step_down()
            except Exception as error:  # noqa: BLE001 - the thread's edge: whatever it is, it goes on after a pause
                trouble = f"the log could not be written: {_told(error)}"
                if trouble != self._trouble:  # told once, however long it lasts
                    _LOG.error("the log could not be written: %s", error, exc_info=error)
                self._trouble = trouble
                self._closing.wait(_TROUBLE_SECONDS)
            else:
                if not worked:
                    bell.wait(_POLL_SECONDS)

    def _step_down(self) -> None:
        self._log = self._fenced = None
        self._election.release()

    def _turn(self) -> bool:
        """Decide one batch; tell whether there was anything to decide."""
        if not self._election.held():
            raise LostRaceError("the lock of the sequencer was lost", hint="nothing needs to be done")
        self._sweep()
        with self._database.read() as connection:
            now = queue.now(connection)
            rows = self._take(queue.waiting(connection, now, self._limits.batch_entries))
        if not rows:
            return False
        try:
            self._process(rows)
        except LostRaceError:
            raise  # who leads now decides them
        except Exception:
            self._doubtful = True
            self._give_up(rows)
            raise
        return True

    def _take(self, rows: list[queue.Waiting]) -> list[queue.Waiting]:
        """Return as many of the first submissions as fit into one batch."""
        entries = 0
        for place, row in enumerate(rows):
            entries += len(row.bundles)
            if place and entries > self._limits.batch_entries:
                return rows[:place]
        return rows

    def _process(self, rows: Sequence[queue.Waiting]) -> None:
        began = time.monotonic()
        if self._log is None or self._fenced is None:
            raise LostRaceError("this process does not lead the log")
        if self._doubtful:
            self._course.begin(self._log, self._fenced)
            self._doubtful = False
        with self._database.read() as connection:
            batch = _Batch(Overlay(SnapshotState(connection)))
            head = required(batch.overlay, "log/head")
            received = max(int(self._clock()), head["received"])
            for row in rows:
                self._place(batch, row, head["size"], received)
        if batch.entries:
            self._write(self._log, batch, head["size"])
        else:
            with self._database.write_lightly() as connection:
                queue.settle(connection, batch.outcomes)
        self._crew.ring_done()
        self._course.observe(len(batch.entries), time.monotonic() - began)

    def _place(self, batch: _Batch, row: queue.Waiting, start: int, received: int) -> None:
        """Decide about one submission; on refusal nothing of it stays."""
        trial = Overlay(batch.overlay)
        seconds = self._seconds(row)
        try:
            places, entries = self._decide(trial, row.bundles, start + len(batch.entries), received)
        except OSError as error:
            _LOG.error("a bundle of the queue cannot be read: %s", error)
            batch.outcomes[row.number] = refusal(unavailable("a bundle could not be read back")), seconds
            return
        except WeighbridgeError as error:
            batch.outcomes[row.number] = refusal(error), seconds
            return
        batch.overlay.update(trial.facts)
        batch.entries.extend(entries)
        batch.outcomes[row.number] = success(places), seconds

    def _decide(
        self, state: Overlay, names: Sequence[str], start: int, received: int
    ) -> tuple[list[Placed], list[Admitted]]:
        """Decide about those that are not entries already; the lines of errors are those of all."""
        logged = [queue.entry_of(name) for name in names]
        lines = [line for line, index in enumerate(logged) if index is None]
        candidates = [self._course.read(names[line]) for line in lines]
        try:
            decided, entries = decide(state, start, received, candidates, self._course.authenticate)
        except WeighbridgeError as error:
            error.evidence["line"] = lines[error.evidence["line"] - 1] + 1
            raise
        places = iter(decided)
        return [next(places) if one is None else Placed(one, created=False) for one in logged], entries

    def _write(self, log: Log, batch: _Batch, start: int) -> None:
        def write(connection: Connection, _start: int, _leaves: Sequence[bytes]) -> None:
            write_facts(connection, batch.overlay.facts)
            project(connection, batch.entries)
            queue.settle(connection, batch.outcomes)

        leaves = [encode_leaf(entry.leaf.bundle_sha256, entry.leaf.received) for entry in batch.entries]
        log.append(start, leaves, write)

    def _give_up(self, rows: Sequence[queue.Waiting]) -> None:
        """Answer 503 for a batch whose fate is not known; the next one begins with healing."""
        told = refusal(unavailable("the log could not be written"))
        try:
            with self._database.write_lightly() as connection:
                queue.settle(connection, {row.number: (told, self._seconds(row)) for row in rows})
        except SQLAlchemyError:
            return  # they are decided, or expire, when the database is back
        self._crew.ring_done()

    def _seconds(self, row: queue.Waiting) -> int:
        return self._limits.kept_seconds if row.kept else self._limits.waiting_seconds

    def _sweep(self) -> None:
        if time.monotonic() - self._swept < _SWEEP_SECONDS:
            return
        with self._database.write_lightly() as connection:
            queue.drop_expired(connection, queue.now(connection))
        self._swept = time.monotonic()


def decide(
    state: Overlay, start: int, received: int, candidates: Sequence[Candidate], authenticate: Authenticator
) -> tuple[tuple[Placed, ...], list[Admitted]]:
    """Decide about a submission whose first new entry would be `start`; `state` takes its facts.

    Raises the error of the first bundle that is refused, with its line (from 1) in `evidence`.
    """
    places: list[Placed] = []
    entries: list[Admitted] = []
    for line, candidate in enumerate(candidates, start=1):
        try:
            known = _known(state, received, candidate, authenticate)
            if known is not None:
                places.append(Placed(known, created=False))
                continue
            leaf = Leaf(candidate.bundle.sha256, received)
            entry = apply(state, start + len(entries), leaf, candidate, authenticate)
        except WeighbridgeError as error:
            error.evidence.setdefault("line", line)
            raise
        state.update(entry.facts)
        places.append(Placed(entry.index, created=True))
        entries.append(entry)
    return tuple(places), entries


def _known(state: State, received: int, candidate: Candidate, authenticate: Authenticator) -> int | None:
    return logged(state, candidate, identify(state, received, candidate, authenticate))


def _told(error: Exception) -> str:
    """Say what went wrong without what a database's message may hold."""
    if isinstance(error, WeighbridgeError):
        return error.message
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
