# SPDX-License-Identifier: Apache-2.0
"""The desk: where a process hands in submissions and gets their outcomes, wherever they are decided.

One thread makes the bundles of what arrives durable, writes it into the queue, and looks for
outcomes of what it wrote. What arrives while it writes goes together: many submissions then cost
hardly more syncs and transactions than one. It looks when it is rung for, and otherwise every few
hundredths of a second while somebody waits.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from weighbridge.errors import WeighbridgeError
from weighbridge_registry.settings import Limits
from weighbridge_registry.state import Candidate
from weighbridge_registry.store import queue
from weighbridge_registry.store.database import Database

from .bells import Crew
from .outcomes import Placed, places_of, unavailable

__all__ = ["Desk", "Store", "Ticket", "answered"]

_LOG: Final = logging.getLogger("weighbridge.registry")
_POLL_SECONDS: Final = 0.05
_IDLE_SECONDS: Final = 5.0
_TROUBLE_SECONDS: Final = 0.5
_T = TypeVar("_T")

Store: TypeAlias = Callable[[Sequence[Candidate]], None]
"""Makes bundles durable in storage; raises `UnavailableError` if it cannot."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A submission that was handed in."""

    token: str
    """Names it to whoever asks for its outcome later."""
    bundles: tuple[str, ...]
    """For each statement the SHA-256 of its bundle, or the entry that it is already."""
    new: list[Candidate]
    """Those of them that have to be stored first; none once they are."""
    kept: bool
    expires: float
    """Monotonic seconds: from then on nobody here waits for it."""
    queued: Future[None] = field(default_factory=Future)
    """Done when it is in the queue, which outlives this process."""
    answer: Future[tuple[Placed, ...]] = field(default_factory=Future)
    """Done when it is published, or refused; of one whose outcome is kept, perhaps never."""


def answered(places: tuple[Placed, ...]) -> Ticket:
    """Return the ticket of a submission that needs no deciding."""
    ticket = Ticket("", (), [], kept=False, expires=0)
    ticket.queued.set_result(None)
    ticket.answer.set_result(places)
    return ticket


