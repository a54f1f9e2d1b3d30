# SPDX-License-Identifier: Apache-2.0
"""What this client has seen before, so that a log or a namespace cannot quietly tell it another story.

Three things are remembered, each in a small file below `memory/` of the configuration folder:

- the checkpoints of each log and key. Two signed checkpoints that cannot both be true are a
  *fork*: `ForkError`, with a file that holds both. See `Memory.remember_checkpoint`;
- the owners of each namespace in a log, with their epoch;
- the digests known to be recorded, so that a deleted record file is noticed.

Memory is off where the environment variable CI is set: a fresh machine remembers nothing, and a
cached one should not depend on what ran before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from weighbridge import tlog
from weighbridge.atomic import write_atomically
from weighbridge.errors import ForkError, InputError, LogError, NoteError, SignerError
from weighbridge.stores import JsonFolder, UnwritableError, make_private_folder

__all__ = ["LoggedRelease", "Memory", "Prove", "RememberedNamespace"]

if TYPE_CHECKING:
    from weighbridge.tlog import SignedCheckpoint

Prove: TypeAlias = "Callable[[SignedCheckpoint, SignedCheckpoint], object]"
"""Shows that the second, larger checkpoint extends the first, or raises: `ForkError` if the
second's own tree refutes it, any other error if it could not be shown (`RegistryClient.consistency`)."""

_MAX_PENDING = 32
_MAX_RELEASES = 64


@dataclass(frozen=True, slots=True)
class RememberedNamespace:
    """Owners of a namespace as last verified: signer ids, their epoch, and the entry that set them."""

    signers: frozenset[str]
    epoch: int
    index: int


@dataclass(frozen=True, slots=True)
class LoggedRelease:
    """A digest was seen recorded: in which log, as which `NS/NAME@VERSION`, when.

    `received` is the log operator's time in Unix seconds; `seen` is this computer's, RFC 3339.
    """

    origin: str
    release: str
    received: int
    seen: str

    def __post_init__(self) -> None:
        texts = (self.origin, self.release, self.seen)
        if not all(isinstance(text, str) for text in texts) or not isinstance(self.received, int):
            raise TypeError("a member of a remembered release has another type")


