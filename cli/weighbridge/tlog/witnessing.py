# SPDX-License-Identifier: Apache-2.0
"""What a log and a witness say to each other, and what a witness decides (C2SP tlog-witness).

A log asks a witness to cosign a checkpoint, and proves that its tree only grew:

    old 20852014                                     the size that the witness cosigned last
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=     the consistency proof, 0 to 63 hashes
    <blank line>
    <checkpoint, verbatim>

The witness answers with lines of a signed note, or refuses with an HTTP status:

    400 malformed, or the old size is beyond the checkpoint · 404 a log that it does not serve ·
    403 not signed by that log's key · 409 the old size is not the one cosigned last, which the body
    tells · 422 the proof does not hold

The order of these checks is the specification's, so that a stranger without the log's key learns
nothing of what was cosigned. Nothing here reads a clock or keeps anything: a witness makes the
decision and its record one atomic step, and answers after the record is durable.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from weighbridge.errors import CosigningError, NoteError, ProofError
from weighbridge.tlog.checkpoints import Checkpoint, parse_checkpoint_text
from weighbridge.tlog.encodings import decode_base64, decode_decimal, encode_base64
from weighbridge.tlog.merkle import EMPTY_ROOT, HASH_SIZE, verify_consistency
from weighbridge.tlog.notes import (
    MAX_NOTE_SIZE,
    NoteSignature,
    VerifiedSignature,
    Verifier,
    format_note,
    split_note,
    verify_signatures,
)

__all__ = [
    "MAX_SUBMISSION_SIZE",
    "SIZE_TYPE",
    "CosignedTree",
    "Submission",
    "SubmittedCheckpoint",
    "advance",
    "contradicts",
    "format_size",
    "format_submission",
    "open_submission",
    "origin_digest",
    "parse_answer",
    "parse_size",
    "parse_submission",
]

MAX_PROOF_HASHES: Final = 63
MAX_SUBMISSION_SIZE: Final = 512 * 1024
"""Bytes: 63 hashes, and a checkpoint with a hundred post-quantum signatures."""
SIZE_TYPE: Final = "text/x.tlog.size"
"""Content type of a 409 answer's body."""


@dataclass(frozen=True, slots=True)
class Submission:
    """An add-checkpoint request; nothing about it is verified.

    `old_size` is the size that the witness is believed to have cosigned last, `proof` leads from
    there to the checkpoint, `checkpoint` is a signed note's bytes.
    """

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: bytes


@dataclass(frozen=True, slots=True)
class SubmittedCheckpoint:
    """A submitted checkpoint that the keys of its log have signed.

    `text` is what was signed and is to be cosigned; `signatures` are the log's own lines.
    """

    checkpoint: Checkpoint
    text: str
    signatures: tuple[NoteSignature, ...]

    @property
    def note(self) -> bytes:
        """The checkpoint with the log's signatures only: lines of strangers are not kept."""
        return format_note(self.text, self.signatures)


@dataclass(frozen=True, slots=True)
class CosignedTree:
    """The largest tree of a log that a witness has cosigned: entries and root hash (32 bytes)."""

    size: int = 0
    root: bytes = EMPTY_ROOT


def format_submission(submission: Submission) -> bytes:
    """Spell a request; raises `NoteError` if it would not read back the same."""
    lines = (f"old {submission.old_size}", *map(encode_base64, submission.proof), "")
    data = "".join(f"{line}\n" for line in lines).encode() + submission.checkpoint
    try:
        same = parse_submission(data) == submission
    except CosigningError as error:
        raise NoteError(f"these parts do not make a request to a witness: {error.message}") from error
    if not same:
        raise NoteError("these parts do not make a request to a witness")
    return data


def parse_submission(data: bytes) -> Submission:
    """Read a request strictly; believes nothing that it says. Raises `CosigningError` (400)."""
    if len(data) > MAX_SUBMISSION_SIZE:
        raise CosigningError(f"a request of more than {MAX_SUBMISSION_SIZE} bytes", status=400)
    try:
        submission = _parts(data)
        split_note(submission.checkpoint)
    except (ValueError, NoteError) as error:
        raise CosigningError(
            f"not a request to a witness: {error}",
            status=400,
            hint="see C2SP tlog-witness: `old <size>`, proof hashes, a blank line, the checkpoint",
        ) from error
    return submission


def open_submission(submission: Submission, logs: Mapping[str, Collection[Verifier]]) -> SubmittedCheckpoint:
    """Check whose checkpoint it is, against the keys of each log (origin → keys).

    Raises `CosigningError`: 400 for a text that is no checkpoint or an old size beyond it, 404 for
    an origin that is not in `logs`, 403 if none of its keys has signed, or a line of one of them
    does not hold.
    """
    text, signatures = split_note(submission.checkpoint)
    try:
        checkpoint = parse_checkpoint_text(text)
    except NoteError as error:
        # An empty tree with another root has a code of its own; all else is malformed.
        status = 422 if _is_false_empty_tree(text) else 400
        raise CosigningError(error.message, status=status, evidence=error.evidence) from error
    verifiers = logs.get(checkpoint.origin)
    if not verifiers:
        raise CosigningError(
            "this witness does not serve that log",
            status=404,
            hint="ask its operator to add the log's key",
            evidence={"origin": checkpoint.origin[:500]},
        )
    try:
        verified, _ = verify_signatures(text, signatures, verifiers)
    except NoteError as error:
        raise CosigningError(error.message, status=403, evidence=error.evidence) from error
    if not verified:
        raise CosigningError(
            f"no known key of {checkpoint.origin} has signed this checkpoint",
            status=403,
            evidence={"signed_by": [f"{one.name}+{one.key_id.hex()}" for one in signatures]},
        )
    if submission.old_size > checkpoint.size:
        raise CosigningError(
            f"the old size {submission.old_size} is beyond the checkpoint's {checkpoint.size}", status=400
        )
    return SubmittedCheckpoint(checkpoint, text, tuple(one.signature for one in verified))


