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

from .spans import Span, SpanError, checked_cover, checked_name, checked_shape

__all__ = ["LENGTH_BYTES", "MAX_HEADER_BYTES", "header_length", "read_header"]

LENGTH_BYTES: Final = 8

MAX_HEADER_BYTES: Final = 100_000_000
"""The format's own cap."""

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


def header_length(first: bytes, size: int) -> int:
    """Return the header's length in bytes from the first 8 bytes of a file of `size` bytes."""
    if len(first) < LENGTH_BYTES:
        raise SpanError(f"has {size} bytes, too few for a safetensors header")
    length = int.from_bytes(first[:LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        raise SpanError(f"claims a header of {length} bytes; the format allows {MAX_HEADER_BYTES}")
    if length > size - LENGTH_BYTES:
        raise SpanError(
            f"claims a header of {length} bytes, but has only {size - LENGTH_BYTES} after the length"
        )
    return length


def read_header(header: bytes, size: int) -> tuple[Span, ...]:
    """Return the spans of all tensors, in file order, with offsets from the start of the file.

    `header` is the JSON text, `size` the size of the whole file. Raises SpanError for whatever the
    reference reader refuses, and for duplicate members, which it does not see.
    """
    if not header.startswith(b"{"):
        raise SpanError("has no JSON object where the safetensors header should be")
    try:
        members = json.loads(header.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise SpanError(f"has a malformed safetensors header ({_words(error)})") from error
    start = LENGTH_BYTES + len(header)
    metadata = members.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise SpanError("has a __metadata__ that does not map text to text")
    spans = [_span(name, member, start) for name, member in members.items()]
    return checked_cover(spans, start, size)


def _span(name: str, member: Any, start: int) -> Span:
    checked_name(name)
    if not isinstance(member, dict) or set(member) != {"dtype", "shape", "data_offsets"}:
        raise SpanError(f"describes tensor {name!r} with other members than dtype, shape, data_offsets")
    dtype, shape, offsets = member["dtype"], checked_shape(name, member["shape"]), member["data_offsets"]
    bits = _BITS.get(dtype) if isinstance(dtype, str) else None
    if bits is None:
        raise SpanError(f"has tensor {name!r} of unknown dtype {str(dtype)[:32]!r}")
    match offsets:
        case [int() as begin, int() as end] if type(begin) is int and type(end) is int:
            pass
        case _:
            raise SpanError(f"has tensor {name!r} with data_offsets that are not two integers")
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
