# SPDX-License-Identifier: Apache-2.0
"""Record lines, held against the logs that are trusted: bundle ↔ leaf ↔ receipt ↔ checkpoint.

Takes bytes, does no I/O. What comes out says for each line one of three things: *proved* under a
pinned log key, *refuted* (and how), or *open*, because its log is not one that anybody here trusts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from weighbridge import tlog
from weighbridge.bundles import Bundle, parse_bundle
from weighbridge.errors import LogError, ProofError
from weighbridge.leaves import Leaf, parse_leaf
from weighbridge.records import RecordLine
from weighbridge.statements import Statement, parse_statement

if TYPE_CHECKING:
    from weighbridge.tlog import Receipt, SignedCheckpoint, Verifier

__all__ = ["Entry", "Pins", "Proof", "read_entry"]

_LONGEST_ORIGIN: Final = 255


class Proof(Enum):
    """How far the recording of a line is proved.

    OPEN: its log is not pinned. FOREIGN: its log is not the one that was named for this run.
    """

    PROVED = "proved"
    OPEN = "open"
    FOREIGN = "foreign"
    REFUTED = "refuted"


@dataclass(frozen=True, slots=True)
class Pins:
    """Log keys that somebody decided to trust, before this verification began.

    `exclusive`: they were named for this run, so a receipt of any other log will not do.
    """

    verifiers: tuple[Verifier, ...] = ()
    exclusive: bool = False

    def of(self, origin: str) -> tuple[Verifier, ...]:
        """Return the keys of one log."""
        return tuple(each for each in self.verifiers if each.name == origin)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record line that was read, and how far its recording is proved.

    `checkpoint` is there if and only if `proof` is PROVED; `problem` if and only if it is REFUTED or
    FOREIGN.
    `origin`, `index` and `received` are what the line claims: believe them only when proved, and
    `received` (Unix seconds) not even then.
    """

    source: str
    bundle: Bundle
    statement: Statement
    proof: Proof
    origin: str = ""
    index: int = 0
    received: int = 0
    checkpoint: SignedCheckpoint | None = None
    problem: LogError | None = None

    @property
    def kind(self) -> str:
        """Kind of the statement, as its predicate type says."""
        return self.statement.kind

    @property
    def proved(self) -> bool:
        """True if a pinned log has recorded exactly this bundle."""
        return self.proof is Proof.PROVED


def read_entry(source: str, line: RecordLine, pins: Pins) -> Entry:
    """Read one record line and prove it as far as the pins allow.

    Raises `BundleError` or `StatementError` if the bundle in it is malformed; problems of leaf, receipt
    and checkpoint are part of the answer.
    """
    bundle = parse_bundle(line.bundle)
    entry = Entry(source, bundle, parse_statement(bundle.payload), Proof.OPEN)
    try:
        leaf, receipt = parse_leaf(line.leaf), tlog.parse_receipt(line.receipt)
        _require_nameable(source, receipt.origin)
        entry = replace(entry, origin=receipt.origin, index=receipt.index, received=leaf.received)
        checkpoint = _prove(entry, line.leaf, leaf, receipt, pins)
    except LogError as error:
        return replace(entry, proof=Proof.REFUTED, problem=error)
    if checkpoint is None and pins.exclusive:
        return replace(entry, proof=Proof.FOREIGN, problem=_foreign(entry, pins))
    if checkpoint is None:
        return entry
    return replace(entry, proof=Proof.PROVED, checkpoint=checkpoint)


def _prove(entry: Entry, data: bytes, leaf: Leaf, receipt: Receipt, pins: Pins) -> SignedCheckpoint | None:
    """Walk from the bundle to the log's signature; None if its log is not pinned. Raises `LogError`."""
    if leaf.bundle_sha256 != entry.bundle.sha256:
        raise ProofError(
            f"{entry.source}: the log's entry is of another bundle.",
            hint="The record was changed or put together wrongly; get it again from its publisher.",
            evidence={"leaf": leaf.bundle_sha256, "bundle": entry.bundle.sha256},
        )
    _require_meant_for(entry)
    verifiers = pins.of(entry.origin)
    if verifiers:
        return tlog.verify_receipt(receipt, data, verifiers)
    claimed = tlog.parse_checkpoint_text(tlog.split_note(receipt.checkpoint)[0])
    tlog.verify_inclusion(receipt.index, claimed.size, tlog.leaf_hash(data), receipt.proof, claimed.root)
    return None


def _foreign(entry: Entry, pins: Pins) -> ProofError:
    return ProofError(
        f"{entry.source}: the receipt is of the log {entry.origin}, not of {_names(pins.verifiers)}.",
        hint="Use the record of the log that you trust, or name the other log's key.",
        evidence={"origin": entry.origin, "trusted": [each.vkey for each in pins.verifiers]},
    )


def _require_nameable(source: str, origin: str) -> None:
    """Refuse a log's name that no key can have: it is shown to people, who might take it for our words."""
    if len(origin) > _LONGEST_ORIGIN or not origin.isprintable() or " " in origin or "+" in origin:
        raise ProofError(
            f"{source}: the receipt is of a log whose name no log key can have.",
            hint="The record was made up; get it again from its publisher.",
            evidence={"origin": ascii(origin[:_LONGEST_ORIGIN])},
        )


def _require_meant_for(entry: Entry) -> None:
    """Refuse a statement that was copied to a log that its signer did not mean it for."""
    logs = entry.statement.predicate.get("logs")
    if entry.kind in {"oms", "attestation"} or (isinstance(logs, list) and entry.origin in logs):
        return
    raise LogError(
        f"{entry.source}: its signer did not mean this {entry.kind} statement for the log {entry.origin}.",
        hint="Somebody copied it there; ask for the record of the log that the publisher uses.",
        evidence={"origin": entry.origin, "logs": logs},
    )


def _names(verifiers: Iterable[Verifier]) -> str:
    return " or ".join(sorted({each.name for each in verifiers})) or "any trusted log"
