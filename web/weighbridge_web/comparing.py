# SPDX-License-Identifier: Apache-2.0
"""Two releases side by side: files, tensors, cards; what is the same, what differs, what is in one only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from weighbridge import weighing
from weighbridge.errors import WeighbridgeError
from weighbridge.resemblance import compare_tables

if TYPE_CHECKING:
    from weighbridge.resemblance import TableComparison
    from weighbridge_schemas.api import ReleaseDocument
    from weighbridge_schemas.card import Card
    from weighbridge_web.records import Records

__all__ = ["CardRow", "Comparison", "FileRow", "compare"]

MAX_TABLE_BYTES: Final = 4 * 1024 * 1024
"""Longest tensor table that a page reads: some 20,000 tensors."""
ROWS: Final = 200
"""Rows of files, and of the card."""
_LONGEST: Final = 400


@dataclass(frozen=True)
class FileRow:
    """A file of one release or both: `what` is changed, moved, only in one."""

    what: str
    path: str
    size_a: int | None
    size_b: int | None
    note: str = ""


@dataclass(frozen=True)
class CardRow:
    """A member of the card with the value that each release has."""

    member: str
    a: str
    b: str


@dataclass(frozen=True)
class Comparison:
    """What a page shows of two releases; lists are cut at `ROWS`, their totals are not."""

    equal_files: int
    files: tuple[FileRow, ...]
    files_total: int
    tensors: str
    """One sentence about the tensor tables; empty if they cannot be compared here."""
    card: tuple[CardRow, ...]
    card_total: int


def compare(a: ReleaseDocument, b: ReleaseDocument, ask: Records) -> Comparison:
    """Compare two releases by what was signed of them."""
    equal, files = _files(a, b)
    card = tuple(_card_rows(a.card, b.card))
    return Comparison(equal, files[:ROWS], len(files), _tensors(a, b, ask), card[:ROWS], len(card))


def _files(a: ReleaseDocument, b: ReleaseDocument) -> tuple[int, tuple[FileRow, ...]]:
    ours, theirs = ({file.path: file for file in one.files} for one in (a, b))
    same = {path for path, file in ours.items() if path in theirs and theirs[path].sha256 == file.sha256}
    elsewhere = {file.sha256: path for path, file in theirs.items() if path not in ours}
    rows: list[FileRow] = []
    taken: set[str] = set()
    for path, file in ours.items():
        if path in same:
            continue
        if path in theirs:
            rows.append(FileRow("changed", path, file.size, theirs[path].size))
        elif file.sha256 in elsewhere:
            taken.add(elsewhere[file.sha256])
            rows.append(FileRow("moved", path, file.size, file.size, f"to {elsewhere[file.sha256]}"))
        else:
            rows.append(FileRow("only in the first", path, file.size, None))
    rows += [
        FileRow("only in the second", path, None, file.size)
        for path, file in theirs.items()
        if path not in ours and path not in taken
    ]
    return len(same), tuple(rows)


def _tensors(a: ReleaseDocument, b: ReleaseDocument, ask: Records) -> str:
    if a.weights_digest is not None and a.weights_digest == b.weights_digest:
        return "The weights are the same, tensor by tensor: both have one fingerprint."
    if a.tensors is None or b.tensors is None:
        return ""
    found = _tables(a, b, ask)
    if found is None:
        return "The weights differ; their tensor tables are not here, or too long to be compared on a page."
    return f"The second beside the first: {found.verdict().sentence}."


def _tables(a: ReleaseDocument, b: ReleaseDocument, ask: Records) -> TableComparison | None:
    """Compare the second's tensor table with the first's, if both are here and short enough."""
    read = []
    for one in (a, b):
        summary = one.tensors
        data = summary and ask.attachment(summary.table_digest.removeprefix("sha256:"), MAX_TABLE_BYTES)
        if not data:
            return None
        read.append(data)
    try:
        return compare_tables(*(weighing.read_tensor_table(data) for data in reversed(read)))
    except WeighbridgeError:
        return None


def _card_rows(a: Card | None, b: Card | None) -> Iterator[CardRow]:
    ours, theirs = (dict(_members(card)) for card in (a, b))
    for member in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(member, ""), theirs.get(member, "")
        if one != other:
            yield CardRow(member, one, other)


def _members(card: Card | None) -> Iterator[tuple[str, str]]:
    """Yield the members of a card with their values as text: groups by their own members."""
    for group, value in (card.to_json() if card is not None else {}).items():
        if isinstance(value, dict):
            yield from ((f"{group}.{name}", _text(inner)) for name, inner in value.items())
        else:
            yield group, _text(value)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
