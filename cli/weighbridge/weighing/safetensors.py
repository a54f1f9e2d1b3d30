# SPDX-License-Identifier: Apache-2.0
"""The header of a safetensors file, read without trusting a length in it.

Format: 8 bytes header length (little-endian), JSON header, then the data; each member of the header
names a tensor with dtype, shape and [begin, end) offsets into the data. The offsets must cover the
data exactly, without gap, overlap or rest, as the reference reader demands: otherwise bytes could
hide in a file that no tensor owns, or one name could show the bytes of another.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

from .spans import (
    MAX_SAFE_INTEGER,
    Layout,
    Prefix,
    Span,
    SpanError,
    UnknownLayoutError,
    checked_cover,
    checked_name,
    checked_shape,
)

__all__ = ["MAX_HEADER_BYTES", "MAX_NODES", "read_header"]

LENGTH_BYTES: Final = 8

MAX_HEADER_BYTES: Final = 100_000_000
"""The format's own cap."""

MAX_NODES: Final = 4_000_000
"""Most members and elements: 100 MB of empty arrays would take two gigabytes of memory."""

_BITS: Final = {
    "BOOL": 8,
    "C64": 64,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "F8_E4M3": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2": 8,
    "F8_E5M2FNUZ": 8,
    "F8_E8M0": 8,
    "BF16": 16,
    "F16": 16,
    "F32": 32,
    "F64": 64,
    "I16": 16,
    "I32": 32,
    "I64": 64,
    "I8": 8,
    "U16": 16,
    "U32": 32,
    "U64": 64,
    "U8": 8,
}


def read_header(prefix: Prefix) -> Layout:
    """Return the tensors in file order, with offsets from the start of the file.

    Raises SpanError for whatever the reference reader refuses, and for duplicate members, which
    it does not see. A dtype that is newer than this table gives a note instead.
    """
    length = _header_length(prefix)
    prefix.reach(LENGTH_BYTES + length)
    header = bytes(prefix.data[LENGTH_BYTES : LENGTH_BYTES + length])
    if not header.startswith(b"{"):
        raise SpanError("has no JSON object where the safetensors header should be")
    if header.count(b"[") + header.count(b"{") + header.count(b",") > MAX_NODES:
        raise SpanError(f"has a safetensors header of more than {MAX_NODES} members and elements")
    try:
        members = json.loads(header.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise SpanError(f"has a malformed safetensors header ({_words(error)})") from error
    metadata = members.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise SpanError("has a __metadata__ that does not map text to text")
    start = LENGTH_BYTES + length
    try:
        spans = [_span(name, member, start) for name, member in members.items()]
    except UnknownLayoutError as error:
        return Layout(note=str(error))
    return Layout(checked_cover(spans, start, prefix.size))


def _header_length(prefix: Prefix) -> int:
    if prefix.size < LENGTH_BYTES:
        raise SpanError(f"has {prefix.size} bytes, too few for a safetensors header")
    prefix.reach(LENGTH_BYTES)
    length = int.from_bytes(prefix.data[:LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        raise SpanError(f"claims a header of {length} bytes; the format allows {MAX_HEADER_BYTES}")
    if length > prefix.size - LENGTH_BYTES:
        left = prefix.size - LENGTH_BYTES
        raise SpanError(f"claims a header of {length} bytes, but has only {left} after the length")
    return length


def _span(name: str, member: Any, start: int) -> Span:
    checked_name(name)
    if not isinstance(member, dict) or set(member) != {"dtype", "shape", "data_offsets"}:
        raise SpanError(f"describes tensor {name!r} with other members than dtype, shape, data_offsets")
    dtype, shape, offsets = member["dtype"], checked_shape(name, member["shape"]), member["data_offsets"]
    if not isinstance(dtype, str):
        raise SpanError(f"has tensor {name!r} with a dtype that is no text")
    bits = _BITS.get(dtype)
    if bits is None:
        raise UnknownLayoutError(f"has tensor {name!r} of unknown dtype {dtype[:32]!a}")
    match offsets:
        case [int() as begin, int() as end] if type(begin) is int and type(end) is int:
            pass
        case _:
            raise SpanError(f"has tensor {name!r} with data_offsets that are not two integers")
    # Before any arithmetic or message: Python itself refuses to write an integer of thousands of digits.
    if max(abs(begin), abs(end)) > MAX_SAFE_INTEGER:
        raise SpanError(f"has tensor {name!r} with offsets beyond the end of any file")
    if not 0 <= begin <= end:
        raise SpanError(f"has tensor {name!r} with offsets {begin}, {end} out of order")
    if math.prod(shape) * bits != (end - begin) * 8:
        raise SpanError(f"has tensor {name!r} whose shape and dtype do not fit its {end - begin} bytes")
    return Span(name, dtype, shape, start + begin, start + end)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"member {name[:64]!r} appears twice")
            seen.add(name)
    return members


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _words(error: Exception) -> str:
    return "too deep" if isinstance(error, RecursionError) else str(error)
