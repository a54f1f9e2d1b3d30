# SPDX-License-Identifier: Apache-2.0
"""What changed between two cards, member by member.

Items of lists are matched by what names them (a component by its name, a link by its address), not by their
place, so that an insertion is one change. A path reads like `components[data_card].present`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card

__all__ = ["MemberChange", "compare_cards"]

_NAMED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "components": ("name",),
    "links": ("rel", "url"),
    "references": ("name",),
    "contacts": ("role", "name", "address"),
    "risks": ("category", "description"),
    "training": ("stage",),
    "evaluations": (
        "task",
        "dataset",
        "dataset_config",
        "dataset_split",
        "benchmark_task",
        "metric",
        "source_name",
    ),
}
_LONGEST_KEY: Final = 80


@dataclass(frozen=True, slots=True)
class MemberChange:
    """One member with its old and new JSON value; None where it is absent."""

    path: str
    old: Any
    new: Any


def compare_cards(old: Card | None, new: Card | None) -> tuple[MemberChange, ...]:
    """Return every member that differs, in the order of the card; an absent card says nothing."""
    before = old.to_json() if old is not None else {}
    after = new.to_json() if new is not None else {}
    return tuple(_changes("", before, after))


def _changes(path: str, old: Any, new: Any) -> Iterator[MemberChange]:
    if old == new and type(old) is type(new):
        return
    group = isinstance(old, dict | None) and isinstance(new, dict | None) and "[" not in path
    if group or (isinstance(old, dict) and isinstance(new, dict)):
        before, after = old or {}, new or {}
        for name in dict.fromkeys((*before, *after)):
            below = f"{path}.{name}" if path else name
            yield from _changes(below, before.get(name), after.get(name))
    elif isinstance(old, list | None) and isinstance(new, list | None):
        first, second = _keyed(path, old or []), _keyed(path, new or [])
        for key in dict.fromkeys((*first, *second)):
            yield from _changes(f"{path}[{key}]", first.get(key), second.get(key))
    else:
        yield MemberChange(path, old, new)


def _keyed(path: str, items: list[Any]) -> dict[str, Any]:
    """Give each item of a list a key of its own: what names it, and its number among those of that name."""
    named_by = _NAMED_BY.get(path.rpartition(".")[2], ())
    found: dict[str, Any] = {}
    for item in items:
        parts = (
            [str(item[name]) for name in named_by if item.get(name)]
            if isinstance(item, dict)
            else [str(item)]
        )
        key = " ".join(parts)[:_LONGEST_KEY] or "item"
        number = 2
        unique = key
        while unique in found:
            unique = f"{key} #{number}"
            number += 1
        found[unique] = item
    return found
