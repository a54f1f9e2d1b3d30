# SPDX-License-Identifier: Apache-2.0
"""The value of one element of a tensor, read from its stored bytes: plain numbers and ggml's blocks.

Only what a sketch needs (docs/spec/resemblance.md): a few hundred elements of a tensor, each from the unit
that holds it. A unit is one number, or one block of a quantised tensor with its scales. Values are what IEEE
754 double arithmetic gives, so every reader gets the same ones; ggml computes in single precision, which
differs in the last bits only.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

__all__ = ["ELEMENTS", "Elements", "Places"]


class Places(NamedTuple):
    """Where elements are: the i-th is number `inners[i]` in unit number `units[i]` of those at hand."""

    units: tuple[int, ...]
    inners: tuple[int, ...]


class Elements(NamedTuple):
    """How a dtype stores elements: `per_unit` of them in each unit of `nbytes`.

    `values` takes units one after the other and places in them; it gives the values in the order of the
    places. Infinities and NaN come out as they are.
    """

    per_unit: int
    nbytes: int
    values: Callable[[bytes, Places], Sequence[float]]


_K_PLAIN: Final = 4
"""Groups of a K block whose scales are not split over two bytes."""


def _plain(letter: str) -> Elements:
    nbytes = struct.calcsize(f"<{letter}")

    def values(data: bytes, places: Places) -> Sequence[float]:
        numbers = struct.unpack(f"<{len(data) // nbytes}{letter}", data)
        return [numbers[unit] for unit in places.units]

    return Elements(1, nbytes, values)


def _bfloat16(data: bytes, places: Places) -> Sequence[float]:
    halves = struct.unpack(f"<{len(data) // 2}H", data)
    wide = struct.pack(f"<{len(halves)}I", *(half << 16 for half in halves))
    numbers = struct.unpack(f"<{len(halves)}f", wide)
    return [numbers[unit] for unit in places.units]


def _float8(exponent_bits: int, *, infinities: bool) -> Elements:
    """Eight-bit floats (OCP 8-bit Floating Point Specification 1.0): E4M3 has no infinities, E5M2 has."""
    mantissa_bits = 7 - exponent_bits
    bias = (1 << exponent_bits - 1) - 1
    table = []
    for byte in range(256):
        exponent, mantissa = byte >> mantissa_bits & (1 << exponent_bits) - 1, byte & (1 << mantissa_bits) - 1
        if exponent:
            size = (1 + mantissa / (1 << mantissa_bits)) * 2.0 ** (exponent - bias)
        else:
            size = mantissa / (1 << mantissa_bits) * 2.0 ** (1 - bias)
        if exponent == (1 << exponent_bits) - 1:
            if infinities:
                size = float("nan") if mantissa else float("inf")
            elif mantissa == (1 << mantissa_bits) - 1:
                size = float("nan")
        table.append(-size if byte & 0x80 else size)
    return Elements(1, 1, lambda data, places: [table[data[unit]] for unit in places.units])


def _blocks(per_unit: int, nbytes: int, value: Callable[[bytes, int], float]) -> Elements:
    """Blocks of ggml: `value` gives one element of one block."""

    def values(data: bytes, places: Places) -> Sequence[float]:
        blocks = [data[at : at + nbytes] for at in range(0, len(data), nbytes)]
        return [value(blocks[unit], inner) for unit, inner in zip(*places, strict=True)]

    return Elements(per_unit, nbytes, values)


def _scale(block: bytes, at: int = 0) -> float:
    scale: float = struct.unpack_from("<e", block, at)[0]
    return scale


def _signed(byte: int) -> int:
    return (byte ^ 128) - 128


def _nibble(packed: bytes, inner: int) -> int:
    """Return one of 32 four-bit numbers: the low halves of 16 bytes, then the high ones."""
    return packed[inner % 16] >> inner // 16 * 4 & 15


def _q4_0(block: bytes, inner: int) -> float:
    return _scale(block) * (_nibble(block[2:], inner) - 8)


def _q4_1(block: bytes, inner: int) -> float:
    return _scale(block) * _nibble(block[4:], inner) + _scale(block, 2)


def _q5_0(block: bytes, inner: int) -> float:
    high = int.from_bytes(block[2:6], "little") >> inner & 1
    return _scale(block) * ((_nibble(block[6:], inner) | high << 4) - 16)


def _q5_1(block: bytes, inner: int) -> float:
    high = int.from_bytes(block[4:8], "little") >> inner & 1
    return _scale(block) * (_nibble(block[8:], inner) | high << 4) + _scale(block, 2)


def _q8_0(block: bytes, inner: int) -> float:
    return _scale(block) * _signed(block[2 + inner])


def _k_scales(packed: bytes, group: int) -> tuple[int, int]:
    """Return scale and minimum of one of the eight groups of 32: six bits each, packed into twelve bytes."""
    if group < _K_PLAIN:
        return packed[group] & 63, packed[group + 4] & 63
    low = packed[group + 4]
    return low & 15 | packed[group - 4] >> 2 & 48, low >> 4 | packed[group] >> 2 & 48


def _k_nibble(packed: bytes, inner: int) -> int:
    """Return one of 256 four-bit numbers: 64 share 32 bytes, the first half low, the second high."""
    return packed[inner // 64 * 32 + inner % 32] >> inner // 32 % 2 * 4 & 15


def _k_value(block: bytes, inner: int, number: int) -> float:
    scale, minimum = _k_scales(block[4:16], inner // 32)
    return _scale(block) * scale * number - _scale(block, 2) * minimum


def _q4_k(block: bytes, inner: int) -> float:
    return _k_value(block, inner, _k_nibble(block[16:], inner))


def _q5_k(block: bytes, inner: int) -> float:
    high = block[16 + inner % 32] >> inner // 32 & 1
    return _k_value(block, inner, _k_nibble(block[48:], inner) | high << 4)


def _q6_k(block: bytes, inner: int) -> float:
    half, rest = divmod(inner, 128)
    low = block[half * 64 + rest % 64] >> rest // 64 * 4 & 15
    high = block[128 + half * 32 + rest % 32] >> rest // 32 * 2 & 3
    scale = _signed(block[192 + inner // 16])
    return _scale(block, 208) * scale * ((low | high << 4) - 32)


ELEMENTS: Final[dict[str, Elements]] = {
    "F64": _plain("d"),
    "F32": _plain("f"),
    "F16": _plain("e"),
    "BF16": Elements(1, 2, _bfloat16),
    "F8_E4M3": _float8(4, infinities=False),
    "F8_E5M2": _float8(5, infinities=True),
    "I8": _plain("b"),
    "Q4_0": _blocks(32, 18, _q4_0),
    "Q4_1": _blocks(32, 20, _q4_1),
    "Q5_0": _blocks(32, 22, _q5_0),
    "Q5_1": _blocks(32, 24, _q5_1),
    "Q8_0": _blocks(32, 34, _q8_0),
    "Q4_K": _blocks(256, 144, _q4_k),
    "Q5_K": _blocks(256, 176, _q5_k),
    "Q6_K": _blocks(256, 210, _q6_k),
}
"""Every dtype that has sketches. What is not here is no weight (counters, masks), or packed so that single
values mean nothing (GPTQ in I32, bitsandbytes in U8)."""
