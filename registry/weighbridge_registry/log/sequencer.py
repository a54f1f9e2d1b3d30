# SPDX-License-Identifier: Apache-2.0
"""The sequencer: one thread that decides the order of entries, and nothing else writes the log.

It takes submissions from a bounded queue, decides about their bundles in index order against the
facts of the entries before them, those of the same batch included, and writes what was admitted
with one checkpoint. A submission is taken whole or not at all.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from weighbridge.errors import UnavailableError, WeighbridgeError
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
from weighbridge_registry.store.database import Database
from weighbridge_registry.store.state import SqlState
from weighbridge_registry.store.views import project, write_facts

from .writing import ApplyBatch, Log, LostRaceError

__all__ = ["Placed", "Sequencer", "decide"]

_LOG: Final = logging.getLogger("weighbridge.registry")


@dataclass(frozen=True, slots=True)
class Placed:
    """Where one submitted bundle stands in the log; `created` is False if it stood there before."""

    index: int
    created: bool


@dataclass(slots=True)
class _Submission:
    candidates: tuple[Candidate, ...]
    answer: Future[tuple[Placed, ...]] = field(default_factory=Future)


@dataclass(slots=True)
class _Batch:
    """What is being added with one checkpoint."""

    overlay: Overlay
    entries: list[Admitted] = field(default_factory=list)
    answers: list[tuple[_Submission, tuple[Placed, ...]]] = field(default_factory=list)


class Sequencer:
    """Owns the order of the log. `submit` may be called by any thread; one thread writes."""

    def __init__(
        self,
        log: Log,
        database: Database,
        authenticate: Authenticator,
        replay: ApplyBatch,
        limits: Limits,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._log = log
        self._database = database
        self._authenticate = authenticate
        self._replay = replay
        self._limits = limits
        self._clock = clock
        self._queue: queue.Queue[_Submission | None] = queue.Queue(limits.queue_submissions)
        self._carried: _Submission | None = None
        self._doubtful = False
        self._ending = False
        self._lost: LostRaceError | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="weighbridge-sequencer", daemon=True)

    @property
    def failure(self) -> str | None:
        """Why nothing is added any more, or None while all is well."""
        if self._lost is not None:
            return self._lost.message
        if not self._thread.is_alive():
            return "the sequencer is not running"
        return None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, candidates: Sequence[Candidate]) -> Future[tuple[Placed, ...]]:
        """Queue a submission; the future has its places once they are published, or its error.

        Raises `UnavailableError` if the queue is full or the sequencer is stopping.
        """
        submission = _Submission(tuple(candidates))
        if self._closing.is_set() or self.failure is not None:
            raise _unavailable("this registry is stopping or has lost its log to another process")
        try:
            self._queue.put_nowait(submission)
        except queue.Full as error:
            raise _unavailable("too many submissions are waiting") from error
        return submission.answer

    def close(self, timeout: float = 10.0) -> None:
        """Finish what is queued, then stop."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=timeout)
            self._thread.join(timeout)

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            try:
                self._process(batch)
            except Exception as error:  # noqa: BLE001 - the thread's edge: it must answer and go on
                self._fail(batch, error)
        self._refuse_rest()

    def _next(self) -> list[_Submission] | None:
        """Wait for submissions and take as many as fit into one batch; None to stop."""
        if self._ending and self._carried is None:
            return None
        first, self._carried = self._carried or self._queue.get(), None
        if first is None:
            return None
        taken, entries = [first], len(first.candidates)
        while not self._ending:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._ending = True
                break
            entries += len(following.candidates)
            if entries > self._limits.batch_entries:
                self._carried = following
                break
            taken.append(following)
        return taken

    def _process(self, submissions: list[_Submission]) -> None:
        if self._doubtful:
            self._log.heal(self._replay)
            self._doubtful = False
        with self._database.read() as connection:
            batch = _Batch(Overlay(SqlState(connection)))
            head = required(batch.overlay, "log/head")
            received = max(int(self._clock()), head["received"])
            for submission in submissions:
                self._place(batch, submission, head["size"], received)
        if batch.entries:
            self._write(batch, head["size"])
        for submission, places in batch.answers:
            submission.answer.set_result(places)

    def _place(self, batch: _Batch, submission: _Submission, start: int, received: int) -> None:
        """Decide about one submission; on refusal nothing of it stays."""
        trial = Overlay(batch.overlay)
        try:
            places, entries = decide(
                trial, start + len(batch.entries), received, submission.candidates, self._authenticate
            )
        except WeighbridgeError as error:
            submission.answer.set_exception(error)
            return
        batch.overlay.update(trial.facts)
        batch.entries.extend(entries)
        batch.answers.append((submission, places))

    def _write(self, batch: _Batch, start: int) -> None:
        def write(connection: Connection, _start: int, _leaves: Sequence[bytes]) -> None:
            write_facts(connection, batch.overlay.facts)
            project(connection, batch.entries)

        leaves = [encode_leaf(entry.leaf.bundle_sha256, entry.leaf.received) for entry in batch.entries]
        self._log.append(start, leaves, write)

    def _fail(self, submissions: list[_Submission], error: Exception) -> None:
        """Answer 503 for a batch whose fate is not known; the next one begins with healing."""
        self._doubtful = True
        if isinstance(error, LostRaceError):
            self._lost = error
        _LOG.error("the log could not be written: %s", error, exc_info=error)
        for submission in submissions:
            if not submission.answer.done():
                submission.answer.set_exception(_unavailable("the log could not be written"))

    def _refuse_rest(self) -> None:
        while True:
            try:
                submission = self._queue.get_nowait()
            except queue.Empty:
                return
            if submission is not None:
                submission.answer.set_exception(_unavailable("this registry is stopping"))


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


def _unavailable(why: str) -> UnavailableError:
    return UnavailableError(why, hint="try again in a few seconds; nothing acknowledged is lost")
