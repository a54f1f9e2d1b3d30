# SPDX-License-Identifier: Apache-2.0
"""The header of a GGUF file (versions 2 and 3, little-endian), read without trusting a count in it.

Format: magic, version, number of tensors, number of metadata pairs; the pairs; name, dimensions
(innermost first), type and offset of each tensor; padding; the data, in which every tensor begins
at a multiple of `general.alignment`. Metadata is skipped but for the alignment and the chat
templates. The header has no length of its own, so it is read as far as it goes, up to a cap.
"""

from __future__ import annotations

import math
import struct
from typing import Final

from .spans import (
    MAX_TENSORS,
    Layout,
    Prefix,
    Span,
    SpanError,
    UnknownLayoutError,
    checked_cover,
    checked_name,
    checked_shape,
)

__all__ = ["MAGIC", "MAX_HEADER_BYTES", "read_header"]

MAGIC: Final = b"GGUF"

MAX_HEADER_BYTES: Final = 100_000_000
"""Longest header that is read; real ones, with their vocabulary, take up to about 20 MB."""

_VERSIONS: Final = frozenset({2, 3})
_MAX_PAIRS: Final = 65_536
_MAX_KEY_BYTES: Final = 65_535
_MAX_DIMENSIONS: Final = 8
_MAX_ITEMS: Final = 4_000_000
_MAX_DEPTH: Final = 4
_MAX_TEMPLATES: Final = 64
_DEFAULT_ALIGNMENT: Final = 32
_MAX_ALIGNMENT: Final = 65_536

_STRING: Final = 8
_ARRAY: Final = 9
_UINT32: Final = 4
_SCALAR_BYTES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

_ALIGNMENT_KEY: Final = b"general.alignment"
_TEMPLATE_KEY: Final = b"tokenizer.chat_template"

# Type → name, elements of a block, bytes of a block (ggml).
_TYPES: Final = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}


class _Cursor:
    """Reads values in order; never further than the file, the cap, or what was asked for."""

    def __init__(self, prefix: Prefix) -> None:
        self._prefix = prefix
        self.position = 0
        self.items = 0

    def take(self, count: int) -> bytes:
        begin = self.position
        self.skip(count)
        return bytes(self._prefix.data[begin : self.position])

    def skip(self, count: int) -> None:
        end = self.position + count
        if end > MAX_HEADER_BYTES:
            raise SpanError(f"has a header of more than {MAX_HEADER_BYTES} bytes")
        self._prefix.reach(end)
        self.position = end

    def u32(self) -> int:
        return int(struct.unpack("<I", self.take(4))[0])

    def u64(self) -> int:
        return int(struct.unpack("<Q", self.take(8))[0])

    def string(self, most: int = MAX_HEADER_BYTES) -> bytes:
        length = self.u64()
        if length > most:
            raise SpanError(f"has a text of {length} bytes in its header, where {most} are allowed")
        return self.take(length)

    def skip_string(self) -> None:
        self.skip(self.u64())


def read_header(prefix: Prefix) -> Layout:
    """Return the tensors and chat templates of a GGUF file, reading as far as its header goes.

    Raises SpanError for counts and lengths beyond the file or the caps, duplicate names, and
    offsets that overlap, leave gaps larger than the padding, or leave the file. Other versions
    and types of tensors that are newer than this table give a note instead.
    """
    cursor = _Cursor(prefix)
    if cursor.take(len(MAGIC)) != MAGIC:
        raise SpanError("has no GGUF header")
    version = cursor.u32()
    if version not in _VERSIONS:
        big = int.from_bytes(version.to_bytes(4, "little"), "big") in _VERSIONS
        return Layout(note="is GGUF in big-endian order" if big else f"is GGUF of version {version}")
    tensors, pairs = cursor.u64(), cursor.u64()
    if tensors > MAX_TENSORS or pairs > _MAX_PAIRS:
        raise SpanError(f"claims {tensors} tensors and {pairs} metadata pairs")
    alignment, templates = _metadata(cursor, pairs)
    try:
        found = [_tensor(cursor) for _ in range(tensors)]
    except UnknownLayoutError as error:
        return Layout((), templates, str(error))
    if len({span.name for span in found}) != len(found):
        raise SpanError("has two tensors of the same name")
    start = cursor.position + -cursor.position % alignment
    placed = [_placed(span, start, alignment) for span in found]
    # Without tensors there is no data, and writers leave the padding out.
    start = min(start, prefix.size) if not placed else start
    return Layout(checked_cover(placed, start, prefix.size, alignment), templates)


