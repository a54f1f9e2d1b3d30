# SPDX-License-Identifier: Apache-2.0
"""Asking witnesses to cosign this log's checkpoints (C2SP tlog-witness, the log's side).

A round asks several witnesses at once, each in a thread of its own, and ends at a time limit. What a
witness answers is used only if its cosignature holds on the very checkpoint that was sent. Whatever
else a witness does (silence, lies, endless answers) costs the round its time limit at most, is
counted, and is told once in the log until the witness is well again. The publication goes on.

A round begins only after the checkpoint was swapped and its tiles are durable: what is cosigned is
never taken back, so it must be the one tree of its size. A witness therefore sees one history,
whatever crashes here.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from weighbridge import tlog
from weighbridge.errors import ConfigurationError, InputError, LogError, NoteError, UnavailableError
from weighbridge.transport import ANY_TYPE, Answer, Request, Transport

__all__ = ["Cosigners", "Prove", "Refresher", "WitnessState", "read_witness_policy"]

_T = TypeVar("_T")

Prove: TypeAlias = Callable[[int], Sequence[bytes]]
"""Gives the consistency proof from a smaller size to the checkpoint that is being cosigned."""

_LOG: Final = logging.getLogger("weighbridge.registry")
_MAX_WITNESSES: Final = 64
_MAX_LINES_BYTES: Final = 32 * 1024
"""Of all cosignatures together, before base64: a checkpoint is at most 64 KiB."""
_LINE_BYTES: Final = 100
"""Of a line beside its signature: name and key id."""
_MAX_ANSWER: Final = 64 * 1024
_ATTEMPTS: Final = 3
"""Requests to one witness in one round: with the size that is remembered, that it tells, and once more."""
_CLOCK_SECONDS: Final = 300
"""How far a witness's clock may be from ours for its time to be believed."""
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409


@dataclass(frozen=True, slots=True)
class WitnessState:
    """How it goes with one witness: `cosigned` entries, `failures` since the start, the present `problem`."""

    name: str
    vkey: str
    cosigned: int
    failures: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class _Round:
    """One checkpoint that several witnesses are asked to cosign; `note` has the log's signature alone.

    `seen` are the keys that have cosigned it before.
    """

    checkpoint: tlog.SignedCheckpoint
    note: bytes
    prove: Prove
    seen: frozenset[tlog.Verifier]


