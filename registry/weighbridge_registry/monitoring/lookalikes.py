# SPDX-License-Identifier: Apache-2.0
"""Names that a hurried reader takes for another: a reason to look, never proof of anything."""

from __future__ import annotations

from typing import Final

from weighbridge_schemas.names import fold_name

__all__ = ["looks_like"]

_SHORTEST: Final = 4
"""Shorter names have too many neighbours for a difference of one letter to say anything."""
_CONFUSED: Final = (
    ("rn", "m"), ("vv", "w"), ("cl", "d"),
    ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"), ("8", "b"), ("3", "e"),
)  # fmt: skip


def looks_like(name: str, watched: str) -> bool:
    """Tell whether a name is confusable with a watched one, without being it.

    Both are compared as logs fold them (case, `-_.`). Confusable is: equal once letters that look alike
    are made one; one letter added, left out, changed or two swapped; the watched name with more words
    before or behind it.
    """
    one, other = fold_name(name), fold_name(watched)
    if one == other:
        return False
    if _drawn(one) == _drawn(other):
        return True
    if len(other) < _SHORTEST:
        return False
    return one.startswith(other) or one.endswith(other) or _near(one, other)


def _drawn(name: str) -> str:
    for letters, shape in _CONFUSED:
        name = name.replace(letters, shape)
    return name


def _near(one: str, other: str) -> bool:
    """Tell whether one edit, or one swap of neighbours, makes one name the other."""
    if abs(len(one) - len(other)) > 1:
        return False
    place = 0
    while place < min(len(one), len(other)) and one[place] == other[place]:
        place += 1
    one, other = one[place:], other[place:]
    if len(one) != len(other):
        return one[1:] == other or one == other[1:]
    return one[1:] == other[1:] or (one[1::-1] == other[:2] and one[2:] == other[2:])
