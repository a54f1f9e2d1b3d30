# SPDX-License-Identifier: Apache-2.0
"""A registry's log as its publisher sees it: pinned once, and every answer of it checked.

A registry is not believed because it answered. What it says is recorded counts only if the log key
that is pinned here signed a tree that holds exactly the bytes that we sent, and if that tree extends
every tree that it showed us before.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weighbridge.bundles import parse_bundle
from weighbridge.errors import LogError
from weighbridge.leaves import parse_leaf
from weighbridge.records import RecordLine
from weighbridge.tlog import SignedCheckpoint, Verifier, parse_checkpoint, parse_receipt, verify_receipt
from weighbridge.trust import fingerprint

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge.memory import Memory
    from weighbridge.trust import TrustStore
    from weighbridge_schemas.api import LogDocument, SubmissionResult

__all__ = ["RecordedStatement", "Recorder", "open_recorder"]


@dataclass(frozen=True, slots=True)
class RecordedStatement:
    """One statement that is proved to be in the log.

    `statement_digest` is bare hex; `line` holds the bundle as it is logged, which may be an earlier one
    of the same statement and signer.
    """

    statement_digest: str
    index: int
    received: int
    line: RecordLine


@dataclass(frozen=True, slots=True)
class Recorder:
    """A log with the key that it is pinned to. `pinned_now` says that this run pinned it."""

    registry: RegistryClient
    memory: Memory
    document: LogDocument
    verifier: Verifier
    pinned_now: bool

    @property
    def origin(self) -> str:
        """The log's name, as in its checkpoints."""
        return self.verifier.name

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the pinned log key's text, in hex."""
        return fingerprint(self.verifier.vkey)

    def accept(
        self, bundles: Sequence[bytes], results: Sequence[SubmissionResult]
    ) -> list[RecordedStatement]:
        """Check that a registry's answers prove that these bundles are recorded, one each, in order.

        Raises `LogError` (step 7) for any answer that does not hold; then nothing of it is to be used.
        """
        if len(results) != len(bundles):
            raise LogError(f"the registry answered {len(results)} times to {len(bundles)} statements")
        lines = []
        for bundle, result in zip(bundles, results, strict=True):
            logged = result.bundle.removeprefix("sha256:")
            if logged != hashlib.sha256(bundle).hexdigest():
                bundle = self._earlier(bundle, logged)  # noqa: PLW2901 - the logged one takes its place
            lines.append(RecordLine(bundle, base64.b64decode(result.leaf), result.receipt.encode()))
        return self.check(lines)

    def check(self, lines: Iterable[RecordLine]) -> list[RecordedStatement]:
        """Check every line of a record: bundle ↔ leaf ↔ receipt ↔ the pinned log's checkpoint.

        Raises `LogError`, `ProofError` or `NoteError` (step 7), `ForkError` if the log showed another
        history before. Signers are not checked here: that is verification's business.
        """
        found = []
        newest: SignedCheckpoint | None = None
        for line in lines:
            leaf = parse_leaf(line.leaf)
            if leaf.bundle_sha256 != hashlib.sha256(line.bundle).hexdigest():
                raise LogError("the registry's entry is of another bundle than the one that goes with it")
            receipt = parse_receipt(line.receipt)
            checkpoint = verify_receipt(receipt, line.leaf, [self.verifier])
            if newest is None or checkpoint.size > newest.size:
                newest = checkpoint
            digest = parse_bundle(line.bundle, strict=True).statement_digest
            found.append(RecordedStatement(digest, receipt.index, leaf.received, line))
        if newest is not None:
            self.memory.remember_checkpoint(newest, prove=self.registry.consistency)
        return found

    def _earlier(self, bundle: bytes, logged: str) -> bytes:
        """Fetch the bundle that is logged in place of ours; it must hold the same statement."""
        data = self.registry.bundle(logged)
        ours = parse_bundle(bundle).statement_digest
        theirs = parse_bundle(data, strict=True).statement_digest
        if ours != theirs:
            raise LogError(
                "the registry says that the statement is recorded already, and shows another one",
                hint="do not publish here until its operator has explained that",
                evidence={"sent": ours, "recorded": theirs},
            )
        return data


def open_recorder(registry: RegistryClient, trust: TrustStore, memory: Memory) -> Recorder:
    """Ask a registry for its log; pin it if it is new here, refuse it if it is not what was pinned.

    Raises `LogError` if the address had another log, or the log another key, when it was pinned;
    `ForkError` if its tree contradicts one that it showed before.
    """
    asked = datetime.now(UTC)
    document = registry.log()
    verifier = Verifier.from_vkey(document.vkey)
    if verifier.name != document.origin:
        raise LogError(f"the registry's log key is of {verifier.name}, its log is {document.origin}")
    pinned = trust.find(document.origin)
    if pinned is not None and pinned.vkey != verifier.vkey:
        raise LogError(
            f"the log {document.origin} has another key than when you pinned it",
            hint="this is what an impostor looks like: ask the operator, elsewhere, for the fingerprint",
            evidence={"pinned": pinned.fingerprint, "shown": fingerprint(verifier.vkey)},
        )
    if pinned is None:
        _refuse_another_log(registry, trust, document.origin)
    checkpoint = parse_checkpoint(document.checkpoint.encode(), [verifier])
    memory.remember_checkpoint(checkpoint, prove=registry.consistency, live=True, asked=asked)
    if pinned is None:
        trust.trust(verifier.vkey, registry.url)
    return Recorder(registry, memory, document, verifier, pinned is None)


def _refuse_another_log(registry: RegistryClient, trust: TrustStore, origin: str) -> None:
    """Refuse to pin a second log for an address that has one: the address may have been taken over."""
    for log in trust.logs():
        if log.url and log.url.rstrip("/") == registry.url.rstrip("/"):
            raise LogError(
                f"{registry.url} had the log {log.origin} when you pinned it; now it shows {origin}",
                hint="if the registry was really set up anew: "
                f"weighbridge log trust remove {log.origin}, then publish again",
                evidence={"pinned": log.origin, "shown": origin},
            )
