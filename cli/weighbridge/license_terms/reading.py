# SPDX-License-Identifier: Apache-2.0
"""A stated licence as alternatives, each a set of licences that all apply.

`A OR B` are two alternatives: whoever takes the work chooses. `A AND B` is one with two licences: both apply.
An expression is multiplied out only so far; what is not read is unknown, never free.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from weighbridge.openness.licensing import parse_expression

from .table import LicenseRow, row_of, same_license

if TYPE_CHECKING:
    from weighbridge_schemas.api import StatedLicense

__all__ = ["Part", "Reading", "read_license"]

_MOST: Final = 16
"""Most alternatives, and licences in one of them."""


@dataclass(frozen=True, slots=True)
class Part:
    """One licence of an alternative; `row` is None if the table does not have it."""

    name: str
    identifier: str
    exception: str | None
    row: LicenseRow | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read. Without alternatives `problem` says why."""

    alternatives: tuple[tuple[Part, ...], ...]
    problem: str = ""


def read_license(stated: StatedLicense | None) -> Reading:
    """Read a licence as a card states it; never raises, since a card may hold anything of its form."""
    if stated is None:
        return Reading((), "is not stated")
    if stated.spdx is not None:
        return _read_expression(stated.spdx)
    return Reading(((_part(stated.text or ""),),))


@functools.lru_cache(maxsize=4096)
def _read_expression(expression: str) -> Reading:
    parsed = parse_expression(expression)
    if parsed is None:
        return Reading((), "is no SPDX licence expression")
    try:
        if _count(parsed) > _MOST:
            return Reading((), "has too many alternatives")
        alternatives = tuple(dict.fromkeys(tuple(dict.fromkeys(one)) for one in _alternatives(parsed)))
    except (RecursionError, ValueError):
        return Reading((), "is no SPDX licence expression")
    if any(len(one) > _MOST for one in alternatives):
        return Reading((), "has too many parts")
    return Reading(alternatives)


def _count(node: Any) -> int:
    """Return how many alternatives a tree has, without making them."""
    operands = getattr(node, "args", ())
    if not operands:
        return 1
    counts = [_count(operand) for operand in operands]
    return sum(counts) if _is_or(node) else math.prod(min(count, _MOST + 1) for count in counts)


def _is_or(node: Any) -> bool:
    return str(node.operator).strip().upper() == "OR"


def _alternatives(node: Any) -> list[tuple[Part, ...]]:
    operands = getattr(node, "args", ())
    if not operands:
        return [(_leaf(node),)]
    below = [_alternatives(operand) for operand in operands]
    if _is_or(node):
        return [one for each in below for one in each]
    joined: list[tuple[Part, ...]] = [()]
    for each in below:
        joined = [(*one, *other) for one in joined for other in each]
    return joined


def _leaf(node: Any) -> Part:
    exception = getattr(node, "exception_symbol", None)
    symbol = getattr(node, "license_symbol", node)
    if " " in symbol.key:
        raise ValueError("two identifiers without an operator")
    return _part(symbol.key, exception.key if exception is not None else None)


def _part(name: str, exception: str | None = None) -> Part:
    identifier = same_license(name)
    row = row_of(identifier)
    if row is None and identifier.endswith("+"):  # of another licence than GNU's, a later version is a choice
        identifier = identifier.removesuffix("+")
        row = row_of(identifier)
    return Part(f"{name} WITH {exception}" if exception else name, identifier, exception, row)