class Memory:
    """The memory of one configuration folder.

    `enabled=None` asks the environment: off if CI is set. When off, everything is unknown and
    nothing is written. Where the folder cannot be written (a read-only container), what is there
    is still compared with; `problem` then says that nothing new was remembered.
    """

    def __init__(
        self,
        folder: Path,
        enabled: bool | None = None,  # noqa: FBT001 - part of the agreed interface
        *,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        in_ci = environment.get("CI", "").lower() not in ("", "0", "false")
        self.enabled = not in_ci if enabled is None else enabled
        self.problem: str | None = None
        self._folder = folder
        self._checkpoints = JsonFolder(folder / "memory" / "checkpoints")
        self._namespaces = JsonFolder(folder / "memory" / "namespaces")
        self._logged = JsonFolder(folder / "memory" / "logged")
        self._clock = clock

    def checkpoint(self, origin: str, key_id: bytes) -> SignedCheckpoint | None:
        """Give the largest checkpoint of this log and key that was ever seen."""
        name = _file_name(origin, key_id.hex())
        value = self._checkpoints.read(name) if self.enabled else None
        known = [] if value is None else self._known(name, value)
        return max(known, key=lambda one: one.size, default=None)

    def remember_checkpoint(
        self,
        signed: SignedCheckpoint,
        *,
        prove: Prove | None = None,
        live: bool = False,
        asked: datetime | None = None,
    ) -> None:
        """Compare a verified checkpoint with all that is remembered of its log, and remember it.

        Contradictions, each a `ForkError` with an evidence file:

        - the same size with another root, wherever it comes from: the log signed both;
        - smaller than one seen before, with `live`: a server's current checkpoint never shrinks.
          A receipt may be older than what is remembered, which is no contradiction. `asked` is
          when the server was asked: what another process has learnt since then does not count;
        - `prove` refutes that the larger of two extends the smaller.

        Sizes that differ can only be compared with `prove`, which needs the log's tiles. Without
        it (offline) the checkpoint waits; as soon as somebody brings `prove`, all that wait are
        compared. `prove` may raise other errors (`UnavailableError`, `ProofError`); then the
        checkpoint goes on waiting, and the error is the caller's to report.
        """
        if not self.enabled:
            return
        name = _file_name(signed.origin, signed.verifier.key_id.hex())
        shown = (asked or self._clock()) if live else None
        self._update(self._checkpoints, name, lambda old: self._add(name, old, signed, shown))
        if prove is not None:
            self._join(name, prove)

    def signers(self, origin: str, namespace: str) -> frozenset[str]:
        """Give the ids of the owners remembered for a namespace of a log; empty if none are."""
        remembered = self.namespace(origin, namespace)
        return frozenset() if remembered is None else remembered.signers

    def namespace(self, origin: str, namespace: str) -> RememberedNamespace | None:
        """Give what is remembered of a namespace of a log."""
        name = _file_name(origin, _fold(namespace))
        value = self._namespaces.read(name) if self.enabled else None
        if value is None:
            return None
        try:
            return RememberedNamespace(frozenset(value["signers"]), int(value["epoch"]), int(value["index"]))
        except (KeyError, TypeError, ValueError) as error:
            raise self._namespaces.spoilt(name, "not what is known of a namespace") from error

    def remember_signers(
        self,
        origin: str,
        namespace: str,
        signers: Iterable[str],
        *,
        epoch: int = 1,
        index: int = 0,
        accept_epoch: bool = False,
    ) -> None:
        """Remember who owns a namespace, as the entry `index` of a verified record says.

        An entry not newer than the one remembered changes nothing. Another epoch means that the
        operator gave the namespace to somebody else: `SignerError`, unless `accept_epoch`.
        """
        if not self.enabled:
            return
        remembered = self.namespace(origin, namespace)
        if remembered is not None and epoch != remembered.epoch and not accept_epoch:
            raise SignerError(
                f"the namespace {namespace} was given to other owners by the log's operator",
                hint="ask the publisher that you knew; then accept the new owners explicitly",
                evidence={"origin": origin, "remembered_epoch": remembered.epoch, "epoch": epoch},
            )
        new = {"v": 1, "origin": origin, "namespace": namespace, "epoch": epoch, "index": index}
        new |= {"signers": sorted(set(signers)), "seen": self._now()}

        def change(old: dict[str, Any] | None) -> dict[str, Any]:
            newer = old is None or (epoch, index) > (old.get("epoch", 0), old.get("index", 0))
            return new if newer else old or new

        self._update(self._namespaces, _file_name(origin, _fold(namespace)), change)

    def remember_logged(self, origin: str, digests: Iterable[str], *, release: str, received: int) -> None:
        """Remember that these digests (bare hex: root and model digests) are recorded as a release.

        `release` is `NS/NAME@VERSION`, `received` the leaf's time in Unix seconds.
        """
        if not self.enabled:
            return
        new = {"origin": origin, "release": release, "received": received, "seen": self._now()}

        def change(old: dict[str, Any] | None) -> dict[str, Any]:
            present = old["releases"] if old else []
            if any(one["origin"] == origin and one["release"] == release for one in present):
                return old or {}
            return {"v": 1, "releases": [*present, new][-_MAX_RELEASES:]}

        for digest in digests:
            self._update(self._logged, _digest_name(digest), change)

    def known_logged(self, sha256_hex: str) -> tuple[LoggedRelease, ...]:
        """Tell as what a root or model digest (bare hex) is known to be recorded; empty if unknown."""
        name = _digest_name(sha256_hex)
        value = self._logged.read(name) if self.enabled else None
        if value is None:
            return ()
        try:
            return tuple(LoggedRelease(**one) for one in value["releases"])
        except (KeyError, TypeError) as error:
            raise self._logged.spoilt(name, "not a list of releases") from error

    def _update(
        self, store: JsonFolder, name: str, change: Callable[[dict[str, Any] | None], dict[str, Any]]
    ) -> None:
        """Change a file; where that is not possible, compare all the same and note the problem."""
        try:
            store.update(name, change)
        except UnwritableError as error:
            self.problem = f"nothing is remembered: {error.message}"
            store.changed(name, store.read(name), change)

    def _now(self) -> str:
        return self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _known(self, name: str, value: dict[str, Any]) -> list[SignedCheckpoint]:
        """Read the remembered checkpoints: the joined head first, then those that wait.

        Their signatures are verified again with the key that they were verified with first.
        """
        try:
            texts = [value["head"], *value["waiting"]]
            return [tlog.parse_checkpoint(text.encode(), [value["vkey"]]) for text in texts]
        except (KeyError, TypeError, AttributeError, NoteError) as error:
            raise self._checkpoints.spoilt(name, f"not the checkpoints of a log ({error})") from error

    def _add(
        self, name: str, old: dict[str, Any] | None, signed: SignedCheckpoint, shown: datetime | None
    ) -> dict[str, Any]:
        """Put a checkpoint among those that wait, unless it contradicts one that is known.

        `shown` is when a server was asked for its current one, None for a receipt's.
        """
        grown = self._clock().astimezone(UTC).isoformat()
        if old is None:
            new = {"v": 1, "origin": signed.origin, "vkey": signed.verifier.vkey, "grown": grown}
            return {**new, "head": signed.data.decode(), "waiting": []}
        if old.get("vkey") != signed.verifier.vkey:
            raise self._checkpoints.spoilt(name, "it is of another key with the same key id")
        known = self._known(name, old)
        for one in known:
            if one.size == signed.size and one.root != signed.root:
                raise self.fork(one, signed, f"signed two different trees of size {one.size}")
        largest = max(known, key=lambda one: one.size)
        if signed.size < largest.size and shown is not None and self._grown(name, old) <= shown:
            why = f"showed a tree of size {largest.size} before, and now one of size {signed.size}"
            raise self.fork(largest, signed, why)
        if any(one.size == signed.size for one in known):
            return old
        waiting = sorted([*known[1:], signed], key=lambda one: one.size)[-_MAX_PENDING:]
        grown = grown if signed.size > largest.size else old["grown"]
        return {**old, "grown": grown, "waiting": [one.data.decode() for one in waiting]}

    def _grown(self, name: str, value: dict[str, Any]) -> datetime:
        """Tell when the largest checkpoint was learnt."""
        try:
            return datetime.fromisoformat(value["grown"]).astimezone(UTC)
        except (KeyError, TypeError, ValueError) as error:
            raise self._checkpoints.spoilt(name, "it does not say when it was written") from error

    def _join(self, name: str, prove: Prove) -> None:
        """Compare every known checkpoint with the largest, which becomes the head.

        The proofs are fetched without the lock: what another process added meanwhile still
        waits, and if it has set a head of its own, ours waits to be compared with that.
        """
        value = self._checkpoints.read(name)
        if value is None or not value.get("waiting"):
            return
        *smaller, largest = sorted(self._known(name, value), key=lambda one: one.size)
        for one in smaller:
            try:
                prove(one, largest)
            except ForkError as error:
                why = f"has a tree of size {largest.size} that does not begin with that of size {one.size}"
                raise self.fork(one, largest, why) from error
        head = largest.data.decode()
        joined = {one.data.decode() for one in smaller} | {head}

        def change(old: dict[str, Any] | None) -> dict[str, Any]:
            current = old or value
            waiting = [text for text in current["waiting"] if text not in joined]
            if current["head"] in joined:
                return {**current, "head": head, "waiting": waiting}
            return {**current, "waiting": [*waiting, head]}

        self._update(self._checkpoints, name, change)

    def fork(self, first: SignedCheckpoint, second: SignedCheckpoint, why: str) -> ForkError:
        """Make the error for two checkpoints that cannot both be true, for the caller to raise.

        Both are verified and of one log; `why` completes the sentence "the log … ". Unless memory
        is off they are written to an evidence file, which the error names.
        """
        evidence = {
            "origin": first.origin,
            "vkey": first.verifier.vkey,
            "why": f"{first.origin} {why}",
            "checkpoints": [first.data.decode(), second.data.decode()],
        }
        path = self._keep(evidence) if self.enabled else None
        kept = "the evidence of this error holds" if path is None else f"{path} holds"
        return ForkError(
            f"the log {first.origin} {why}",
            hint="its operator, or somebody with its key, shows different histories; "
            f"{kept} both checkpoints: keep them, show them to others, and do not rely on this log "
            "until it is explained",
            evidence=evidence if path is None else {**evidence, "file": str(path)},
        )

    def _keep(self, evidence: dict[str, Any]) -> Path | None:
        """Write evidence to a file, once; None if that is not possible."""
        import json

        name = sha256("\n".join(evidence["checkpoints"]).encode()).hexdigest()[:16]
        path = self._folder / "evidence" / f"fork-{name}.json"
        text = json.dumps({"v": 1, "found": self._now(), **evidence}, ensure_ascii=False, indent=1)
        try:
            make_private_folder(path.parent)
            if not path.exists():
                write_atomically(path, text.encode() + b"\n", mode=0o600)
        except (OSError, InputError):
            return None
        return path


def _file_name(*parts: str) -> str:
    """Name a file after what it is about, in characters that every file system takes."""
    return sha256("\n".join(parts).encode()).hexdigest() + ".json"


def _digest_name(digest: str) -> str:
    """Name the file of a digest, which must be one: it becomes a part of a path."""
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):  # noqa: PLR2004 - SHA-256 in hex
        raise LogError(f"not a bare SHA-256 in lowercase hex: {digest[:80]!r}")
    return f"{digest}.json"


def _fold(namespace: str) -> str:
    """Spell a namespace as logs compare it."""
    from weighbridge_schemas.names import fold_name

    return fold_name(namespace)
