# SPDX-License-Identifier: Apache-2.0
"""One run of a monitor: read what is new, verify it, judge it, tell it, say how far it came."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import filelock
from sqlalchemy import Connection

from weighbridge import tlog
from weighbridge.errors import (
    ConfigurationError,
    ForkError,
    InputError,
    NoteError,
    RefusedError,
    UndecidedError,
    WitnessError,
)
from weighbridge.memory import Memory
from weighbridge.stores import make_private_folder
from weighbridge_registry.authentication import Authentication
from weighbridge_registry.replaying import AddressSource, Batch, Position, Replay
from weighbridge_registry.state import Overlay, WithheldEntry
from weighbridge_registry.store.state import LiveState, SqlState
from weighbridge_registry.store.views import write_facts

from . import states
from .delivery import Outputs, write_feed
from .rules import Alert, Watch, alert_id, judge, judge_withheld

__all__ = ["Monitor", "RunReport"]

_FEED_ENTRIES: Final = 50


@dataclass(frozen=True, slots=True)
class RunReport:
    """How far a run came. Times are Unix seconds of this computer, `cosigned` of the witnesses."""

    origin: str
    size: int
    """Entries that were read, verified and judged; not what the log says to have."""
    root: str
    log_size: int | None
    """Entries that the log's checkpoint has, or None if there was none."""
    new_entries: int
    alerts: int
    undelivered: int
    checked: int
    grown: int
    """When the log was last seen to grow."""
    cosigned: int | None
    """Newest cosignature of the witness policy, or None."""
    withheld: int
    """Entries, of all that were read, for which only the operator's word stands."""
    stale: bool
    refused: str | None
    """What is wrong with the log, or None."""
    problem: str | None
    """What could not be read or delivered, or None."""

    @property
    def exit_code(self) -> int:
        """0: nothing new; 1: alerts, or the log is not what it should be; 3: not known."""
        if self.alerts or self.refused is not None:
            return 1
        return 3 if self.stale or self.undelivered or self.problem is not None else 0

    def to_json(self) -> dict[str, Any]:
        """Return the line that `log monitor --json` prints at the end of each run."""
        return {"v": 1, "type": "run", **asdict(self)}


