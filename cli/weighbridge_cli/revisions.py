# SPDX-License-Identifier: Apache-2.0
"""What `card revise` and `lineage revise` print: a part of a release that is recorded anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weighbridge.revisions import Revised

__all__ = ["document", "show"]


def document(revised: Revised, *, dry_run: bool) -> dict[str, Any]:
    """Return a revision as JSON, without warnings."""
    from weighbridge import canonical

    return {
        "v": 1,
        "release": str(revised.release),
        "statement": f"sha256:{revised.statement}" if revised.statement else None,
        "previous": f"sha256:{revised.previous}" if revised.previous else None,
        "index": revised.index,
        "log": revised.origin,
        "already": revised.already,
        "dry_run": dry_run,
        "statement_json": canonical.decode(revised.payload) if dry_run else None,
    }


def show(revised: Revised, *, dry_run: bool) -> None:
    """Print a revision for people."""
    from weighbridge import canonical
    from weighbridge_cli import terminal

    if revised.already:
        terminal.put(f"that is the {revised.kind} of {revised.release} already: nothing was signed")
        return
    if dry_run:
        terminal.print_json(canonical.decode(revised.payload))
        terminal.note("that would be signed and recorded; nothing was")
        return
    previous = (
        f"sha256:{revised.previous}" if revised.previous else f"the {revised.kind} of the release itself"
    )
    terminal.rows(
        [
            ("release", str(revised.release)),
            (revised.kind, f"sha256:{revised.statement}"),
            ("replaces", previous),
            ("log", f"entry {revised.index} of {revised.origin}"),
        ]
    )