class _Witness:
    """One witness: its address, what is known of it. One thread at a time talks to it."""

    def __init__(self, witness: tlog.PolicyWitness, seconds: float, clock: Callable[[], float]) -> None:
        self.name = witness.name
        self.verifier = witness.verifier
        self.cosigned = 0
        """The largest size that it has verifiably cosigned; no honest witness tells a smaller one."""
        self.failures = 0
        self.problem: str | None = None
        self._clock = clock
        self._transport = Transport(witness.url, timeout=seconds, what="witness")
        self._start = 0
        """The size to begin at: the one that it has cosigned last, as far as is known here."""
        self._talking = threading.Lock()
        """Held while a thread talks to it, who alone changes `cosigned` and `_start`."""
        self._telling = threading.Lock()
        """Held while `failures` and `problem` change."""

    @contextlib.contextmanager
    def alone(self, deadline: float) -> Iterator[None]:
        """Wait until no other thread talks to it, until a moment of the monotonic clock at most.

        Raises `UnavailableError` then: it hangs in an earlier question.
        """
        if not self._talking.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise UnavailableError("it has not answered an earlier question yet")
        try:
            yield
        finally:
            self._talking.release()

    def ask(self, asked: _Round) -> tlog.NoteSignature | None:
        """Get the cosignature; None if a larger tree has been cosigned in the meantime.

        Raises what is wrong with the witness.
        """
        checkpoint = asked.checkpoint
        if self.verifier in asked.seen and self.cosigned < checkpoint.size:
            self._start = self.cosigned = checkpoint.size
        if self.cosigned > checkpoint.size:
            return None
        for _ in range(_ATTEMPTS):
            start = min(self._start, checkpoint.size)
            submission = tlog.Submission(start, tuple(asked.prove(start)), asked.note)
            answer = self._transport.send(
                Request(
                    path="/add-checkpoint",
                    limit=_MAX_ANSWER,
                    accept=ANY_TYPE,
                    method="POST",
                    body=tlog.format_submission(submission),
                    headers={"Content-Type": "text/plain; charset=utf-8"},
                )
            )
            if answer.ok:
                return self._cosignature(answer, checkpoint)
            self._start = self._told_size(answer, checkpoint, start)
        raise UnavailableError(f"it tells another size at each of {_ATTEMPTS} requests")

    def head(self, verifier: tlog.Verifier) -> tlog.SignedCheckpoint | None:
        """Get the checkpoint of this log that the witness cosigned last; None if there is none.

        Raises what is wrong with the witness, or with what it shows.
        """
        path = f"/{tlog.origin_digest(verifier.name)}/checkpoint"
        answer = self._transport.send(Request(path=path, limit=_MAX_ANSWER, accept=ANY_TYPE))
        if answer.status == _NOT_FOUND:
            return None
        if not answer.ok:
            raise UnavailableError(f"it answers with status {answer.status}")
        return tlog.parse_checkpoint(answer.data, [verifier])

    def succeed(self) -> None:
        """Take note that it has answered as it should."""
        with self._telling:
            before, self.problem = self.problem, None
        if before is not None:
            _LOG.warning("the witness %s cosigns again", self.name)

    def fail(self, why: str) -> None:
        """Take note of what is wrong; the first time it is told."""
        with self._telling:
            self.failures += 1
            before, self.problem = self.problem, why
        if before is None:
            _LOG.warning("the witness %s does not cosign: %s", self.name, why)

    def _cosignature(self, answer: Answer, checkpoint: tlog.SignedCheckpoint) -> tlog.NoteSignature:
        found = tlog.parse_answer(answer.data, checkpoint.note.text, self.verifier)
        ahead = (found.time or 0) - self._clock()
        if abs(ahead) > _CLOCK_SECONDS:
            raise NoteError(f"its cosignature's time is {ahead:+.0f} seconds from the clock here")
        self._start = self.cosigned = checkpoint.size
        return found.signature

    def _told_size(self, answer: Answer, checkpoint: tlog.SignedCheckpoint, start: int) -> int:
        """Read the size to begin at from a 409 answer; raises what any other answer means."""
        if answer.status != _CONFLICT or answer.content_type != tlog.SIZE_TYPE:
            said = answer.data[:200].decode("utf-8", "replace")
            raise UnavailableError(f"it refuses with status {answer.status}: {said!r}")
        size = tlog.parse_size(answer.data)
        if size == start:
            raise UnavailableError(f"it refuses the size {size} and tells the same")
        if size > checkpoint.size:
            raise LogError(
                f"it has cosigned {size} entries of this log, which has {checkpoint.size}: either it lies, "
                "or this registry was restored from an old backup"
            )
        if size < self.cosigned:
            raise LogError(f"it has forgotten what it cosigned: {self.cosigned} entries, now it tells {size}")
        return size


