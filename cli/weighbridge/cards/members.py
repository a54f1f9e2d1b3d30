# SPDX-License-Identifier: Apache-2.0
"""Members of somebody else's format, handed out one by one, with a list of what found no place in a card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from weighbridge.validation import first_fault

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["DATA_MEMBERS", "MOST_NOTES", "Members", "bounded", "keep", "safe_line", "stated"]

MOST_NOTES: Final = 255
"""Most notes that a card keeps; one more says how many others there were."""

DATA_MEMBERS: Final = (
    *("description", "eu_categories", "sources", "sizes", "languages", "latest", "continuous"),
    *("characteristics", "curation", "unsuitable", "biases", "opt_outs", "illegal_content"),
    "code_of_practice",
)
"""Members of a card's `data` beside the data sets, for which most formats have no place."""

_MOST_ITEMS: Final = 256


class Members:
    """Hands out members and notes what could not be placed. `source` names the file in the notes."""

    def __init__(self, members: Mapping[str, Any], *, source: str = "") -> None:
        self._left = {name: value for name, value in members.items() if value is not None}
        self._source = f"{safe_line(source, 80)}: " if source else ""
        self._notes: list[str] = []

    def take(self, name: str) -> Any:
        """Return a member as it is, or None; it then counts as read."""
        return self._left.pop(name, None)

    def text(self, name: str) -> str:
        """Return a member that is text, without space around it; "" if it is absent or, noted, no text."""
        value = self.take(name)
        if value is None or isinstance(value, str):
            return (value or "").strip()
        self.note(name, "is not text")
        return ""

    def note(self, name: str, reason: str) -> None:
        """Say that a member, or a part of it, found no place in the card."""
        self._notes.append(f"{self._source}{safe_line(name, 80)}: {safe_line(reason, 300)}")

    def fit(self, name: str, value: Any, kind: Any) -> Any:
        """Return the value if it is of an annotated type of the card; note it and return None if not."""
        from pydantic import TypeAdapter, ValidationError

        if value is None:
            return None
        try:
            return TypeAdapter(kind).validate_python(value)
        except ValidationError as error:
            self.note(name, first_fault(error))
            return None

    def names(self, name: str) -> tuple[str, ...]:
        """Return a member that is one name or a list of names; each bad one is noted."""
        from weighbridge_schemas.base import Name

        value = self.take(name)
        items = value if isinstance(value, list) else [] if value is None else [value]
        if len(items) > _MOST_ITEMS:
            self.note(name, f"only the first {_MOST_ITEMS} of {len(items)} were kept")
        fitting = (self.fit(name, item, Name) for item in items[:_MOST_ITEMS])
        return tuple(dict.fromkeys(item for item in fitting if item is not None))

    def notes(self, *, known: Iterable[str] = ()) -> tuple[str, ...]:
        """Return all notes, members that nobody asked for included, but for those that others read."""
        others = frozenset(known)
        unread = [f"{self._source}{safe_line(name, 80)}" for name in self._left if name not in others]
        return bounded([*self._notes, *unread])


def bounded(notes: Iterable[str]) -> tuple[str, ...]:
    """Return notes, each once, as many as a card keeps; the last then says how many there were beyond."""
    listed = list(dict.fromkeys(notes))
    if len(listed) > MOST_NOTES:
        listed = [*listed[:MOST_NOTES], f"and {len(listed) - MOST_NOTES} more"]
    return tuple(listed)


def safe_line(text: str, length: int) -> str:
    """Return text that is one safe line of at most about `length` characters."""
    safe = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:length])
    return safe[: 2 * length] + ("…" if len(text) > length else "")


def keep(value: Any, kind: Any) -> Any:
    """Return a value if a card takes it, else None: what cannot be shown safely is left where it stands."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return None


def stated(document: BaseModel, *paths: str) -> Iterator[str]:
    """Yield those members (`uses.systems`) that say something in a document; of a list, in any item."""
    return (path for path in paths if _says(document, path.split(".")))


def _says(value: Any, path: list[str]) -> bool:
    if isinstance(value, tuple):
        return any(_says(item, path) for item in value) if path else bool(value)
    if not path or value is None:
        return value not in (None, "", ())
    return _says(getattr(value, path[0]), path[1:])
