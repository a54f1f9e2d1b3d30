# SPDX-License-Identifier: Apache-2.0
"""Lines of a card as pages show them: a label and what is said under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from weighbridge_schemas.card import License

__all__ = ["Group", "Row", "Said", "Table", "card_row", "license_words"]


@dataclass(frozen=True)
class Said:
    """One thing that the card says, with the https address that goes with it, if any."""

    text: str
    url: str = ""


@dataclass(frozen=True)
class Row:
    """A label and what is said under it; never empty."""

    label: str
    says: tuple[Said, ...]


@dataclass(frozen=True)
class Table:
    """Values that belong side by side."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Group:
    """One group of the card."""

    title: str
    rows: tuple[Row, ...] = ()
    table: Table | None = None


def license_words(license_: License | None) -> str:
    """Return a licence in one run of text: its SPDX expression, or what was given instead."""
    return (license_.spdx or license_.text or "") if license_ else ""


def card_row(label: str, values: Iterable[object]) -> Iterator[Row]:
    """Yield a row, if anything is said under its label."""
    says = tuple(
        value if isinstance(value, Said) else Said(str(value)) for value in values if value not in (None, "")
    )
    if says:
        yield Row(label, says)
