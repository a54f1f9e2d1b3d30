# SPDX-License-Identifier: Apache-2.0
"""What a registry says, when `--registry` asks one: evidence to check, and its word to report.

The lines that it hands out are checked exactly like those of a record file. What nobody signed, such as
"nothing was reported", is its word and no more.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from weighbridge.errors import UndecidedError, WeighbridgeError, WithheldError
from weighbridge.leaves import parse_leaf
from weighbridge.memory import Prove
from weighbridge.records import RecordLine
from weighbridge.tlog import (
    TILE_WIDTH,
    Receipt,
    SignedCheckpoint,
    format_receipt,
    parse_checkpoint,
    parse_checkpoint_text,
    split_note,
)
from weighbridge.withholding import prove

from .evidence import Found, lines_found

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge_schemas.api import ReleaseDocument

    from .entries import Pins
    from .request import WantedRelease

__all__ = ["RegistryWord", "Sought", "ask"]

_MOST: Final = 16


@dataclass(frozen=True, slots=True)
class RegistryWord:
    """What one registry answered. `problem` says why it could not help, if it could not.

    `checkpoint` is its current one, if a pinned log signed it, `asked` when it was asked for it; `prove`
    fetches consistency proofs.
    """

    url: str
    prove: Prove | None = None
    found: tuple[Found, ...] = ()
    release: ReleaseDocument | None = None
    checkpoint: SignedCheckpoint | None = None
    asked: datetime | None = None
    problem: WeighbridgeError | None = None


@dataclass(frozen=True, slots=True)
class Sought:
    """A manifest to look up: root and statement digest in bare hex, and the signer's id if it is known."""

    root: str
    statement: str
    signer: str | None = None


def ask(
    client: RegistryClient, release: WantedRelease | None, manifests: Sequence[Sought], pins: Pins
) -> RegistryWord:
    """Ask a registry for the record of a release, or of the manifests that were found.

    A registry that does not answer or does not know is a `problem` in what is returned, no error.
    """
    word = RegistryWord(client.url)
    asked = datetime.now(UTC)
    try:
        if release is not None:
            document = _release(client, release, [each.root for each in manifests])
            lines = list(client.provenance(document.namespace, document.name, document.version))
            word = replace(word, release=document, found=tuple(lines_found(client.url, lines, named=False)))
            checkpoint = _checkpoint(client, pins)  # last, so that no receipt above is of a larger tree
        else:
            checkpoint = _checkpoint(client, pins)
            lines = [line for each in manifests[:_MOST] for line in _lines(client, each, checkpoint)]
            word = replace(word, found=tuple(lines_found(client.url, lines, named=False)))
    except WithheldError as error:
        return replace(word, problem=_withheld(client, error, pins))
    except WeighbridgeError as error:
        return replace(word, problem=error)
    return replace(word, checkpoint=checkpoint, asked=asked, prove=client.consistency)


def _withheld(client: RegistryClient, error: WithheldError, pins: Pins) -> WeighbridgeError:
    """Say whether a refusal is a logged decision of a log that is trusted here: either way no pass.

    Only a decision that contradicts its own proof is a fault of the log.
    """
    withheld = error.withheld
    try:
        proved = prove(withheld, withheld.target, withheld.sha256, pins.verifiers)
    except WeighbridgeError as refuted:
        return UndecidedError(
            f"{client.url} withholds it, and does not prove that its operator decided so: {refuted.message}",
            hint="ask another registry, a mirror or the publisher for the record",
            evidence=error.evidence,
        )
    return UndecidedError(
        f"the operator of {proved.origin} withholds it ({proved.decision.reason.replace('_', ' ')}), by the "
        f"decision at entry {proved.index}, which is proved",
        hint="nothing is refuted by that; the publisher or a mirror may still have the record",
        evidence={**error.evidence, "index": proved.index, "reason": proved.decision.reason},
    )


def _release(client: RegistryClient, wanted: WantedRelease, roots: Sequence[str]) -> ReleaseDocument:
    """Find the release that is meant: of the version asked for, else of these files, else the latest."""
    version = wanted.version or _version_of(client, wanted, roots)
    document = client.release(wanted.namespace, wanted.name, version)
    if document is None:
        raise UndecidedError(f"{client.url} does not know {wanted}.", hint="Check the name and the registry.")
    return document


def _version_of(client: RegistryClient, wanted: WantedRelease, roots: Sequence[str]) -> str | None:
    for answer in client.digests(roots).answers if roots else ():
        for match in answer.matches:
            if match.version is not None and wanted.is_called(match.namespace, match.name):
                return match.version
    return None


def _lines(client: RegistryClient, sought: Sought, checkpoint: SignedCheckpoint | None) -> list[RecordLine]:
    """Fetch the entries of one statement. Several signers may have recorded the same words.

    In a pinned log they are read from its tiles, so that the registry cannot choose which one to show; else
    its one answer will do, since nothing can be proved anyway.
    """
    if checkpoint is None:
        return [_unproved(client, sought.statement)]
    matches = [each for each in client.digest(sought.statement).matches if each.kind == "statement"]
    wanted = [
        each.index
        for each in matches
        if sought.signer is None or each.signer is None or each.signer.id == sought.signer
    ]
    indices = sorted({index for index in wanted if index < checkpoint.size})[:_MOST]
    if not indices:
        raise UndecidedError(
            f"{client.url} has no record of the statement {sought.statement} by this signer."
        )
    return [_proved(client, checkpoint, index) for index in indices]


def _proved(client: RegistryClient, checkpoint: SignedCheckpoint, index: int) -> RecordLine:
    """Make the record line of an entry from the log's own tiles, each checked against the checkpoint."""
    reader = client.reader(checkpoint)
    tile, place = divmod(index, TILE_WIDTH)
    width = min(TILE_WIDTH, checkpoint.size - tile * TILE_WIDTH)
    leaf = reader.entries(tile, client.entries(tile, width))[place]
    receipt = Receipt(index, tuple(reader.inclusion_proof(index)), checkpoint.data)
    return RecordLine(client.bundle(parse_leaf(leaf).bundle_sha256), leaf, format_receipt(receipt))


def _unproved(client: RegistryClient, statement: str) -> RecordLine:
    document = client.statement(statement)
    if document is None:
        raise UndecidedError(f"{client.url} has no record of the statement {statement}.")
    if document.bundle is None:
        raise UndecidedError(f"{client.url} withholds the statement {statement}.")
    return RecordLine(b64decode(document.bundle), b64decode(document.leaf), document.receipt.encode())


def _checkpoint(client: RegistryClient, pins: Pins) -> SignedCheckpoint | None:
    """Fetch the log's current checkpoint; None if its log is not pinned.

    Raises `NoteError` if it claims to be of a pinned log that did not sign it.
    """
    data = client.checkpoint()
    verifiers = pins.of(parse_checkpoint_text(split_note(data)[0]).origin)
    return parse_checkpoint(data, verifiers) if verifiers else None
