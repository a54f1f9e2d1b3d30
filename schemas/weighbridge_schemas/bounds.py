# SPDX-License-Identifier: Apache-2.0
"""How many words of others an answer lists: who reads it must know when there may be more."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["EVERYTHING", "SHOWN", "Shown"]


class Shown(NamedTuple):
    """Bounds of one release's document. Owners' words come first: strangers crowd out strangers alone."""

    statements: int
    """Statements about it, newest first."""
    strangers: int
    """Positions on one edge by people who own neither end, oldest first."""
    notes: int
    """Notes about ancestors and data sets."""
    read: int
    """Statements that are read to find them."""


SHOWN: Final = Shown(statements=100, strangers=8, notes=50, read=500)
"""What a registry lists."""

EVERYTHING: Final = Shown(statements=100_000, strangers=100_000, notes=100_000, read=10_000_000)
"""What somebody lists who replayed the log, for themselves alone."""
