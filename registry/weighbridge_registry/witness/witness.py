# SPDX-License-Identifier: Apache-2.0
"""The witness: a key, the logs that it serves, its register.

    witness.key      the private key, mode 0600
    witness.db       for each log what was cosigned last
    lock             held while a witness starts
    evidence/        pairs of checkpoints by which a log has proved its own fork

Key and register belong together. A witness that lost its register does not know what it has promised,
so it does not start again under its key.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import filelock

from weighbridge import tlog
from weighbridge.atomic import write_atomically
from weighbridge.errors import ConfigurationError, InputError, NoteError, UnavailableError
from weighbridge_registry.settings import Limits

from .register import Cosigned, Register

__all__ = ["LIMITS", "Witness", "WitnessSettings", "open_witness", "read_logs"]

_LOG: Final = logging.getLogger("weighbridge.witness")
_TOLERATED_SECONDS: Final = 60
"""How far the clock may be set back and the last time be signed again; beyond it nothing is signed."""
_MAX_EVIDENCE: Final = 1000
"""Files; a log that forks more often is known well enough."""
LIMITS: Final = Limits(
    body_bytes=tlog.MAX_SUBMISSION_SIZE, bodies_bytes=64 * 1024 * 1024, body_seconds=10.0, idle_seconds=5.0
)
"""What a request may take of a witness."""


@dataclass(frozen=True, slots=True)
class WitnessSettings:
    """How to start a witness. `logs` are the keys of each log by its origin; `name` counts once."""

    data: Path
    logs: Mapping[str, Collection[tlog.Verifier]]
    name: str | None = None


class Witness:
    """Cosigns checkpoints of logs that only grow. All methods may be called by several threads."""

    def __init__(
        self,
        signer: tlog.Signer,
        register: Register,
        settings: WitnessSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._signer = signer
        self._register = register
        self._logs = settings.logs
        self._origins = {tlog.origin_digest(origin): origin for origin in settings.logs}
        self._evidence = settings.data / "evidence"
        self._clock = clock

    @property
    def verifier(self) -> tlog.Verifier:
        """The public key, for the policies of others."""
        return self._signer.verifier

    def add_checkpoint(self, body: bytes) -> bytes:
        """Cosign what a log asks for, and return the signature line.

        The record is durable, and nobody else can have changed it in between, before this returns.
        Raises `CosigningError` with the status that says why not, `UnavailableError` if the clock
        or the register can't be relied on now.
        """
        submission = tlog.parse_submission(body)
        submitted = tlog.open_submission(submission, self._logs)
        origin = submitted.checkpoint.origin
        with self._register.hold() as record:
            before = record.get(origin)
            if tlog.contradicts(before.tree, submitted):
                self._keep(before, submitted)
            tree = tlog.advance(before.tree, submission, submitted)
            now = self._now(record.latest())
            line = self._signer.sign(submitted.text, now)
            note = tlog.add_signatures(submitted.note, [line])
            record.put(origin, Cosigned(tree, now, note))
        return line.line().encode()

    def checkpoint(self, digest: str) -> bytes | None:
        """Return the last cosigned checkpoint of a log, named by the SHA-256 of its origin in hex."""
        origin = self._origins.get(digest)
        cosigned = None if origin is None else self._register.read(origin)
        return None if cosigned is None else cosigned.note

    def close(self) -> None:
        """Let go of the register."""
        self._register.close()

    def _now(self, latest: int) -> int:
        """Read the clock; never a time before the newest cosignature's. Raises `UnavailableError`."""
        now = int(self._clock())
        if now >= latest:
            return now
        if latest - now <= _TOLERATED_SECONDS:
            return latest
        _LOG.error("the clock is %d seconds behind the newest cosignature: nothing is signed", latest - now)
        raise UnavailableError(
            "this witness's clock was set back", hint="its operator must set it right; nothing else helps"
        )

    def _keep(self, before: Cosigned, submitted: tlog.SubmittedCheckpoint) -> None:
        """Write two checkpoints of one size and different roots, both signed by the log, to a file, once."""
        origin = submitted.checkpoint.origin
        notes = [before.note.decode(), submitted.note.decode()]
        name = hashlib.sha256("\n".join(notes).encode()).hexdigest()[:16]
        path = self._evidence / f"fork-{name}.json"
        _LOG.error("%s signed two trees of %d entries: see %s", origin, before.tree.size, path)
        evidence = {
            "v": 1,
            "origin": origin,
            "vkeys": [one.vkey for one in self._logs[origin]],
            "why": f"{origin} signed two different trees of size {before.tree.size}",
            "checkpoints": notes,
        }
        try:
            self._evidence.mkdir(mode=0o700, exist_ok=True)
            if not path.exists() and sum(1 for _ in self._evidence.iterdir()) < _MAX_EVIDENCE:
                text = json.dumps(evidence, ensure_ascii=False, indent=1)
                write_atomically(path, f"{text}\n".encode(), mode=0o600)
        except (InputError, OSError) as error:
            _LOG.error("the evidence could not be kept: %s", error)


