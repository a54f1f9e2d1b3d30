# SPDX-License-Identifier: Apache-2.0
"""Sketches: 256 bits of a tensor that stay nearly the same when it is copied with small changes.

Bit i says whether the element at position a_i is greater than that at b_i. The positions follow from the
shape alone (docs/spec/resemblance.md), so whoever has the weights gets the same bits, and two tables can be
compared without any weights. A sketch is taken from the bytes that are hashed, while they pass.
"""

from __future__ import annotations

import functools
import hashlib
import math
import operator
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from .elements import ELEMENTS, Places
from .spans import Span

__all__ = ["BITS", "MIN_ELEMENTS", "SketchTaker", "may_have_sketch", "positions", "sketch_of"]

BITS: Final = 256
"""Bits of a sketch."""

MIN_ELEMENTS: Final = 50_000
"""Elements of the smallest tensor that has one."""

MAX_TIES: Final = 12
"""Pairs of equal values, of 256, up to which a tensor has a sketch: 5 %."""

_DOMAIN: Final = "weighbridge/sketch/v1"
_MATRIX: Final = 2


def may_have_sketch(dtype: str, shape: Sequence[int]) -> bool:
    """Tell whether a tensor is of a kind that has a sketch, unless its values forbid one."""
    return dtype in ELEMENTS and len(shape) == _MATRIX and math.prod(shape) >= MIN_ELEMENTS


@functools.lru_cache(maxsize=128)
def positions(shape: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    r"""Return the 256 pairs of elements that are compared in a tensor of this shape.

    Positions count elements in row-major order. Block j of the generator is
    SHA-256(`weighbridge/sketch/v1\n<rows>x<columns>\n<j>`); it holds four 64-bit numbers, big-endian, which
    give pairs 2j and 2j + 1: a is the first modulo the number of elements n, b the second modulo n - 1, plus
    one if it is not below a, so that a and b differ. Raises ValueError for fewer than two elements.
    """
    count = math.prod(shape)
    if count <= 1:
        raise ValueError("a tensor of fewer than two elements has no pairs")
    seed = f"{_DOMAIN}\n{'x'.join(map(str, shape))}\n"
    pairs = []
    for block in range(BITS // 2):
        digest = hashlib.sha256(f"{seed}{block}".encode()).digest()
        for at in (0, 16):
            first = int.from_bytes(digest[at : at + 8], "big") % count
            second = int.from_bytes(digest[at + 8 : at + 16], "big") % (count - 1)
            pairs.append((first, second + (second >= first)))
    return tuple(pairs)


def sketch_of(first: Sequence[float], second: Sequence[float]) -> str:
    """Return the sketch of 256 pairs of values, given apart, as 64 hex digits, bit 0 first.

    "" if a value is infinite or no number, or if more than 5 % of the pairs are equal: such a tensor is
    sparse, constant or made by rule, and says nothing of where it comes from.
    """
    if not (all(map(math.isfinite, first)) and all(map(math.isfinite, second))):
        return ""
    if sum(map(operator.eq, first, second)) > MAX_TIES:
        return ""
    bits = "".join(map("01".__getitem__, map(operator.gt, first, second)))
    return f"{int(bits, 2):064x}"


class _Plan(NamedTuple):
    """Which units of a tensor hold the compared elements: byte offsets, ascending, and places in them."""

    nbytes: int
    offsets: tuple[int, ...]
    places: Places


@functools.lru_cache(maxsize=128)
def _plan(dtype: str, shape: tuple[int, ...]) -> _Plan:
    elements = ELEMENTS[dtype]
    wanted = [divmod(position, elements.per_unit) for pair in positions(shape) for position in pair]
    units = sorted({unit for unit, _ in wanted})
    number = {unit: index for index, unit in enumerate(units)}
    return _Plan(
        elements.nbytes,
        tuple(unit * elements.nbytes for unit in units),
        Places(tuple(number[unit] for unit, _ in wanted), tuple(inner for _, inner in wanted)),
    )


class SketchTaker:
    """Takes the sketches of a file's tensors from its bytes as they pass, in order.

    `spans` are in file order, without overlaps. `sketches` has one text for each span that was read to its
    end, "" for what has none. It holds the compared elements of one tensor at a time: at most 110 kB.
    """

    def __init__(self, spans: Sequence[Span]) -> None:
        """Begin at byte 0 of the file."""
        self.sketches: list[str] = [""] * len(spans)
        self._left: Iterator[tuple[int, Span]] = (
            (index, span) for index, span in enumerate(spans) if may_have_sketch(span.dtype, span.shape)
        )
        self._position = 0
        self._taken: list[bytes] = []
        self._part = b""
        self._next = 0
        self._current = self._begin()

    def _begin(self) -> tuple[int, Span, _Plan] | None:
        self._taken, self._part, self._next = [], b"", 0
        found = next(self._left, None)
        return None if found is None else (*found, _plan(found[1].dtype, found[1].shape))

    def update(self, data: Any, /) -> None:
        """Take the next bytes of the file."""
        view = memoryview(data)
        begin, end = self._position, self._position + len(view)
        self._position = end
        while self._current is not None and self._current[1].start < end:
            index, span, plan = self._current
            self._take(view, span.start - begin, plan)
            if self._next < len(plan.offsets):
                return
            values = ELEMENTS[span.dtype].values(b"".join(self._taken), plan.places)
            self.sketches[index] = sketch_of(values[::2], values[1::2])
            self._current = self._begin()

    def _take(self, view: memoryview, start: int, plan: _Plan) -> None:
        """Keep the units of one tensor, beginning at `start` of the view, that end in the view.

        What has begun and not ended is kept apart until the next bytes come.
        """
        size, offsets, first = plan.nbytes, plan.offsets, self._next
        last = bisect_right(offsets, len(view) - start - size)
        if self._part and first < last:
            self._taken.append(self._part + view[: start + offsets[first] + size])
            self._part = b""
            first += 1
        self._taken.append(b"".join([view[start + at : start + at + size] for at in offsets[first:last]]))
        self._next = max(last, self._next)
        if self._next < len(offsets) and start + offsets[self._next] < len(view):
            self._part += view[max(start + offsets[self._next], 0) :]
