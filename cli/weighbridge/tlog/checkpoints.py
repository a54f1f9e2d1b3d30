# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: a log's signed statement of its size and root (C2SP tlog-checkpoint).

origin
size in decimal
base64 of the root hash
(extension lines, never empty)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from weighbridge.errors import NoteError
from weighbridge.tlog.encodings import decode_base64, decode_decimal, encode_base64
from weighbridge.tlog.merkle import EMPTY_ROOT, HASH_SIZE
from weighbridge.tlog.notes import Note, Signer, VerifiedSignature, Verifier, open_note, sign_note

__all__ = [
    "Checkpoint",
    "SignedCheckpoint",
    "parse_checkpoint",
    "parse_checkpoint_text",
    "sign_checkpoint",
]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tree that a log commits to: its `origin`, `size` in entries and `root` (32 bytes)."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """Spell the note text that a log signs; raises `NoteError` if it would not read back."""
        lines = (self.origin, str(self.size), encode_base64(self.root), *self.extensions)
        text = "".join(f"{line}\n" for line in lines)
        if parse_checkpoint_text(text) != self:
            raise NoteError("a checkpoint's origin and extension lines must be single lines")
        return text


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint whose log signature holds, its opened note and the bytes that it was read from.

    `signature` is the log's own; cosignatures of witnesses are in `note`.
    """

    checkpoint: Checkpoint
    note: Note
    signature: VerifiedSignature
    data: bytes

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.checkpoint.origin

    @property
    def size(self) -> int:
        """Entries in the tree."""
        return self.checkpoint.size

    @property
    def root(self) -> bytes:
        """Root hash of the tree, 32 bytes."""
        return self.checkpoint.root

    @property
    def verifier(self) -> Verifier:
        """The log key that signed it."""
        return self.signature.verifier


def parse_checkpoint_text(text: str) -> Checkpoint:
    """Read a checkpoint's text strictly; believes nothing. Raises `NoteError`."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() != "":  # noqa: PLR2004 - three lines and the end of the last
        raise NoteError("a checkpoint has fewer than three lines", evidence={"text": text[:500]})
    origin, size_text, root_text, *extensions = lines
    if not origin or not all(extensions):
        raise NoteError("a checkpoint has an empty line", evidence={"text": text[:500]})
    try:
        size, root = decode_decimal(size_text), decode_base64(root_text)
    except ValueError as error:
        raise NoteError(f"a checkpoint is malformed: {error}", evidence={"text": text[:500]}) from error
    if len(root) != HASH_SIZE:
        raise NoteError(f"a checkpoint's root has {len(root)} bytes, not {HASH_SIZE}")
    if size == 0 and root != EMPTY_ROOT:
        raise NoteError("a checkpoint of an empty tree has another root than the empty one")
    return Checkpoint(origin, size, root, tuple(extensions))


def parse_checkpoint(data: bytes, verifiers: Iterable[Verifier | str]) -> SignedCheckpoint:
    """Open a checkpoint that a trusted log has signed.

    Besides the rules of `open_note`, one of the verified signatures must be the log's own: made
    under a key name equal to the origin, with a type that logs sign with. So a witness's
    cosignature alone proves nothing, and a trusted log cannot speak in another's name.
    Raises `NoteError`.
    """
    note = open_note(data, verifiers)
    checkpoint = parse_checkpoint_text(note.text)
    for one in note.verified:
        if one.verifier.name == checkpoint.origin and one.verifier.algorithm.for_logs:
            return SignedCheckpoint(checkpoint, note, one, data)
    raise NoteError(
        f"the checkpoint of {checkpoint.origin} is not signed by that log's trusted key",
        hint="a trusted log or witness signed a checkpoint that carries another log's name",
        evidence={"origin": checkpoint.origin, "signed_by": [one.verifier.vkey for one in note.verified]},
    )


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """Sign a checkpoint as its log. Raises `NoteError` unless the key's name is the origin."""
    if signer.name != checkpoint.origin or not signer.algorithm.for_logs:
        raise NoteError(f"the key {signer.name} does not sign for the log {checkpoint.origin}")
    return sign_note(checkpoint.text(), [signer])
