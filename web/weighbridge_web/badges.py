# SPDX-License-Identifier: Apache-2.0
"""A small picture that says where a release is recorded, for a README elsewhere.

It never says "verified": a picture proves nothing, it only points to the page where the proof can be had.
"""

from __future__ import annotations

from html import escape

from weighbridge_web.formats import said

__all__ = ["badge"]

_HEIGHT = 20
_PADDING = 8
_MAX_TEXT = 40
_COLOURS = {"recorded": "#0b5563", "withdrawn": "#8e1b1b", "unknown": "#5c584e"}
# Advance widths in a 11 px sans-serif, in px: narrow, wide, the rest. `textLength` makes them exact.
_NARROW, _WIDE = frozenset("fijlrtI.,:;'|!()[] -"), frozenset("mwMWQGO@%")


def badge(label: str, text: str, state: str = "recorded") -> str:
    """Draw a badge: `label` on grey, `text` on the colour of `state` (recorded, withdrawn, unknown)."""
    left, right = said(label, _MAX_TEXT), said(text, _MAX_TEXT)
    left_width, right_width = _width(left), _width(right)
    first, second = left_width + 2 * _PADDING, right_width + 2 * _PADDING
    title = escape(f"{left}: {right}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{first + second}" height="{_HEIGHT}" role="img" '
        f'aria-label="{title}"><title>{title}</title>'
        f'<rect width="{first + second}" height="{_HEIGHT}" rx="3" fill="#33302a"/>'
        f'<path d="M{first} 0h{second - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{second - 3}z" '
        f'fill="{_COLOURS[state]}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">'
        f'<text x="{_PADDING}" y="14" textLength="{left_width}">{escape(left)}</text>'
        f'<text x="{first + _PADDING}" y="14" textLength="{right_width}">{escape(right)}</text></g></svg>'
    )


def _width(text: str) -> int:
    return round(sum(3.9 if c in _NARROW else 9.8 if c in _WIDE else 6.9 for c in text))
