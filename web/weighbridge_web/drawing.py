# SPDX-License-Identifier: Apache-2.0
"""Lineage as a small SVG: what a release comes from above it, what comes from it below.

A layered drawing in pure Python: each relative has its own lane, which leads down or up to the mark of what
it is a relative of, as in the history of a source tree. It stays readable on a telephone, prints, and needs
no script. The page always writes the same as a list beside it; the drawing adds nothing that the list lacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from markupsafe import Markup

from weighbridge_web.formats import said

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Relative", "draw_lineage"]

MAX_DRAWN = 7
"""Relatives drawn on either side; more become one last row `+ n more`."""

_MIN_WIDTH, _MAX_WIDTH = 320, 580
_ROW = 46
_LANE = 15
_LEFT = 12
_MARK = 6
_MAX_NAME = 50
_MAX_RELATION = 64


@dataclass(frozen=True)
class Relative:
    """A release or data set next to the one being shown.

    `level` is the evidence of DESIGN section 5 (0 is a claim, drawn dashed); `url` is empty if there is
    no page here. `manner` is how its line is drawn: a claim, contradicted by the tables, or proposed by
    the registry; by the level alone if it is empty. `toward` are the places, in the list that it is in, of
    the relatives that its line leads to: nearer ones; None is the release itself.
    """

    name: str
    relation: str
    level: int
    registered: bool = False
    url: str = ""
    dataset: bool = False
    manner: str = ""
    toward: tuple[int | None, ...] = (None,)

    @property
    def line(self) -> str:
        """Class of its lines."""
        return self.manner or ("" if self.level else "claim")


def draw_lineage(name: str, above: Sequence[Relative], below: Sequence[Relative] = ()) -> Markup:
    """Draw `above`, the release itself and `below`; nothing to draw gives empty markup."""
    if not above and not below:
        return Markup()
    upper, lower = _capped(above), _capped(below)
    lanes = max(len(upper), len(lower), 1)
    text_x = _LEFT + lanes * _LANE + 12
    centre_y = len(upper) * _ROW + _ROW // 2
    height = (len(upper) + 1 + len(lower)) * _ROW
    width = _width(text_x, name, [*upper, *lower])
    label = escape(f"Lineage of {said(name)}")
    opening = (
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{label}"'
    )
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {opening}>']
    marks = [(_LEFT + number * _LANE, number * _ROW + _ROW // 2) for number in range(len(upper))]
    parts += _lanes(upper, marks, (_LEFT, centre_y))
    marks = [
        (_LEFT + (len(lower) - 1 - number) * _LANE, centre_y + (number + 1) * _ROW)
        for number in range(len(lower))
    ]
    parts += _lanes(lower, marks, (_LEFT, centre_y))
    for number, relative in enumerate(upper):
        parts += _label(relative, _LEFT + number * _LANE, text_x, number * _ROW + _ROW // 2)
    for number, relative in enumerate(lower):
        lane = len(lower) - 1 - number
        parts += _label(relative, _LEFT + lane * _LANE, text_x, centre_y + (number + 1) * _ROW)
    parts.append(f'<circle class="registered" cx="{_LEFT}" cy="{centre_y}" r="{_MARK + 2}"/>')
    parts.append(
        f'<text class="here" font-size="16" x="{text_x}" y="{centre_y + 5}">{_clipped(name)}</text></svg>'
    )
    return Markup("".join(parts))  # noqa: S704 - built here; every outside text went through escape()


def _width(text_x: int, name: str, relatives: Sequence[Relative]) -> int:
    """Estimate how wide the texts are, so that a telephone need not shrink empty space with them."""
    texts = [min(len(name), _MAX_NAME) * 8.4]
    texts += [min(len(relative.name), _MAX_NAME) * 7.4 for relative in relatives]
    texts += [min(len(relative.relation), _MAX_RELATION) * 6.1 for relative in relatives]
    return min(_MAX_WIDTH, max(_MIN_WIDTH, round(text_x + max(texts)) + 8))


def _capped(relatives: Sequence[Relative]) -> list[Relative]:
    if len(relatives) <= MAX_DRAWN:
        return list(relatives)
    rest = len(relatives) - MAX_DRAWN + 1
    return [*relatives[: MAX_DRAWN - 1], Relative(f"+ {rest} more", "listed below", 0, url="#lineage-list")]


def _lanes(
    relatives: Sequence[Relative], marks: Sequence[tuple[int, int]], centre: tuple[int, int]
) -> list[str]:
    """Draw the lines of relatives to what they lead to."""
    parts = []
    for relative, mark in zip(relatives, marks, strict=True):
        for place in relative.toward:
            if place is None:
                parts.append(_lane(relative, mark, centre))
            elif place < len(marks):
                parts.append(_lane(relative, mark, marks[place]))
    return parts


def _lane(relative: Relative, mark: tuple[int, int], target: tuple[int, int]) -> str:
    """Draw one line: straight along the relative's lane, then a curve into the target's mark."""
    (x, y), (target_x, target_y) = mark, target
    bend = 26 if y < target_y else -26
    turn = target_y - bend // 2
    route = f"M{x} {y}V{target_y - bend}C{x} {turn} {target_x} {turn} {target_x} {target_y}"
    manner = f' class="{relative.line}"' if relative.line else ""
    return f'<path{manner} d="{route}"/>'


def _label(relative: Relative, x: int, text_x: int, y: int) -> list[str]:
    kind = "registered" if relative.registered else "unregistered"
    mark = (
        f'<rect class="{kind}" x="{x - _MARK + 1}" y="{y - _MARK + 1}" width="{2 * _MARK - 2}" '
        f'height="{2 * _MARK - 2}"/>'
        if relative.dataset
        else f'<circle class="{kind}" cx="{x}" cy="{y}" r="{_MARK}"/>'
    )
    name = f'<text font-size="15" x="{text_x}" y="{y - 2}">{_clipped(relative.name)}</text>'
    if relative.url:
        name = f'<a href="{escape(relative.url)}">{name}</a>'
    relation = _clipped(relative.relation, _MAX_RELATION)
    words = f'<text class="relation" font-size="13" x="{text_x}" y="{y + 15}">{relation}</text>'
    return [mark, name, words]


def _clipped(text: str, limit: int = _MAX_NAME) -> str:
    return escape(said(text, limit))
