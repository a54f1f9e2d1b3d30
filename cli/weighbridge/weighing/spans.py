# SPDX-License-Identifier: Apache-2.0
"""Where the tensors lie in a file: what the parsers of the formats have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

__all__ = [
    "MAX_SAFE_INTEGER",
    "MAX_TENSORS",
    "Layout",
    "Prefix",
    "Span",
    "SpanError",
    "UnknownLayoutError",
    "checked_cover",
    "checked_name",
    "checked_shape",
]

MAX_TENSORS: Final = 1_000_000
"""Most tensors in one file."""

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""Largest number of elements or bytes: what JSON readers agree on, and more than any file has."""

_STEP: Final = 256 * 1024
_MAX_NAME: Final = 1024
_MAX_DIMENSIONS: Final = 32


class SpanError(ValueError):
    """A file's header is malformed. The words continue "the file …"; the reader adds which file."""


class Span(NamedTuple):
    """A tensor's place in a file: bytes `start` up to, not including, `end`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class UnknownLayoutError(SpanError):
    """A file may be in order, but in a way that is newer or rarer than this parser knows."""


class Layout(NamedTuple):
    """What is kept of a header: where the tensors lie, and the chat templates (name, text).

    A `note` says why a file that should hold tensors has none here; it continues "the file …".
    """

    spans: tuple[Span, ...] = ()
    templates: tuple[tuple[str | None, bytes], ...] = ()
    note: str = ""


class Prefix:
    """The beginning of a file, read as far as a parser needs it and never beyond the file.

    `data` is what was read so far; `size` is the size of the whole file.
    """

    def __init__(self, data: bytes, size: int, read: Callable[[int], bytes]) -> None:
        self.data = bytearray(data)
        self.size = size
        self._read = read

    def reach(self, end: int) -> None:
        """Read on until `data` has at least `end` bytes; raises SpanError if the file is shorter."""
        if end > self.size:
            raise SpanError("ends in the middle of its header")
        while len(self.data) < end:
            wanted = min(max(end - len(self.data), _STEP), self.size - len(self.data))
            more = self._read(wanted)
            if not more:
                raise SpanError("ends in the middle of its header")
            self.data += more


def checked_name(name: str) -> str:
    """Return a tensor's name, or raise SpanError if it cannot be written into a statement."""
    if not name or len(name) > _MAX_NAME:
        raise SpanError(f"has a tensor name of {len(name)} characters; 1 to {_MAX_NAME} are allowed")
    if not name.isprintable():
        raise SpanError(f"has a tensor name with control or invisible characters, {ascii(name)[:80]}")
    return name


def checked_shape(name: str, shape: Any) -> tuple[int, ...]:
    """Return a shape as a tuple, or raise SpanError unless it is a short list of counts.

    Products are bounded, so that no later multiplication overflows in a reader with fixed-size
    integers.
    """
    if not isinstance(shape, list) or len(shape) > _MAX_DIMENSIONS:
        raise SpanError(
            f"has tensor {name!r} with a shape that is not a list of at most {_MAX_DIMENSIONS} numbers"
        )
    if not all(type(n) is int and 0 <= n <= MAX_SAFE_INTEGER for n in shape):
        raise SpanError(f"has tensor {name!r} with a dimension that is not a number of elements")
    if math.prod(n or 1 for n in shape) > MAX_SAFE_INTEGER:
        raise SpanError(f"has tensor {name!r} with more elements than any file can hold")
    return tuple(shape)


def checked_cover(spans: Iterable[Span], start: int, size: int, alignment: int = 1) -> tuple[Span, ...]:
    """Return spans in file order, or raise SpanError unless they cover [start, size) exactly.

    With an `alignment` above 1 the space up to the next multiple after each tensor is padding.
    """
    ordered = tuple(sorted(spans, key=lambda span: (span.start, span.end)))
    if len(ordered) > MAX_TENSORS:
        raise SpanError(f"has {len(ordered)} tensors; {MAX_TENSORS} are allowed")
    position = start
    for span in ordered:
        if span.end > size:
            raise SpanError(
                f"has tensor {span.name!r} ending at byte {span.end}, after the end of the file ({size})"
            )
        if span.start < position:
            raise SpanError(f"has tensor {span.name!r} overlapping the one before it")
        if span.start != position:
            raise SpanError(
                f"has {span.start - position} bytes before tensor {span.name!r} that belong to no tensor"
            )
        position = span.end + -span.end % alignment
    if size > position:
        raise SpanError(f"has {size - position} bytes after the last tensor that belong to no tensor")
    return ordered
