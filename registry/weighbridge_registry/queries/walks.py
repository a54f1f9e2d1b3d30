# SPDX-License-Identifier: Apache-2.0
"""Walks over declared edges, nearest first, within limits, whatever cycles there are.

Also a lineage that no registry would admit today may be in an old log, and a digest may mean a release that
was registered after its child. So a walk keeps what it has seen, and stops by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row

from weighbridge_registry.store import descent
from weighbridge_registry.store.descent import Link
from weighbridge_schemas.lineage import Relation

__all__ = [
    "MAX_IMPACT",
    "MAX_NODES",
    "MAX_STEPS",
    "Descendant",
    "Descendants",
    "Walk",
    "around",
    "descendants",
]

MAX_STEPS: Final = 10
"""Steps up or down that a walk takes."""
MAX_NODES: Final = 1000
"""Releases in one graph."""
MAX_IMPACT: Final = 10_000
"""Releases in one list of descendants."""
CHILDREN: Final = 50
"""Children of one release that a graph shows."""


@dataclass
class Walk:
    """What a walk came to. Releases are named by their entries; generation 0 is where it began."""

    rows: dict[int, Row[Any]] = field(default_factory=dict)
    generations: dict[int, int] = field(default_factory=dict)
    links: dict[tuple[int, int, int | None], Link] = field(default_factory=dict)
    """Declared edges, by child, position and parent."""
    more_up: dict[int, int] = field(default_factory=dict)
    more_down: dict[int, int] = field(default_factory=dict)
    truncated: bool = False

    def room(self) -> int:
        """Return how many more releases may be taken."""
        return MAX_NODES - len(self.rows)


def around(connection: Connection, begin: Iterable[int], up: int, down: int) -> Walk:
    """Walk from releases to their ancestors and to their descendants, without turning round."""
    walk = Walk()
    _take(connection, walk, begin, 0)
    start = list(walk.rows)
    _climb(connection, walk, start, up)
    _sink(connection, walk, start, down)
    return walk


def _take(connection: Connection, walk: Walk, numbers: Iterable[int], generation: int) -> list[int]:
    """Take releases that are not there yet, as far as there is room; return those that were taken."""
    wanted = [number for number in dict.fromkeys(numbers) if number not in walk.rows]
    room = walk.room()
    if len(wanted) > room:
        walk.truncated = True
    found = descent.releases(connection, wanted[:room])
    walk.rows.update(found)
    walk.generations.update(dict.fromkeys(found, generation))
    return list(found)


def _climb(connection: Connection, walk: Walk, start: list[int], steps: int) -> None:
    """Go to parents. At the last step, only count those that are not there."""
    layer = start
    for step in range(min(steps, MAX_STEPS) + 1):
        stated = [link for links in descent.links(connection, layer).values() for link in links]
        if step < min(steps, MAX_STEPS):
            layer = _take(
                connection, walk, (link.parent for link in stated if link.parent is not None), -step - 1
            )
        for link in stated:
            outside = link.parent is not None and link.parent not in walk.rows
            if outside or (step >= steps and link.parent is None):
                walk.more_up[link.child] = walk.more_up.get(link.child, 0) + 1
            else:
                walk.links[link.child, link.position, link.parent] = link
        if not layer:
            return


def _sink(connection: Connection, walk: Walk, start: list[int], steps: int) -> None:
    """Go to children. At the last step, only count those that are not there."""
    layer = start
    for step in range(min(steps, MAX_STEPS) + 1):
        below = _children(connection, walk, layer)
        if step < min(steps, MAX_STEPS):
            wanted = dict.fromkeys(child for children in below.values() for child, _ in children)
            layer = _take(connection, walk, wanted, step + 1)
        shown = {child for children in below.values() for child, _ in children if child in walk.rows}
        stated = descent.links(connection, shown)
        for parent, children in below.items():
            for child, position in children:
                link = next((one for one in stated.get(child, ()) if one.position == position), None)
                if link is None:
                    walk.more_down[parent] = walk.more_down.get(parent, 0) + 1
                else:
                    met = Link(child, position, link.relation, link.pins, link.name, parent)
                    walk.links[child, position, parent] = met
        for link in (one for child in layer for one in stated.get(child, ()) if one.parent not in walk.rows):
            walk.more_up[link.child] = walk.more_up.get(link.child, 0) + 1
        if not layer:
            return


def _children(connection: Connection, walk: Walk, layer: list[int]) -> dict[int, list[tuple[int, int]]]:
    """Return the children of releases with the positions at which they name them, 50 of each at most."""
    own = descent.own_digests(connection, layer)
    named: dict[str, list[int]] = {}
    for number, digests in own.items():
        for digest in digests:
            named.setdefault(digest, []).append(number)
    found = descent.below(connection, named, CHILDREN)
    walk.truncated = walk.truncated or found.truncated
    children: dict[int, dict[tuple[int, int], None]] = {}
    for digest, child, position in found.found:
        for number in named[digest]:
            if child != number:
                children.setdefault(number, {})[child, position] = None
    return {number: list(found)[:CHILDREN] for number, found in children.items()}


@dataclass(frozen=True, slots=True)
class Descendant:
    """One release below what was asked for. `relation` is that of the edge by which it was reached."""

    number: int
    distance: int
    relation: Relation | None


@dataclass(frozen=True, slots=True)
class Descendants:
    """Descendants, nearest first, then oldest first; `truncated` if there are more."""

    found: tuple[Descendant, ...]
    truncated: bool


def descendants(
    connection: Connection,
    digests: Iterable[str],
    *,
    users: Iterable[int] = (),
    but: Iterable[int] = (),
    along: Collection[Relation] | None = None,
    limit: int = MAX_IMPACT,
) -> Descendants:
    """Find what names some digests as parent, what names that, and so on.

    `users` are reached in one step by themselves. The releases `but`, where it begins, are not their own
    descendants, also if there is a cycle. `along` are the only relations that are followed; None: all.
    """
    begin = frozenset(but)
    seen: dict[int, Descendant] = {}
    own = set(digests)
    direct: dict[int, Relation | None] = dict.fromkeys(users)
    for distance in range(1, MAX_STEPS + 1):
        children = descent.named_by(connection, own, limit + 1)
        reached = dict(direct)
        for one, how in children.items():
            if along is None or how in along:
                reached.setdefault(one, how)
        new = sorted(number for number in reached if number not in seen and number not in begin)
        room = limit - len(seen)
        for one in new[:room]:
            seen[one] = Descendant(one, distance, reached[one])
        if not new or len(new) > room:
            return Descendants(tuple(seen.values()), bool(new))
        own = {digest for all_ in descent.own_digests(connection, new).values() for digest in all_}
        direct = {}
    beyond = descent.named_by(connection, own, limit + 1)
    left = {one for one, how in beyond.items() if along is None or how in along} - seen.keys() - begin
    return Descendants(tuple(seen.values()), bool(left))
