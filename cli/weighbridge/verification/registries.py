# SPDX-License-Identifier: Apache-2.0
"""What a registry says, or a copy of its log, when one is asked: evidence to check, a word to report.

The lines that either hands out are checked exactly like those of a record file. What nobody signed, such as
"nothing was reported", is a registry's word and no more. A copy is asked the same questions, and answers them
from a replay of all its entries, made here and for this (`consult`): that is nobody's word.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

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
    from weighbridge.tlog import TileReader
    from weighbridge_schemas.api import DigestAnswer, DigestsAnswer, ReleaseDocument, StatementDocument

    from .entries import Pins
    from .request import WantedRelease

__all__ = [
    "Answering",
    "Copy",
    "RegistryWord",
    "Replayed",
    "Sought",
    "ask",
    "consult",
    "outdated",
    "pinned_checkpoint",
    "proved_line",
]

_MOST: Final = 16


class Answering(Protocol):
    """Whoever answers questions about a log: a registry (`weighbridge.client`), or a copy."""

    @property
    def url(self) -> str:
        """Its address, or the folder of a copy."""
        ...

    def release(self, namespace: str, name: str, version: str | None = None) -> ReleaseDocument | None:
        """Describe a release; without `version` the newest."""
        ...

    def provenance(self, namespace: str, name: str, version: str) -> Sequence[RecordLine]:
        """Give the record of a release."""
        ...

    def digest(self, digest: str) -> DigestAnswer:
        """Say what is known of a digest (bare hex)."""
        ...

    def digests(self, digests: Sequence[str]) -> DigestsAnswer:
        """Say what is known of many digests (bare hex)."""
        ...

    def statement(self, digest: str) -> StatementDocument | None:
        """Give a statement by its digest (bare hex)."""
        ...

    def checkpoint(self) -> bytes:
        """Give the checkpoint, unverified."""
        ...

    def entries(self, index: int, width: int = ...) -> bytes:
        """Give a bundle of entries, unverified."""
        ...

    def bundle(self, digest: str) -> bytes:
        """Give the bundle with this digest (bare hex), checked against it."""
        ...

    def reader(self, checkpoint: SignedCheckpoint) -> TileReader:
        """Read the tree of a verified checkpoint."""
        ...

    def consistency(self, old: SignedCheckpoint, new: SignedCheckpoint) -> object:
        """Show that one tree begins with another; raises `ForkError` if it does not."""
        ...


class Copy(Answering, Protocol):
    """A copy of a log on this machine, that nobody believes before it was replayed."""

    def replay(self, checkpoint: SignedCheckpoint, *, keep: bool) -> Replayed:
        """Replay all entries of a verified checkpoint; what it answers is then what they say.

        `keep`: begin where an earlier replay of this user ended. Raises `LogError` if an entry, a statement
        or the tree is not what the checkpoint commits to, `UndecidedError` if something is missing.
        """
        ...


@dataclass(frozen=True, slots=True)
class Replayed:
    """That all entries of a checkpoint were read, verified and applied here.

    `word_from` is the first entry whose statement is withheld, so that what the log says from there on rests
    on its operator's word; None if there is none.
    """

    size: int
    word_from: int | None = None


@dataclass(frozen=True, slots=True)
class RegistryWord:
    """What a registry, or a copy of its log, answered; `problem` says why it could not help, if so.

    `checkpoint` is its current one, if a pinned log signed it, `asked` when it was asked for it; `prove`
    fetches consistency proofs. `replayed` is there if and only if the answer follows from all entries.
    `source` answers further questions of this verification.
    """

    url: str
    prove: Prove | None = None
    found: tuple[Found, ...] = ()
    release: ReleaseDocument | None = None
    checkpoint: SignedCheckpoint | None = None
    asked: datetime | None = None
    problem: WeighbridgeError | None = None
    replayed: Replayed | None = None
    source: Answering | None = None

    @property
    def live(self) -> bool:
        """Whether this is the log itself, whose tree never shrinks; a copy may merely be old."""
        return self.replayed is None

    @property
    def proves(self) -> bool:
        """Whether what it says follows from the log, and from nobody's word."""
        return self.replayed is not None and self.replayed.word_from is None

    @property
    def says(self) -> str:
        """Whose word it is, to be put behind what is told: `says the registry`, or how it is known."""
        if self.replayed is None:
            return "says the registry"
        return "by a replay of the log" if self.proves else "says the operator, for withheld entries"


@dataclass(frozen=True, slots=True)
class Sought:
    """A manifest to look up: root and statement digest in bare hex, and the signer's id if it is known."""

    root: str
    statement: str
    signer: str | None = None