class Desk:
    """Hands in submissions of one process. `submit` may be called by any thread."""

    def __init__(self, database: Database, store: Store, crew: Crew, limits: Limits) -> None:
        self._database = database
        self._store = store
        self._crew = crew
        self._limits = limits
        self._lock = threading.Lock()
        self._arrived: list[Ticket] = []  # guarded by _lock
        self._waiting: dict[str, Ticket] = {}  # the thread's own
        self._refusing = False  # guarded by _lock
        self._deadline: float | None = None  # monotonic; set once, before the thread is told
        self._thread = threading.Thread(target=self._run, name="weighbridge-desk", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, bundles: Sequence[str], new: Sequence[Candidate], *, kept: bool = False) -> Ticket:
        """Hand in bundles by SHA-256, with those that are not in storage yet, as one submission.

        `kept` keeps the outcome for an hour for whoever has the token. Raises `UnavailableError`
        if too many wait, or this process is stopping.
        """
        until = time.monotonic() + self._limits.waiting_seconds
        ticket = Ticket(secrets.token_hex(16), tuple(bundles), list(new), kept, until)
        with self._lock:
            if self._refusing:
                raise unavailable("this registry is stopping")
            if len(self._arrived) + len(self._waiting) >= self._limits.queue_submissions:
                raise _too_many(self._limits.queue_submissions)
            self._arrived.append(ticket)
        self._crew.done[self._crew.number].ring()
        return ticket

    def drain(self, seconds: float) -> None:
        """Refuse what comes from now on; what waits after `seconds` is told to come again."""
        with self._lock:
            self._refusing = True
            if self._deadline is None:
                self._deadline = time.monotonic() + seconds
        self._crew.done[self._crew.number].ring()

    def close(self, seconds: float) -> None:
        """Drain, and wait for it. May be called twice."""
        self.drain(seconds)
        self._thread.join(seconds + 15)

    @property
    def draining(self) -> bool:
        """Whether this process takes nothing more."""
        return self._refusing

    def _run(self) -> None:
        while True:
            pause = _POLL_SECONDS
            try:
                self._hand_in()
                self._collect()
            except SQLAlchemyError as error:
                _LOG.warning("the queue cannot be reached: %s", type(error).__name__)
                pause = _TROUBLE_SECONDS
            self._give_up_late()
            with self._lock:
                idle = not self._arrived and not self._waiting
                if self._refusing and idle:
                    return
            self._crew.done[self._crew.number].wait(_IDLE_SECONDS if idle else pause)

    def _hand_in(self) -> None:
        with self._lock:
            arrived, self._arrived = self._arrived, []
            self._waiting.update((ticket.token, ticket) for ticket in arrived)
        if not arrived:
            return
        if not self._make_durable(arrived):
            return
        try:
            with self._database.write_lightly() as connection:
                room = max(0, self._limits.queue_submissions - queue.count(connection))
                taken = arrived[:room]
                if taken:
                    queue.add(connection, [self._row(ticket, queue.now(connection)) for ticket in taken])
        except SQLAlchemyError:
            for ticket in arrived:
                self._fail(ticket, unavailable("the database does not answer"))
            raise
        self._crew.ring_work()
        for ticket in taken:
            _resolve(ticket.queued, None)
        for ticket in arrived[room:]:
            self._fail(ticket, _too_many(self._limits.queue_submissions))

    def _make_durable(self, arrived: Sequence[Ticket]) -> bool:
        """Store what has to be stored first; if that fails, all are told, and it is False."""
        try:
            self._store([one for ticket in arrived for one in ticket.new])
        except Exception as error:  # noqa: BLE001 - whatever a storage does, this thread must go on
            if not isinstance(error, WeighbridgeError):
                _LOG.error(
                    "bundles could not be stored: %s", type(error).__name__
                )  # its text may hold secrets
                error = unavailable("the bundles could not be stored")
            for ticket in arrived:
                self._fail(ticket, error)
            return False
        for ticket in arrived:
            ticket.new.clear()
        return True

    def _row(self, ticket: Ticket, now: int) -> queue.Waiting:
        seconds = self._limits.kept_seconds if ticket.kept else self._limits.waiting_seconds
        return queue.Waiting(ticket.token, ticket.bundles, now, now + seconds, kept=ticket.kept)

    def _collect(self) -> None:
        if not self._waiting:
            return
        with self._database.read() as connection:
            found = queue.outcomes(connection, list(self._waiting))
        for token, ticket in list(self._waiting.items()):
            if token not in found:
                self._fail(ticket, unavailable("the submission waited too long for the sequencer"))
                continue
            outcome = found[token]
            if outcome is None:
                continue
            del self._waiting[token]
            try:
                _resolve(ticket.answer, places_of(outcome))
            except WeighbridgeError as error:
                with contextlib.suppress(InvalidStateError):
                    ticket.answer.set_exception(error)

    def _give_up_late(self) -> None:
        now = time.monotonic()
        over = self._deadline is not None and now >= self._deadline
        for ticket in list(self._waiting.values()):
            if ticket.kept:  # whoever has its token asks the queue itself: nobody waits for it here
                del self._waiting[ticket.token]
            elif over:
                self._fail(ticket, unavailable("this registry is stopping; your statements are queued"))
            elif now >= ticket.expires:
                self._fail(ticket, unavailable("the submission waited too long for the sequencer"))

    def _fail(self, ticket: Ticket, error: WeighbridgeError) -> None:
        self._waiting.pop(ticket.token, None)
        for future in (ticket.queued, ticket.answer):
            with contextlib.suppress(InvalidStateError):
                future.set_exception(error)


def _resolve(future: Future[_T], value: _T) -> None:
    with contextlib.suppress(InvalidStateError):  # whoever waited has gone
        future.set_result(value)


def _too_many(limit: int) -> WeighbridgeError:
    return unavailable(f"{limit} submissions are already waiting")
