# SPDX-License-Identifier: Apache-2.0
"""JSON in and out: canonical bytes (RFC 8785) and a strict reader for strangers' bytes.

Two readers that understand one text differently are an attack: duplicate members, NaN, lone
surrogates and integers that some readers round are therefore refused, and so is whatever costs
more to hold than it cost to send.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from .errors import BundleError

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_INTEGER", "MAX_NODES", "decode", "encode"]

MAX_BYTES: Final = 16 * 1024 * 1024
"""Longest JSON text that is read unless the caller says otherwise: 16 MiB."""

MAX_DEPTH: Final = 64
"""Deepest nesting of arrays and objects."""

MAX_NODES: Final = 2_000_000
"""Most members and elements; a text of empty arrays takes twenty times its size in memory."""

MAX_INTEGER: Final = 2**53 - 1
"""Largest magnitude of an integer that every reader keeps (RFC 7493 section 2.2)."""

_LONGEST_INTEGER: Final = len(str(-MAX_INTEGER))
_FIRST_ASTRAL: Final = "\U00010000"
_FIRST_EXPONENT: Final = 1e21  # from here on ECMAScript, and so RFC 8785, writes an exponent


def encode(value: Any) -> bytes:
    """Return the canonical JSON of a value: RFC 8785, UTF-8.

    Takes None, booleans, integers of at most 2^53 - 1, finite floats, text, lists, tuples and
    mappings with text keys. Raises BundleError for anything else. `decode(encode(x)) == x` for
    all of these (tuples become lists, a float without fraction becomes an integer).
    """
    try:
        if _is_plain(value):
            text = json.dumps(
                value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
            )
            return text.encode()
        import rfc8785

        return rfc8785.dumps(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise BundleError(f"this value has no canonical JSON: {error}") from error


def _is_plain(value: Any) -> bool:
    """Tell whether Python's own encoder gives the RFC 8785 bytes; refuse what has none.

    It does unless there are floats, whose text differs, or keys beyond the basic plane, which
    RFC 8785 sorts by UTF-16 units.
    """
    plain = True
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inner: list[Any] = []
        ends = True
        for item in level:
            if item is None or isinstance(item, (str, bool)):
                continue
            if isinstance(item, dict):
                if not all(isinstance(key, str) for key in item):
                    raise TypeError("an object's key is not text")
                plain = plain and not any(max(key) >= _FIRST_ASTRAL for key in item if not key.isascii())
                inner.extend(item.values())
                ends = False
            elif isinstance(item, (list, tuple)):
                inner.extend(item)
                ends = False
            elif isinstance(item, (int, float)):
                plain = _is_plain_number(item) and plain
        if ends:
            return plain
        level = inner
    raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def _is_plain_number(number: float) -> bool:
    if isinstance(number, int):
        if not -MAX_INTEGER <= number <= MAX_INTEGER:
            raise ValueError("an integer is beyond 2^53 - 1")
        return True
    if MAX_INTEGER < abs(number) < _FIRST_EXPONENT:
        raise ValueError("a number is beyond 2^53 - 1 and would be written as an integer")
    return False


def decode(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Any:
    """Read one JSON value strictly.

    Refuses with BundleError: more than `max_bytes` bytes or `max_depth` levels, bytes that are
    not UTF-8, a byte order mark, duplicate members, NaN and infinities, integers beyond 2^53 - 1,
    lone surrogates.
    """
    if len(data) > max_bytes:
        raise BundleError(f"JSON of {len(data):,} bytes is over the limit of {max_bytes:,}")
    if data.count(b",") + data.count(b"[") + data.count(b"{") > MAX_NODES:
        raise BundleError(f"JSON has more than {MAX_NODES:,} members")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise BundleError(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise BundleError(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise BundleError(f"JSON is nested deeper than {max_depth} levels") from error
    _check_shape(value, max_depth, surrogates=b"\\u" in data)
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise BundleError(f"JSON member {name[:80]!r} appears twice in one object")
            seen.add(name)
    return members


def _integer(text: str) -> int:
    if len(text) <= _LONGEST_INTEGER and -MAX_INTEGER <= int(text) <= MAX_INTEGER:
        return int(text)
    raise BundleError(f"JSON integer {text[:24]} is beyond 2^53 - 1")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise BundleError(f"JSON number {text[:24]} is too large")
    return number


def _constant(text: str) -> NoReturn:
    raise BundleError(f"{text} is no JSON number")


def _levels(level: list[Any], max_depth: int) -> Iterator[list[Any]]:
    """Yield the values of each nesting level, outermost first.

    Raises ValueError when more than `max_depth` arrays and objects lie inside one another.
    """
    for _ in range(max_depth + 1):
        yield level
        containers = [item for item in level if isinstance(item, (dict, list, tuple))]
        if not containers:
            return
        level = []
        for container in containers:
            level.extend(container.values() if isinstance(container, dict) else container)
    raise ValueError(f"nested deeper than {max_depth} levels")


def _check_shape(value: Any, max_depth: int, *, surrogates: bool) -> None:
    """Refuse deep nesting, and lone surrogates, which only an escape can bring in."""
    try:
        for level in _levels([value], max_depth):
            if surrogates:
                for item in level:
                    for text in (item, *item) if isinstance(item, dict) else (item,):
                        if isinstance(text, str):
                            text.encode()
    except UnicodeEncodeError as error:
        raise BundleError("JSON text holds half of a surrogate pair") from error
    except ValueError as error:
        raise BundleError(f"JSON is {error}") from error
