# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a document, in words: pydantic's list as members and reasons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["faults", "first_fault"]

_MOST: Final = 20
_WORDS: Final = {
    "extra_forbidden": "there is no such member",
    "missing": "is missing",
    "model_type": "must be an object",
    "tuple_type": "must be a list",
}

# What pydantic puts into a location for the branch of a union that it tried: nothing of the document.
_BRANCH: Final = re.compile(r"(?:function-|constrained-|literal\[|nullable|float$|bool$).*")


def faults(error: ValidationError) -> list[dict[str, str]]:
    """Return up to 20 faults as `{"member", "reason"}`, members written like `parents[0].digest`.

    The values that were found are left out: they may be anything, of any length.
    """
    found = [
        {"member": _member(item["loc"]), "reason": _reason(item["type"], item["msg"], item.get("ctx", {}))}
        for item in error.errors(include_url=False, include_input=False)[: 2 * _MOST]
    ]
    # Of a union's branches, which all failed at one member, the first one's reason is enough.
    by_member = {fault["member"]: fault for fault in reversed(found)}
    return [fault for fault in found if by_member[fault["member"]] is fault][:_MOST]


def first_fault(error: ValidationError) -> str:
    """Return one sentence part about the first fault, and how many more there are."""
    first, *others = faults(error)
    sentence = f"{first['member']}: {first['reason']}" if first["member"] else first["reason"]
    return f"{sentence} (and {len(others)} more)" if others else sentence


def _reason(kind: str, message: str, context: Mapping[str, Any]) -> str:
    from weighbridge_schemas.base import FORMS

    match kind:
        case "string_pattern_mismatch":
            return FORMS.get(context["pattern"], "does not have the right form")
        case "too_short":
            return f"has {context['actual_length']} items; the least is {context['min_length']}"
        case "too_long":
            return f"has {context['actual_length']} items; the most is {context['max_length']}"
        case "union_tag_invalid":
            return f"must be one of {context['expected_tags']}"
        case _:
            return _WORDS.get(kind, message.removeprefix("Value error, "))


def _member(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not _BRANCH.fullmatch(part):
            name = part if part.isprintable() else ascii(part)
            path += f".{name[:80]}" if path else name[:80]
    return path