def open_witness(settings: WitnessSettings, clock: Callable[[], float] = time.time) -> Witness:
    """Open the witness of a folder, making key and register at the first start.

    Raises `ConfigurationError` if one of the two is missing or they do not belong together.
    """
    if not settings.logs:
        raise ConfigurationError(
            "a witness needs at least one log to serve",
            hint="give --log VKEY, or --policy FILE with log lines",
        )
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot make the folder {settings.data}: {error.strerror}") from error
    with filelock.FileLock(settings.data / "lock"):  # two first starts at once make one key
        return _open(settings, clock)


def _open(settings: WitnessSettings, clock: Callable[[], float]) -> Witness:
    key, database = settings.data / "witness.key", settings.data / "witness.db"
    if key.exists() and not database.exists():
        raise ConfigurationError(
            f"the register {database} is missing, but the key {key.name} exists",
            hint="without it this witness could contradict what it has cosigned; begin a new one, with a "
            "new key, in another folder",
        )
    register = Register.open(database)
    try:
        signer = _signer(key, register.bound_to(), settings.name)
        register.bind(signer.verifier.vkey)
    except BaseException:
        register.close()
        raise
    return Witness(signer, register, settings, clock)


def read_logs(
    vkeys: Sequence[str], policy: tlog.WitnessPolicy | None = None
) -> dict[str, list[tlog.Verifier]]:
    """Read which logs to serve: `VKEY` or `VKEY,ORIGIN` texts, and the log lines of a policy.

    A log's name is its key's unless ORIGIN says otherwise. Raises `ConfigurationError` for a malformed
    key or one that logs don't sign with.
    """
    logs: dict[str, list[tlog.Verifier]] = {}
    named = [(one.verifier, one.verifier.name) for one in policy.logs] if policy else []
    for text in vkeys:
        *name_and_id, rest = text.strip().split("+", 2)  # a name holds no +, base64 no comma
        material, _, origin = rest.partition(",")
        try:
            verifier = tlog.Verifier.from_vkey("+".join((*name_and_id, material)))
        except NoteError as error:
            raise ConfigurationError(
                f"--log {text[:80]!r}: {error.message}", hint="give the log's vkey, or VKEY,ORIGIN"
            ) from error
        named.append((verifier, origin or verifier.name))
    for verifier, origin in named:
        if not verifier.algorithm.for_logs:
            raise ConfigurationError(
                f"{verifier.name} has a key of a witness, not of a log", hint="give the log's own key"
            )
        keys = logs.setdefault(origin, [])
        if verifier not in keys:
            keys.append(verifier)
    return logs


def _signer(path: Path, bound: str | None, name: str | None) -> tlog.Signer:
    """Read the key, or make it while the register is nobody's."""
    if not path.exists():
        if bound is not None:
            raise ConfigurationError(
                f"the key {path} of {bound} is missing",
                hint="restore it from your backup; without it this witness has ended",
            )
        write_atomically(path, f"{_new_signer(name).private_key}\n".encode(), mode=0o600)
    try:
        signer = tlog.Signer.from_private_key(path.read_text())
    except (NoteError, OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the key {path} cannot be read: {error}", hint="restore it from your backup"
        ) from error
    if name is not None and name != signer.name:
        raise ConfigurationError(
            f"this witness's name is {signer.name}; it cannot become {name}",
            hint="leave --name out, or start a new witness with another --data",
        )
    return signer


def _new_signer(name: str | None) -> tlog.Signer:
    kind = tlog.Algorithm.ED25519_COSIGNATURE
    if name is None:
        made = tlog.Signer.generate("witness", kind)
        digest = hashlib.sha256(made.verifier.key).hexdigest()
        return tlog.Signer(f"weighbridge/witness/{digest[:16]}", made.seed, kind)
    try:
        return tlog.Signer.generate(name, kind)
    except NoteError as error:
        raise ConfigurationError(
            f"--name {name!r} cannot name a witness",
            hint="use the address without scheme, such as witness.example.org/w1",
        ) from error
