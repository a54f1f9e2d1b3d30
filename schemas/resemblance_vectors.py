# SPDX-License-Identifier: Apache-2.0
"""Vectors of docs/spec/resemblance.md: positions, sketches, thresholds, lines of a tensor table.

Tensors are given by a rule, not by their bytes: with mix(i) = (i * 2654435761 mod 2^32) div 2^16, element i
of a plain tensor is mix(i) mod 251 - 125. The bytes of 8-bit floats and of blocks are mix(i) mod 256 of their
own index i; in 8-bit floats bit 6 is cleared, so that all are finite; the half-precision scale of block j is
0.5 + (mix(j) mod 1024) / 2048, its half-precision minimum half of that.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable
from typing import Any, Final

from weighbridge import canonical, resemblance, weighing
from weighbridge.errors import BundleError
from weighbridge.weighing.elements import ELEMENTS
from weighbridge.weighing.sketches import SketchTaker, positions
from weighbridge.weighing.spans import Span

__all__ = ["document"]

SHAPE: Final = (200, 256)
SHAPES: Final = ((200, 256), (384, 384), (30522, 384), (128256, 4096))
LETTERS: Final = {"F64": "d", "F32": "f", "F16": "e", "I8": "b"}
SCALES: Final = {
    "Q4_0": (0,),
    "Q4_1": (0, 2),
    "Q5_0": (0,),
    "Q5_1": (0, 2),
    "Q8_0": (0,),
    "Q4_K": (0, 2),
    "Q5_K": (0, 2),
    "Q6_K": (208,),
}
BYTE: Final = 256
WITHOUT_BIT_6: Final = 0xBF


def document() -> dict[str, Any]:
    """Return all vectors."""
    return {
        "positions": [_positions(shape) for shape in SHAPES],
        "sketches": [_sketch(dtype) for dtype in ELEMENTS],
        "none": list(_without()),
        "thresholds": [
            {"shape": list(shape), "comparisons": many, "bits": resemblance.threshold(shape, many)}
            for shape in ((16, 50_000), (64, 1024), (384, 384), (1536, 384), (4096, 4096))
            for many in (1, 100, 10_000)
        ],
        "tables": [*_accepted(), *_refused()],
    }


def _positions(shape: tuple[int, int]) -> dict[str, Any]:
    pairs = [list(pair) for pair in positions(shape)]
    return {
        "shape": list(shape),
        "first": pairs[:4],
        "sha256": hashlib.sha256(canonical.encode(pairs)).hexdigest(),
    }


def _mix(index: int) -> int:
    return (index * 2654435761 % 2**32) >> 16


def _number(index: int) -> int:
    return _mix(index) % 251 - 125


def data(dtype: str, shape: tuple[int, ...], number: Callable[[int], float] = _number) -> bytes:
    """Return the bytes of the tensor of the rule above."""
    count = math.prod(shape)
    if dtype in LETTERS:
        return struct.pack(f"<{count}{LETTERS[dtype]}", *map(number, range(count)))
    if dtype == "BF16":
        wide = data("F32", shape, number)
        return b"".join(wide[at + 2 : at + 4] for at in range(0, len(wide), 4))
    elements = ELEMENTS[dtype]
    made = bytearray(_mix(index) % BYTE for index in range(count // elements.per_unit * elements.nbytes))
    if dtype not in SCALES:
        return bytes(byte & WITHOUT_BIT_6 for byte in made)
    for block in range(len(made) // elements.nbytes):
        scale = 0.5 + _mix(block) % 1024 / 2048
        for value, offset in zip((scale, scale / 2), SCALES[dtype], strict=False):
            struct.pack_into("<e", made, block * elements.nbytes + offset, value)
    return bytes(made)


def take(dtype: str, shape: tuple[int, ...], content: bytes) -> str:
    """Return the sketch of a tensor that is a whole file."""
    taker = SketchTaker([Span("a", dtype, shape, 0, len(content))])
    taker.update(content)
    return taker.sketches[0]


def _sketch(dtype: str) -> dict[str, Any]:
    content = data(dtype, SHAPE)
    found = take(dtype, SHAPE, content)
    if not found:
        raise SystemExit(f"the vector of {dtype} should have a sketch and has none")
    return {
        "dtype": dtype,
        "shape": list(SHAPE),
        "sha256": hashlib.sha256(content).hexdigest(),
        "sketch": found,
    }


def _without() -> list[dict[str, Any]]:
    """Tensors that have none, or just have one, each with what is changed in the rule's F32 tensor."""
    pairs = positions(SHAPE)
    cases: list[tuple[str, dict[int, str]]] = [
        ("a value that is compared is no number", {pairs[7][0]: "nan"}),
        ("a value that is compared is infinite", {pairs[255][1]: "-inf"}),
        ("no value that is compared is changed", {_unused(pairs): "nan"}),
    ]
    found = []
    for words, changes in cases:
        numbers = {index: float(text) for index, text in changes.items()}
        content = data("F32", SHAPE, lambda index, numbers=numbers: numbers.get(index, _number(index)))  # type: ignore[misc]
        found.append(
            {
                "why": words,
                "changes": {str(index): text for index, text in changes.items()},
                "sketch": take("F32", SHAPE, content) or None,
            }
        )
    if [case["sketch"] is None for case in found] != [True, True, False]:
        raise SystemExit("the vectors without a sketch are not what they should be")
    return found


def _unused(pairs: tuple[tuple[int, int], ...]) -> int:
    used = {position for pair in pairs for position in pair}
    return next(index for index in range(math.prod(SHAPE)) if index not in used)


def _line(**changes: Any) -> dict[str, Any]:
    sketch = take("F32", SHAPE, data("F32", SHAPE))
    members = {"dtype": "F32", "name": "a", "nbytes": 204_800, "sha256": "0" * 64, "shape": list(SHAPE)}
    return {**members, "sketch": sketch, "v": "weighbridge/tensor/v1", **changes}


def _accepted() -> list[dict[str, Any]]:
    plain = _line()
    del plain["sketch"]
    return [_table("a tensor with its sketch", _line()), _table("a tensor without one", plain)]


def _table(words: str, line: dict[str, Any]) -> dict[str, Any]:
    text = canonical.encode(line) + b"\n"
    tensors = weighing.read_tensor_table(text)
    digest = weighing.weights_digest(tensors)
    return {"name": words, "table": text.decode(), "weights_digest": f"sha256:{digest}"}


def _refused() -> list[dict[str, Any]]:
    cases = {
        "the sketch is too short": _line(sketch="0" * 63),
        "the sketch is too long": _line(sketch="0" * 65),
        "the sketch is empty: it is left out instead": _line(sketch=""),
        "the sketch is null: it is left out instead": _line(sketch=None),
        "the sketch has capitals": _line(sketch="A" * 64),
        "a vector has no sketch": _line(shape=[51_200]),
        "a tensor of three dimensions has no sketch": _line(shape=[2, 100, 256]),
        "a tensor of 49,999 elements has no sketch": _line(shape=[1, 49_999]),
        "an empty tensor has no sketch": _line(shape=[0, 256], nbytes=0),
        "counters have no sketch": _line(dtype="I32"),
        "another member is there": _line(sketches=["0" * 64]),
    }
    found = []
    for reason, line in cases.items():
        text = canonical.encode(line) + b"\n"
        if _passes(text):
            raise SystemExit(f"the table should be refused and is not: {reason}")
        found.append({"reason": reason, "table": text.decode()})
    return found


def _passes(table: bytes) -> bool:
    """Tell whether a table is accepted."""
    try:
        weighing.read_tensor_table(table)
    except BundleError:
        return False
    return True
