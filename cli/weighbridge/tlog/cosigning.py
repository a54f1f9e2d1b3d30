# SPDX-License-Identifier: Apache-2.0
"""Cosignatures: "at this time, this was the largest tree of this log that I had seen".

C2SP tlog-cosignature.
A witness adds one to a checkpoint after it has checked that the log only ever grew. They are
lines of the same note as the log's signature.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from weighbridge.errors import NoteError
from weighbridge.tlog.checkpoints import parse_checkpoint_text
from weighbridge.tlog.notes import (
    Note,
    NoteSignature,
    Signer,
    VerifiedSignature,
    Verifier,
    format_note,
    split_note,
    verify_signatures,
)

__all__ = ["Cosignature", "add_signatures", "cosign", "cosignatures"]


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness's signature that holds, and when the witness says to have made it (POSIX seconds)."""

    verifier: Verifier
    time: int

    @property
    def name(self) -> str:
        """The witness's key name."""
        return self.verifier.name


def cosign(checkpoint: bytes, signer: Signer, time: int) -> NoteSignature:
    """Cosign a checkpoint at a time in POSIX seconds.

    Whoever calls it has verified the checkpoint's consistency with the largest one cosigned so
    far; this only makes the signature. Raises `NoteError` for bytes that are no checkpoint or a
    key that is not of a cosignature type.
    """
    if not signer.algorithm.timed:
        raise NoteError(f"the key {signer.name} is not of a cosignature type")
    text, _ = split_note(checkpoint)
    parse_checkpoint_text(text)
    return signer.sign(text, time)


def add_signatures(checkpoint: bytes, signatures: Iterable[NoteSignature]) -> bytes:
    """Put further signature lines on a note; a line that is there already is not repeated."""
    text, present = split_note(checkpoint)
    return format_note(text, dict.fromkeys((*present, *signatures)))


def cosignatures(note: Note, verifiers: Iterable[Verifier]) -> tuple[Cosignature, ...]:
    """Give the cosignatures of these witnesses on an opened note.

    Lines of others are ignored; a line of one of them that does not hold raises `NoteError`.
    """
    witnesses = [verifier for verifier in verifiers if verifier.algorithm.timed]
    verified, _ = verify_signatures(note.text, note.signatures, witnesses)
    return tuple(map(_cosignature, verified))


def _cosignature(one: VerifiedSignature) -> Cosignature:
    if one.time is None:
        raise NoteError(f"the signature of {one.verifier.name} carries no time")
    return Cosignature(one.verifier, one.time)
