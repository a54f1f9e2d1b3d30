# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a document, in words: pydantic's list as members and reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["faults", "first_fault"]

_MOST: Final = 20
_WORDS: Final = {
    "extra_forbidden": "there is no such member",
    "missing": "is missing",
    "model_type": "must be an object",
}


def faults(error: ValidationError) -> list[dict[str, str]]:
    """Return up to 20 faults as `{"member", "reason"}`, members written like `parents[0].digest`.

    The values that were found are left out: they may be anything, of any length.
    """
    return [
        {
            "member": _member(item["loc"]),
            "reason": _WORDS.get(item["type"], item["msg"].removeprefix("Value error, ")),
        }
        for item in error.errors(include_url=False, include_context=False, include_input=False)[:_MOST]
    ]


def first_fault(error: ValidationError) -> str:
    """Return one sentence part about the first fault, and how many more there are."""
    first = faults(error)[0]
    sentence = f"{first['member']}: {first['reason']}" if first["member"] else first["reason"]
    more = error.error_count() - 1
    return f"{sentence} (and {more} more)" if more else sentence


def _member(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            name = part if part.isprintable() else ascii(part)
            path += f".{name[:80]}" if path else name[:80]
    return path
