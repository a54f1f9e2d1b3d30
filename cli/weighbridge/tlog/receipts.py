# SPDX-License-Identifier: Apache-2.0
"""Receipts: the offline proof that an entry is in a log (C2SP tlog-proof).

c2sp.org/tlog-proof@v1
extra <base64>            (optional, authenticated by nothing)
index <n>
<base64 hash>             (none or more, the leaf's sibling first)
<blank line>
<checkpoint, verbatim, with its cosignatures>
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from weighbridge.errors import LogError, ProofError
from weighbridge.tlog.checkpoints import SignedCheckpoint, parse_checkpoint, parse_checkpoint_text
from weighbridge.tlog.encodings import decode_base64, decode_decimal, encode_base64
from weighbridge.tlog.merkle import HASH_SIZE, leaf_hash, verify_inclusion
from weighbridge.tlog.notes import MAX_NOTE_SIZE, Verifier, split_note

__all__ = ["MAX_RECEIPT_SIZE", "Receipt", "format_receipt", "parse_receipt", "verify_receipt"]

_HEADER = "c2sp.org/tlog-proof@v1"
_MAX_HASHES = 63
_MAX_EXTRA = 1 << 16
MAX_RECEIPT_SIZE = MAX_NOTE_SIZE + 2 * _MAX_EXTRA
"""Bytes of the longest receipt that is read."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """An inclusion proof with its checkpoint: `index` in the log, `proof` hashes, note bytes."""

    index: int
    proof: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    @property
    def origin(self) -> str:
        """The log's name as the checkpoint gives it; unverified."""
        return parse_checkpoint_text(split_note(self.checkpoint)[0]).origin


def format_receipt(receipt: Receipt) -> bytes:
    """Spell a receipt; raises `LogError` if it would not read back the same."""
    lines = [_HEADER]
    if receipt.extra is not None:
        lines.append(f"extra {encode_base64(receipt.extra)}")
    lines.append(f"index {receipt.index}")
    lines.extend(map(encode_base64, receipt.proof))
    data = "".join(f"{line}\n" for line in (*lines, "")).encode() + receipt.checkpoint
    if parse_receipt(data) != receipt:
        raise LogError("these parts do not make a receipt")
    return data


def parse_receipt(data: bytes) -> Receipt:
    """Read a receipt strictly; believes nothing that it says.

    Raises `ProofError` for a malformed receipt or an index outside its tree, `NoteError` for a
    malformed checkpoint.
    """
    if len(data) > MAX_RECEIPT_SIZE:
        raise ProofError(f"a receipt of more than {MAX_RECEIPT_SIZE} bytes")
    try:
        index, proof, checkpoint, extra = _parts(data)
    except ValueError as error:
        raise ProofError(
            f"not a receipt: {error}",
            hint="fetch the receipt again from the registry",
            evidence={"start": repr(data[:200])},
        ) from error
    size = parse_checkpoint_text(split_note(checkpoint)[0]).size
    if index >= size:
        raise ProofError(
            f"the receipt speaks of entry {index} of a tree of {size} entries",
            evidence={"index": index, "size": size},
        )
    return Receipt(index, proof, checkpoint, extra)


def verify_receipt(receipt: Receipt, leaf: bytes, verifiers: Iterable[Verifier | str]) -> SignedCheckpoint:
    """Check that the entry with these bytes is recorded in a log whose key you trust.

    `leaf` is the entry itself, not its hash: hash what you hold, never what a proof carries.
    Raises `NoteError` if the checkpoint is not signed by a trusted log key, `ProofError` if the
    inclusion proof does not hold. Witnesses are a matter of `WitnessPolicy`.
    """
    checkpoint = parse_checkpoint(receipt.checkpoint, verifiers)
    verify_inclusion(receipt.index, checkpoint.size, leaf_hash(leaf), receipt.proof, checkpoint.root)
    return checkpoint


def _parts(data: bytes) -> tuple[int, tuple[bytes, ...], bytes, bytes | None]:
    """Take a receipt apart into index, proof, checkpoint and extra; `ValueError` says what is wrong."""
    head, separator, checkpoint = data.partition(b"\n\n")
    if not separator:
        raise ValueError("it has no blank line")
    lines = head.decode("ascii").split("\n")
    if lines.pop(0) != _HEADER:
        raise ValueError(f"its first line is not {_HEADER}")
    extra = _extra(lines)
    index = decode_decimal(_field(lines, "index "))
    if len(lines) > _MAX_HASHES:
        raise ValueError("its proof has more hashes than a tree has levels")
    proof = tuple(map(decode_base64, lines))
    if any(len(value) != HASH_SIZE for value in proof):
        raise ValueError("a hash in its proof is not 32 bytes")
    return index, proof, checkpoint, extra


def _extra(lines: list[str]) -> bytes | None:
    """Take the optional `extra` line off."""
    if not lines or not lines[0].startswith("extra "):
        return None
    extra = decode_base64(_field(lines, "extra "))
    if len(extra) > _MAX_EXTRA:
        raise ValueError(f"its extra data is longer than {_MAX_EXTRA} bytes")
    return extra


def _field(lines: list[str], prefix: str) -> str:
    """Take a line off that must start with `prefix`, and give the rest of it."""
    if not lines or not lines[0].startswith(prefix):
        raise ValueError(f"it has no line {prefix.strip()!r} in its place")
    return lines.pop(0).removeprefix(prefix)