def consult(
    copy: Copy, release: WantedRelease | None, manifests: Sequence[Sought], pins: Pins, *, keep: bool
) -> RegistryWord:
    """Replay a copy, then ask it as a registry is asked; nothing is believed of a log that is not pinned.

    What is wrong with the copy is a `problem` in what is returned, no error.
    """
    try:
        checkpoint = pinned_checkpoint(copy, pins)
        if checkpoint is None:
            raise UndecidedError(
                f"{copy.url} is a copy of a log whose key is not trusted here",
                hint="get its fingerprint from the people who run it: weighbridge log trust add URL|VKEY",
            )
        replayed = copy.replay(checkpoint, keep=keep)
    except WeighbridgeError as error:
        return RegistryWord(copy.url, problem=error)
    return replace(ask(copy, release, manifests, pins), replayed=replayed)


def outdated(word: RegistryWord, known: Sequence[SignedCheckpoint]) -> RegistryWord:
    """Return the word of a copy; without its answer if a larger tree is known, since it may lack a yank."""
    mine = word.checkpoint
    if word.live or mine is None:
        return word
    newest = max((one.size for one in known if one.verifier == mine.verifier), default=0)
    if newest <= mine.size:
        return word
    problem = UndecidedError(
        f"it ends with entry {mine.size - 1}, and the log has had {newest:,} entries as far as is known here",
        hint="bring it up to date: weighbridge log mirror URL --data DIR",
        evidence={"size": mine.size, "known": newest},
    )
    return replace(word, release=None, problem=problem)


def ask(
    client: Answering, release: WantedRelease | None, manifests: Sequence[Sought], pins: Pins
) -> RegistryWord:
    """Ask a registry for the record of a release, or of the manifests that were found.

    A registry that does not answer or does not know is a `problem` in what is returned, no error.
    """
    word = RegistryWord(client.url, source=client)
    asked = datetime.now(UTC)
    try:
        if release is not None:
            document = _release(client, release, [each.root for each in manifests])
            lines = list(client.provenance(document.namespace, document.name, document.version))
            word = replace(word, release=document, found=tuple(lines_found(client.url, lines, named=False)))
            checkpoint = pinned_checkpoint(client, pins)  # last, so that no receipt above is of a larger tree
        else:
            checkpoint = pinned_checkpoint(client, pins)
            lines = [line for each in manifests[:_MOST] for line in _lines(client, each, checkpoint)]
            word = replace(word, found=tuple(lines_found(client.url, lines, named=False)))
    except WithheldError as error:
        return replace(word, problem=_withheld(client, error, pins))
    except WeighbridgeError as error:
        return replace(word, problem=error)
    return replace(word, checkpoint=checkpoint, asked=asked, prove=client.consistency)


def _withheld(client: Answering, error: WithheldError, pins: Pins) -> WeighbridgeError:
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


def _release(client: Answering, wanted: WantedRelease, roots: Sequence[str]) -> ReleaseDocument:
    """Find the release that is meant: of the version asked for, else of these files, else the latest."""
    version = wanted.version or _version_of(client, wanted, roots)
    document = client.release(wanted.namespace, wanted.name, version)
    if document is None:
        raise UndecidedError(f"{client.url} does not know {wanted}.", hint="Check the name and the registry.")
    return document


def _version_of(client: Answering, wanted: WantedRelease, roots: Sequence[str]) -> str | None:
    for answer in client.digests(roots).answers if roots else ():
        for match in answer.matches:
            if match.version is not None and wanted.is_called(match.namespace, match.name):
                return match.version
    return None


def _lines(client: Answering, sought: Sought, checkpoint: SignedCheckpoint | None) -> list[RecordLine]:
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
    return [proved_line(client, checkpoint, index) for index in indices]


def proved_line(client: Answering, checkpoint: SignedCheckpoint, index: int) -> RecordLine:
    """Make the record line of an entry from the log's own tiles, each checked against the checkpoint."""
    reader = client.reader(checkpoint)
    tile, place = divmod(index, TILE_WIDTH)
    width = min(TILE_WIDTH, checkpoint.size - tile * TILE_WIDTH)
    leaf = reader.entries(tile, client.entries(tile, width))[place]
    receipt = Receipt(index, tuple(reader.inclusion_proof(index)), checkpoint.data)
    return RecordLine(client.bundle(parse_leaf(leaf).bundle_sha256), leaf, format_receipt(receipt))


def _unproved(client: Answering, statement: str) -> RecordLine:
    document = client.statement(statement)
    if document is None:
        raise UndecidedError(f"{client.url} has no record of the statement {statement}.")
    if document.bundle is None:
        raise UndecidedError(f"{client.url} withholds the statement {statement}.")
    return RecordLine(b64decode(document.bundle), b64decode(document.leaf), document.receipt.encode())


def pinned_checkpoint(client: Answering, pins: Pins) -> SignedCheckpoint | None:
    """Fetch the log's current checkpoint; None if its log is not pinned.

    Raises `NoteError` if it claims to be of a pinned log that did not sign it.
    """
    data = client.checkpoint()
    verifiers = pins.of(parse_checkpoint_text(split_note(data)[0]).origin)
    return parse_checkpoint(data, verifiers) if verifiers else None