def advance(cosigned: CosignedTree, submission: Submission, submitted: SubmittedCheckpoint) -> CosignedTree:
    """Decide whether a witness that has cosigned a tree may cosign the submitted one, which is returned.

    `cosigned` is what the witness has on record for that origin (the empty tree if nothing), and
    stays locked until the result is on record. Raises `CosigningError`: 409 with the recorded size
    in `size` if the request starts from another one, 422 if the tree is not shown to have only grown.
    """
    checkpoint = submitted.checkpoint
    if submission.old_size != cosigned.size:
        raise CosigningError(
            f"the last cosigned checkpoint has {cosigned.size} entries, not {submission.old_size}",
            status=409,
            size=cosigned.size,
            hint="send the proof from there",
        )
    try:
        verify_consistency(cosigned.size, checkpoint.size, submission.proof, cosigned.root, checkpoint.root)
    except ProofError as error:
        raise CosigningError(
            f"not shown to extend the tree that was cosigned: {error.message}",
            status=422,
            evidence=error.evidence,
        ) from error
    return CosignedTree(checkpoint.size, checkpoint.root)


def contradicts(cosigned: CosignedTree, submitted: SubmittedCheckpoint) -> bool:
    """Tell whether a log-signed checkpoint proves a fork: of the cosigned size, with another root."""
    checkpoint = submitted.checkpoint
    return checkpoint.size == cosigned.size and not compare_digest(checkpoint.root, cosigned.root)


def parse_answer(data: bytes, text: str, witness: Verifier) -> VerifiedSignature:
    """Read a witness's 200 answer to a checkpoint's `text`, and verify its cosignature.

    Lines of other keys are ignored, the newest of several is taken. Raises `NoteError` for an
    answer that is malformed, has no line of this witness, or one that does not hold on that very text.
    """
    if len(data) + len(text) > MAX_NOTE_SIZE:
        raise NoteError("a witness's answer is too long")
    found, signatures = split_note(f"{text}\n".encode() + data)
    if found != text:
        raise NoteError("a witness's answer is more than signature lines")
    verified, _ = verify_signatures(text, signatures, [witness])
    if not verified or verified[0].time is None:
        raise NoteError(
            f"the answer holds no cosignature of {witness.name}+{witness.key_id.hex()}",
            hint="compare the witness's key with the one in your policy",
            evidence={"signed_by": [f"{one.name}+{one.key_id.hex()}" for one in signatures]},
        )
    return verified[0]


def format_size(size: int) -> bytes:
    """Spell the body of a 409 answer."""
    return b"%d\n" % size


def parse_size(data: bytes) -> int:
    """Read the body of a 409 answer strictly; raises `NoteError`."""
    line, newline, rest = data.partition(b"\n")
    try:
        size = decode_decimal(line.decode("ascii"))
    except ValueError as error:
        raise NoteError(f"a witness told no size: {error}", evidence={"start": repr(data[:80])}) from error
    if not newline or rest:
        raise NoteError("a witness told no size: not one line", evidence={"start": repr(data[:80])})
    return size


def origin_digest(origin: str) -> str:
    """Name a log in a witness's monitoring address: SHA-256 of the origin in lowercase hex."""
    return sha256(origin.encode()).hexdigest()


def _parts(data: bytes) -> Submission:
    """Take a request apart; `ValueError` says what is wrong."""
    head, separator, checkpoint = data.partition(b"\n\n")
    if not separator:
        raise ValueError("it has no blank line")
    first, *hashes = head.decode("ascii").split("\n")
    if not first.startswith("old "):
        raise ValueError("its first line is not `old <size>`")
    old_size = decode_decimal(first.removeprefix("old "))
    if len(hashes) > MAX_PROOF_HASHES:
        raise ValueError(f"its proof has more than {MAX_PROOF_HASHES} hashes")
    proof = tuple(map(decode_base64, hashes))
    if any(len(value) != HASH_SIZE for value in proof):
        raise ValueError("a hash in its proof is not 32 bytes")
    return Submission(old_size, proof, checkpoint)


def _is_false_empty_tree(text: str) -> bool:
    """Tell whether a text is a checkpoint but for its size 0 with a root that is not the empty one."""
    lines = text.split("\n")
    try:
        return decode_decimal(lines[1]) == 0 and len(decode_base64(lines[2])) == HASH_SIZE
    except (ValueError, IndexError):
        return False
