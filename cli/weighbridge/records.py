# SPDX-License-Identifier: Apache-2.0
"""The record file `provenance.jsonl`: signed statements, each with the proof that it is recorded.

One JSON object a line, `{"bundle":<base64>,"leaf":<base64>,"receipt":<text>,"v":1}`
(`docs/spec/receipts.md`). A record travels beside a model through any hub or stick and proves
itself offline; nothing in it is believed until the three parts of a line were checked against
each other and against a log key that the reader trusts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from weighbridge.canonical import decode, encode
from weighbridge.errors import BundleError, LogError
from weighbridge.tlog.encodings import decode_base64, encode_base64

__all__ = ["MAX_RECORD_BYTES", "MAX_RECORD_LINES", "RecordLine", "format_record", "parse_record"]

MAX_RECORD_BYTES = 64 << 20
"""Longest record file that is read: 64 MiB."""
MAX_RECORD_LINES = 1024
"""Most lines of a record file: statements of one release and its namespace."""
_MAX_BUNDLE = 16 << 20
_MEMBERS = {"bundle", "leaf", "receipt", "v"}


@dataclass(frozen=True, slots=True)
class RecordLine:
    """One recorded statement: the bundle's bytes, the log entry's, the receipt's; all unverified."""

    bundle: bytes
    leaf: bytes
    receipt: bytes


def parse_record(
    data: bytes, *, max_bytes: int = MAX_RECORD_BYTES, max_lines: int = MAX_RECORD_LINES
) -> tuple[RecordLine, ...]:
    """Read a record file strictly; believes nothing in it.

    Raises `LogError` naming the line, for anything but 1 to `max_lines` lines of the one form.
    """
    if len(data) > max_bytes:
        raise LogError(f"a record file of {len(data):,} bytes is over the limit of {max_bytes:,}")
    lines = data.removesuffix(b"\n").split(b"\n", max_lines)
    if len(lines) > max_lines:
        raise LogError(f"a record file of more than {max_lines} lines")
    return tuple(_parse_line(number, line) for number, line in enumerate(lines, start=1))


def format_record(lines: Iterable[RecordLine]) -> bytes:
    """Spell a record file: canonical JSON (RFC 8785), one line each, in the order given."""
    return b"".join(
        encode(
            {
                "v": 1,
                "bundle": encode_base64(line.bundle),
                "leaf": encode_base64(line.leaf),
                "receipt": line.receipt.decode("utf-8"),
            }
        )
        + b"\n"
        for line in lines
    )


def _parse_line(number: int, line: bytes) -> RecordLine:
    try:
        return _read(decode(line, max_bytes=MAX_RECORD_BYTES, max_depth=2))
    except (BundleError, ValueError) as error:
        raise LogError(
            f"line {number} of the record file: {error}",
            hint="the record was cut off or changed; get it again from the publisher or the registry",
            evidence={"line": number},
        ) from error


def _read(value: Any) -> RecordLine:
    """Check the members of one line; `ValueError` says what is wrong."""
    if not isinstance(value, dict) or set(value) != _MEMBERS:
        raise ValueError("not an object with the members bundle, leaf, receipt and v")
    if type(value["v"]) is not int or value["v"] != 1:
        raise ValueError("its version is not 1; a newer weighbridge may read it")
    bundle = _base64(value, "bundle", _MAX_BUNDLE)
    from weighbridge.tlog.receipts import MAX_RECEIPT_SIZE
    from weighbridge.tlog.tiles import MAX_ENTRY_SIZE

    leaf = _base64(value, "leaf", MAX_ENTRY_SIZE)
    if not isinstance(value["receipt"], str):
        raise ValueError("its receipt is not text")  # noqa: TRY004 - bad input, not a bad call
    receipt = value["receipt"].encode("utf-8")
    if len(receipt) > MAX_RECEIPT_SIZE:
        raise ValueError("its receipt is too long")
    return RecordLine(bundle, leaf, receipt)


def _base64(value: dict[str, Any], member: str, limit: int) -> bytes:
    text = value[member]
    if not isinstance(text, str):
        raise ValueError(f"its {member} is not text")  # noqa: TRY004 - bad input, not a bad call
    if len(text) > limit * 4 // 3 + 4:
        raise ValueError(f"its {member} is longer than {limit:,} bytes")
    try:
        return decode_base64(text)
    except ValueError as error:
        raise ValueError(f"its {member} is {error}") from error
