# SPDX-License-Identifier: Apache-2.0
"""Whether a release still stands, by its row alone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from .reader import Reader

__all__ = ["is_listed", "is_withdrawn", "state_of"]


def is_withdrawn(row: Row[Any]) -> bool:
    """Tell whether the owners of a release asked people to stop using it."""
    return bool(row.status == "yanked")


def is_listed(reader: Reader, row: Row[Any]) -> bool:
    """Tell whether a release is named in lists: not if its operator withholds even its name."""
    found = reader.withheld("bundle", row.bundle) if not row.released_at else None
    return found is None or not found["facts_withheld"]


def state_of(reader: Reader, row: Row[Any]) -> str:
    """Return what is said of a release in one word; only rows without content can be withheld."""
    if not row.released_at and reader.withheld("bundle", row.bundle) is not None:
        return "withheld"
    return str(row.status) if row.status not in (None, "restored") else "released"