def _metadata(cursor: _Cursor, pairs: int) -> tuple[int, tuple[tuple[str | None, bytes], ...]]:
    alignment = _DEFAULT_ALIGNMENT
    templates: list[tuple[str | None, bytes]] = []
    seen: set[bytes] = set()
    for _ in range(pairs):
        key, type_ = cursor.string(_MAX_KEY_BYTES), cursor.u32()
        if key in seen:
            raise SpanError(f"has the metadata key {ascii(key[:64])[1:]} twice")
        seen.add(key)
        if key == _ALIGNMENT_KEY:
            alignment = _alignment(cursor, type_)
        elif type_ == _STRING and (key == _TEMPLATE_KEY or key.startswith(_TEMPLATE_KEY + b".")):
            name = key[len(_TEMPLATE_KEY) + 1 :].decode("utf-8", "replace")
            templates.append((name or None, cursor.string()))
            if len(templates) > _MAX_TEMPLATES:
                raise SpanError(f"has more than {_MAX_TEMPLATES} chat templates")
        else:
            _skip_value(cursor, type_)
    return alignment, tuple(templates)


def _alignment(cursor: _Cursor, type_: int) -> int:
    alignment = cursor.u32() if type_ == _UINT32 else 0
    if not 0 < alignment <= _MAX_ALIGNMENT or alignment & (alignment - 1):
        raise SpanError(f"has an alignment that is no power of two up to {_MAX_ALIGNMENT}")
    return alignment


def _skip_value(cursor: _Cursor, type_: int, depth: int = 0) -> None:
    if type_ == _STRING:
        cursor.skip_string()
    elif type_ == _ARRAY and depth < _MAX_DEPTH:
        inner, count = cursor.u32(), cursor.u64()
        if inner in _SCALAR_BYTES:
            cursor.skip(_SCALAR_BYTES[inner] * count)
            return
        cursor.items += count
        if cursor.items > _MAX_ITEMS:
            raise SpanError(f"has more than {_MAX_ITEMS} texts in its metadata")
        for _ in range(count):
            _skip_value(cursor, inner, depth + 1)
    elif type_ in _SCALAR_BYTES:
        cursor.skip(_SCALAR_BYTES[type_])
    else:
        raise SpanError(f"has metadata of unknown type {type_}, or nested too deep")


def _tensor(cursor: _Cursor) -> Span:
    """Return a tensor with offsets into the data, which is not yet known where it begins."""
    try:
        name = checked_name(cursor.string(4096).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SpanError("has a tensor name that is not UTF-8") from error
    dimensions = cursor.u32()
    if dimensions > _MAX_DIMENSIONS:
        raise SpanError(f"has tensor {name!r} with {dimensions} dimensions")
    inner_first = [cursor.u64() for _ in range(dimensions)]
    shape = checked_shape(name, inner_first[::-1])
    type_, offset = cursor.u32(), cursor.u64()
    if type_ not in _TYPES:
        raise UnknownLayoutError(f"has tensor {name!r} of unknown type {type_}")
    dtype, block, block_bytes = _TYPES[type_]
    if (inner_first[0] if inner_first else 1) % block:
        raise SpanError(f"has tensor {name!r} with rows that are not whole blocks of {dtype}")
    return Span(name, dtype, shape, offset, offset + math.prod(shape) // block * block_bytes)


def _placed(span: Span, start: int, alignment: int) -> Span:
    if span.start % alignment:
        raise SpanError(f"has tensor {span.name!r} at an offset that is not aligned to {alignment}")
    return span._replace(start=span.start + start, end=span.end + start)