class Cosigners:
    """The witnesses of a log. Several threads may call at once."""

    def __init__(
        self,
        witnesses: Iterable[tlog.PolicyWitness],
        verifier: tlog.Verifier,
        *,
        seconds: float = 2.0,
        clock: Callable[[], float] = time.time,
        on_cosigned: Callable[[str, int, float], None] = lambda _name, _size, _moment: None,
        on_failed: Callable[[str], None] = lambda _name: None,
    ) -> None:
        """Take the witnesses that have an address, and the log's own key.

        `seconds` bounds a round. `on_cosigned` is told of each cosignature (name of the witness, entries,
        Unix seconds), `on_failed` of each failure (name).
        """
        self._verifier = verifier
        self._clock = clock
        self._on_cosigned = on_cosigned
        self._on_failed = on_failed
        self._seconds = seconds
        self._witnesses = [_Witness(one, seconds, clock) for one in witnesses if one.url]

    def cosign(self, note: bytes, prove: Prove, *, everybody: bool = False) -> bytes:
        """Return a checkpoint of this log with the cosignatures that were had in time.

        `note` carries the log's signature, and perhaps earlier cosignatures, which stay unless a newer
        one of the same witness takes their place. A witness that failed before is asked again only with
        `everybody`, so that one which hangs does not hold up every publication. Raises nothing for
        what witnesses do; `NoteError` if the note is not this log's.
        """
        checkpoint = tlog.parse_checkpoint(note, [self._verifier])
        own = [one.signature for one in checkpoint.note.verified]
        bare = tlog.format_note(checkpoint.note.text, own)
        try:
            seen = tlog.cosignatures(checkpoint.note, [one.verifier for one in self._witnesses])
        except NoteError as error:
            _LOG.error("a published cosignature is left out: %s", error)
            checkpoint, seen = tlog.parse_checkpoint(bare, [self._verifier]), ()
        asked = _Round(checkpoint, bare, prove, frozenset(one.verifier for one in seen))
        chosen = [one for one in self._witnesses if everybody or one.problem is None]
        fresh = []
        for witness, line in self._together(chosen, lambda one: one.ask(asked)):
            if line is not None:
                fresh.append(line)
                self._on_cosigned(witness.name, checkpoint.size, self._clock())
        replaced = {(line.name, line.key_id) for line in fresh}
        kept = [line for line in checkpoint.note.signatures if (line.name, line.key_id) not in replaced]
        return tlog.format_note(checkpoint.note.text, [*kept, *fresh])

    def check_head(self, size: int, root: bytes) -> None:
        """Ask all witnesses which tree of this log they have seen, and compare it with the current one.

        Raises `ConfigurationError` if one shows a checkpoint, signed by this log's own key, that goes
        beyond or contradicts it: then this registry was restored from an old backup, and to sign
        anything more would make a second history. Witnesses that don't answer prove nothing.
        """
        for witness, head in self._together(self._witnesses, lambda one: one.head(self._verifier)):
            if head is None or head.size < size or (head.size == size and head.root == root):
                continue
            raise ConfigurationError(
                f"the witness {witness.name} has seen {head.size} entries of this log with another root than "
                f"the one here, which has {size}",
                hint="this registry was restored from an old backup, or is a copy: restore the newest one, "
                "or end this log and begin a new one with another origin",
                evidence={"checkpoint": head.data.decode(errors="replace"), "size": size, "root": root.hex()},
            )

    def states(self) -> tuple[WitnessState, ...]:
        """Say how it goes with each witness."""
        return tuple(
            WitnessState(one.name, one.verifier.vkey, one.cosigned, one.failures, one.problem)
            for one in self._witnesses
        )

    def _together(
        self, chosen: Iterable[_Witness], ask: Callable[[_Witness], _T]
    ) -> Iterator[tuple[_Witness, _T]]:
        """Ask witnesses at once; give the answers as they come, until the time is up."""
        deadline = time.monotonic() + self._seconds
        answers: queue.SimpleQueue[tuple[_Witness, _T | Exception]] = queue.SimpleQueue()

        def run(witness: _Witness) -> None:
            try:
                with witness.alone(deadline):
                    answers.put((witness, ask(witness)))
            except Exception as error:  # noqa: BLE001 - the thread's edge: the round must not wait for it
                answers.put((witness, error))

        waiting = set(chosen)
        for witness in waiting:
            threading.Thread(target=run, args=[witness], name="weighbridge-cosigner", daemon=True).start()
        while waiting:
            try:
                witness, answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            waiting.discard(witness)
            if isinstance(answer, Exception):
                self._fail(witness, str(answer) or type(answer).__name__)
            else:
                witness.succeed()
                yield witness, answer
        for witness in waiting:
            self._fail(witness, f"no answer within {self._seconds:g} seconds")

    def _fail(self, witness: _Witness, why: str) -> None:
        witness.fail(why)
        self._on_failed(witness.name)


class Refresher:
    """Calls for fresh cosignatures again and again, in a thread, the first time at once."""

    def __init__(self, refresh: Callable[[], None], seconds: float) -> None:
        self._refresh = refresh
        self._seconds = seconds
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="weighbridge-refresher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self, timeout: float = 10.0) -> None:
        """Stop, after the round that is under way."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            try:
                self._refresh()
            except Exception as error:  # noqa: BLE001 - the thread's edge: the next round may do better
                _LOG.error("the checkpoint could not be cosigned again: %s", error, exc_info=error)
            if self._closing.wait(self._seconds):
                return


def read_witness_policy(data: bytes, verifier: tlog.Verifier) -> tlog.WitnessPolicy:
    """Read the policy of a log with this key; raises `ConfigurationError` if it can't be this log's."""
    policy = tlog.WitnessPolicy.parse(data)
    if policy.logs and verifier not in policy.log_verifiers:
        raise ConfigurationError(
            "the witness policy names other logs, but not this one",
            hint=f"add the line: log {verifier.vkey}",
        )
    reachable = [one for one in policy.witnesses if one.url]
    if not reachable:
        raise ConfigurationError(
            "the witness policy has no witness with an address",
            hint="write the address at which a witness is asked at the end of its line",
        )
    lines = sum(one.verifier.algorithm.signature_size + _LINE_BYTES for one in reachable)
    if len(reachable) > _MAX_WITNESSES or lines > _MAX_LINES_BYTES:
        raise ConfigurationError(
            f"the cosignatures of {len(reachable)} witnesses do not fit under one checkpoint",
            hint=f"give an address to at most {_MAX_WITNESSES} of them, fewer with ML-DSA keys",
        )
    try:
        for one in reachable:
            Transport(one.url, what="witness")
    except InputError as error:
        raise ConfigurationError(f"the witness policy: {error.message}", hint=error.hint) from error
    return policy