class Monitor:
    """Watches one log for somebody, in a `with` block: it holds the lock of its folder.

    `state` is the folder of what it keeps; `vkey` the log's pinned key. `stale_after` (seconds) makes
    an alert of a log that neither grows nor is cosigned anew by a witness of `policy`.
    """

    def __init__(
        self,
        url: str,
        state: Path,
        vkey: str,
        watch: Watch,
        outputs: Outputs,
        *,
        policy: tlog.WitnessPolicy | None = None,
        stale_after: float | None = None,
        trust_configs: Sequence[bytes] = (),
        public_sigstore: bool = True,
        memories: Sequence[Memory] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._verifier = tlog.Verifier.from_vkey(vkey)
        self._watch = watch
        self._outputs = outputs
        self._policy = policy
        self._stale_after = stale_after
        self._clock = clock
        self._memories = (Memory(state, enabled=True), *memories)
        self._authentication = Authentication(trust_configs, public_sigstore=public_sigstore)
        make_private_folder(state)
        with ExitStack() as opening:
            opening.enter_context(_lock(state))
            self._source = opening.enter_context(AddressSource(url))
            self._database = states.open_state(state)
            opening.callback(self._database.close)
            with self._database.write() as connection:
                self._begin(connection, state)
            self._open = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def run(self) -> RunReport:
        """Read on, once. What is wrong with the log becomes an alert, not an error."""
        now = int(self._clock())
        with self._database.read() as connection:
            begun = states.position(connection).size
        refused = problem = None
        checkpoint: tlog.SignedCheckpoint | None = None
        try:
            checkpoint = self._checkpoint()
            self._seen(checkpoint, now)
            self._read(checkpoint)
        except RefusedError as error:
            refused = error.message
            self._queue_refusal(error)
        except UndecidedError as error:
            problem = error.message
        stale = self._check_stale(now)
        sent, undelivered, failures = self._deliver()
        problem = problem or next(iter(failures), None)
        with self._database.read() as connection:
            read, grown, cosigned = _progress(connection)
            withheld = int(states.get(connection, "withheld") or 0)
        return RunReport(
            origin=self._verifier.name,
            size=read.size,
            root=f"sha256:{read.root.hex()}",
            log_size=checkpoint.size if checkpoint is not None else None,
            new_entries=read.size - begun,
            alerts=sent,
            undelivered=undelivered,
            checked=now,
            grown=grown,
            cosigned=cosigned,
            withheld=withheld,
            stale=stale,
            refused=refused,
            problem=problem,
        )

    def _begin(self, connection: Connection, state: Path) -> None:
        known = states.get(connection, "vkey")
        if known is None:
            states.put(connection, "vkey", self._verifier.vkey)
            states.put(connection, "grown", str(int(self._clock())))
        elif known != self._verifier.vkey:
            raise ConfigurationError(
                f"{state} belongs to a monitor of the log with the key {known}",
                hint="give another --state; a log that changes its key is what an impostor looks like",
                evidence={"known": known, "given": self._verifier.vkey},
            )

    def _checkpoint(self) -> tlog.SignedCheckpoint:
        """Fetch the log's checkpoint and compare it with all that was seen of it."""
        asked = datetime.now(UTC)
        client = self._source.client
        found = tlog.parse_checkpoint(client.checkpoint(), [self._verifier])
        for memory in self._memories:
            memory.remember_checkpoint(found, prove=client.consistency, live=True, asked=asked)
        return found

    def _seen(self, checkpoint: tlog.SignedCheckpoint, now: int) -> None:
        """Note growth and the newest cosignature: both tell a silent log from a stalled one."""
        cosigned = self._cosigned(checkpoint)
        with self._database.write() as connection:
            if checkpoint.size > int(states.get(connection, "seen") or 0):
                states.put(connection, "seen", str(checkpoint.size))
                states.put(connection, "grown", str(now))
            if cosigned > int(states.get(connection, "cosigned") or 0):
                states.put(connection, "cosigned", str(cosigned))

    def _cosigned(self, checkpoint: tlog.SignedCheckpoint) -> int:
        if self._policy is None or not self._policy.demands_witnesses:
            return 0
        try:
            return max((one.time for one in self._policy.satisfied(checkpoint.note)), default=0)
        except (WitnessError, NoteError):
            return 0

    def _read(self, checkpoint: tlog.SignedCheckpoint) -> None:
        """Verify and judge what is new. Each batch counts, also if the next one ends the run."""
        with self._database.read() as connection:
            start = states.position(connection)
        with LiveState(self._database) as state:
            replay = Replay(self._source, checkpoint, self._authentication, state, start=start)
            replay.check_start()
            for batch in replay.batches():
                reached = replay.position(batch.entries[-1].index + 1)
                with self._database.write() as connection:
                    self._take(connection, batch)
                    states.put(connection, "read", str(reached.size))
                    states.put(connection, "root", reached.root.hex())
                state.renew()

    def _take(self, connection: Connection, batch: Batch) -> None:
        """Queue what a batch's entries are worth telling, and write what they changed."""
        memos = states.Memos(connection)
        before, noted = Overlay(SqlState(connection)), Overlay(memos)
        withheld = int(states.get(connection, "withheld") or 0)
        for entry in batch.admitted:
            if isinstance(entry, WithheldEntry):
                withheld += 1
                states.queue(connection, judge_withheld(self._watch, self._verifier.name, entry))
            else:
                states.queue(connection, judge(self._watch, before, noted, entry))
            before.update(entry.facts)
        write_facts(connection, batch.facts)
        memos.write(noted.facts)
        states.put(connection, "withheld", str(withheld))

    def _queue_refusal(self, error: RefusedError) -> None:
        rule = "fork" if isinstance(error, ForkError) else "log"
        text = hashlib.sha256(error.message.encode()).hexdigest()
        alert = Alert(
            id=alert_id(self._verifier.name, rule, text),
            rule=rule,
            message=f"The log is not what it should be: {error.message}",
            origin=self._verifier.name,
            evidence=error.evidence,
        )
        with self._database.write() as connection:
            states.queue(connection, [alert])

    def _check_stale(self, now: int) -> bool:
        """Queue one alert for each stall: nobody has vouched for the log's state for too long."""
        if self._stale_after is None:
            return False
        with self._database.write() as connection:
            read, grown, cosigned = _progress(connection)
            alive = max(grown, cosigned or 0)
            if now - alive <= self._stale_after:
                return False
            alert = Alert(
                id=alert_id(self._verifier.name, "stale", read.size, alive),
                rule="stale",
                message=f"No life of the log for {now - alive:,} seconds: it stalls, or is kept from you",
                origin=self._verifier.name,
                evidence={"size": read.size, "grown": grown, "cosigned": cosigned},
            )
            states.queue(connection, [alert])
        return True

    def _deliver(self) -> tuple[int, int, list[str]]:
        """Bring every open alert to every output; return closed, still open, what failed."""
        failures: list[str] = []
        closed = left = 0
        with self._database.read() as connection:
            waiting = states.open_alerts(connection)
        broken: set[str] = set()
        for alert in waiting:
            for output in self._missing(str(alert["id"]), broken):
                failure = self._outputs.send(output, alert)
                if failure is not None:
                    broken.add(output)
                    failures.append(failure)
                    continue
                with self._database.write() as connection:
                    states.deliver(connection, str(alert["id"]), output)
            if self._missing(str(alert["id"]), set()):
                left += 1
                continue
            with self._database.write() as connection:
                states.close_alert(connection, str(alert["id"]))
            closed += 1
        if self._outputs.feed is not None:
            with self._database.read() as connection:
                alerts = states.newest(connection, _FEED_ENTRIES)
            write_feed(self._outputs.feed, alerts, self._verifier.name, self._clock())
        return closed, left, failures

    def _missing(self, alert: str, broken: set[str]) -> list[str]:
        """List the outputs that have not taken an alert, without those that failed in this run."""
        with self._database.read() as connection:
            done = states.delivered(connection, alert)
        return [name for name in self._outputs.names if name not in done | broken]


def _progress(connection: Connection) -> tuple[Position, int, int | None]:
    cosigned = states.get(connection, "cosigned")
    return (
        states.position(connection),
        int(states.get(connection, "grown") or 0),
        int(cosigned) if cosigned is not None else None,
    )


def _lock(folder: Path) -> filelock.BaseFileLock:
    lock = filelock.FileLock(folder / "lock", timeout=0, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise InputError(
            f"another monitor is working in {folder}", hint="wait for it, or give another folder with --state"
        ) from error
    return lock
