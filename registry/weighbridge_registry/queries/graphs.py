# SPDX-License-Identifier: Apache-2.0
"""The graph of lineage around a digest, and the list of what stands on it."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, cast

from sqlalchemy import Row

from weighbridge_registry.store import descent
from weighbridge_registry.store.descent import Link
from weighbridge_registry.store.summaries import release_path
from weighbridge_schemas.advisory import Advisory
from weighbridge_schemas.api import GraphEdge, ImpactDocument, ImpactItem, LineageGraph, LineageNode

from . import proposals, walks
from .edges import Evidence
from .licenses import Licenses
from .reader import Reader
from .standings import is_listed, state_of
from .testimonies import find_statement
from .walks import MAX_STEPS, Descendant, Descendants, Walk

__all__ = ["Lists", "dataset_impact", "graph", "impact", "named", "place_of"]

_BEGINNINGS: Final = 16
"""Releases with the digest asked for, oldest first, around which a graph is drawn."""
_PROPOSING: Final = 4
"""Those of them for which undeclared edges are proposed."""
_CURSOR: Final = re.compile(r"(0|[1-9][0-9]?)\.(0|[1-9][0-9]{0,15})")


class Lists:
    """Descendants that were found last, as of a state of the log: who reads one page asks for the next."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[int, str], Descendants] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, reader: Reader, what: str, walk: Callable[[], Descendants]) -> Descendants:
        """Return what stands on a digest or a name, found again only if the log has grown."""
        key = reader.as_of().size, what
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = walk()
        with self._lock:
            self._kept[key] = found
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found


def graph(reader: Reader, sha256: str, up: int, down: int) -> LineageGraph:
    """Give the releases around a digest; of one that is not known, an answer without nodes."""
    up, down = min(up, MAX_STEPS), min(down, MAX_STEPS)
    begin = descent.having(reader.connection, sha256, _BEGINNINGS)
    walk = walks.around(reader.connection, begin, up, down)
    noticed = list(_noticed(reader, walk, begin[:_PROPOSING], up, down))
    hidden = {number for number, row in walk.rows.items() if not is_listed(reader, row)}
    evidence = Evidence(reader, walk.rows, list(walk.links.values()))
    licenses = Licenses(reader, walk.rows.values())
    nodes = [_node(reader, walk, row) for number, row in walk.rows.items() if number not in hidden]
    nodes.sort(key=lambda node: (abs(node.generation), node.generation, node.index or 0))
    edges: list[GraphEdge] = []
    outside: dict[tuple[str | None, str | None], LineageNode] = {}
    for link in walk.links.values():
        if link.child in hidden or link.parent in hidden:
            continue
        edges.append(_edge(reader, walk, link, evidence, licenses))
        if link.parent is None:
            node = _outside(walk, link)
            outside.setdefault((node.digest, node.name), node)
    edges += [_proposed(reader, walk, one) for one in noticed if not {one.child, one.parent} & hidden]
    return LineageGraph(
        digest=f"sha256:{sha256}",
        up=up,
        down=down,
        nodes=(*nodes, *outside.values()),
        edges=tuple(edges),
        truncated=walk.truncated,
        as_of=reader.as_of(),
    )


def impact(reader: Reader, lists: Lists, sha256: str, after: tuple[int, int], limit: int) -> ImpactDocument:
    """List what descends from a release, its files or weights, or was made with a data set.

    For the statement of an advisory: the releases that it is about, and those to which it propagates.
    """
    found = lists.find(reader, f"sha256:{sha256}", lambda: _standing_on(reader, sha256))
    return _impact(reader, found, after, limit, digest=f"sha256:{sha256}")


def dataset_impact(
    reader: Reader, lists: Lists, name: str, after: tuple[int, int], limit: int
) -> ImpactDocument:
    """List what was made with a data set that publishers call so, and what descends from that."""

    def walk() -> Descendants:
        users = descent.dataset_users(reader.connection, name=name, limit=walks.MAX_IMPACT + 1)
        return walks.descendants(reader.connection, (), users=users)

    return _impact(reader, lists.find(reader, f"dataset:{name}", walk), after, limit, dataset=name)


def _standing_on(reader: Reader, sha256: str) -> Descendants:
    advisory = _advisory(reader, sha256)
    if advisory is not None:
        return _affected(reader, *advisory)
    begin = descent.having(reader.connection, sha256, _BEGINNINGS)
    own = descent.own_digests(reader.connection, begin)
    digests = {sha256, *(digest for all_ in own.values() for digest in all_)}
    users = descent.dataset_users(reader.connection, digest=sha256, limit=walks.MAX_IMPACT + 1)
    return walks.descendants(reader.connection, digests, users=users, but=begin)


def _advisory(reader: Reader, sha256: str) -> tuple[Advisory, str] | None:
    """Return the advisory with this statement digest and the digest of its subject, or None."""
    row = find_statement(reader, sha256)
    if row is None or row.kind != "advisory" or reader.withheld("bundle", row.bundle) is not None:
        return None
    return cast("Advisory", reader.statements.get(row.bundle).document), str(row.subject)


def _affected(reader: Reader, advisory: Advisory, subject: str) -> Descendants:
    """Find what an advisory reaches; the releases that it is about are at distance 0."""
    named = {subject}
    for one in advisory.affects:
        if one.digest is not None:
            named.add(one.digest.removeprefix("sha256:"))
        if one.statement is not None:
            named.add(one.statement.sha256)
    begin: set[int] = set()
    users: set[int] = set()
    for digest in named:
        begin.update(descent.having(reader.connection, digest, walks.MAX_IMPACT))
        users.update(descent.dataset_users(reader.connection, digest=digest, limit=walks.MAX_IMPACT))
    own = descent.own_digests(reader.connection, begin)
    digests = named.union(*own.values())
    below = walks.descendants(reader.connection, digests, users=users, but=begin, along=advisory.propagates)
    direct = tuple(Descendant(number, 0, None) for number in sorted(begin))
    return Descendants((*direct, *below.found), below.truncated)


def place_of(cursor: str | None) -> tuple[int, int] | None:
    """Return the distance and entry behind which a page begins; None if the cursor is none of such a list."""
    if cursor is None or cursor == "":
        return 0, 0
    match = _CURSOR.fullmatch(cursor)
    return (int(match[1]), int(match[2])) if match is not None else None


def named(reader: Reader, row: Row[Any]) -> dict[str, Any]:
    """Return the members of a document that name a release."""
    return {
        "namespace": row.namespace,
        "model": row.name,
        "version": row.version,
        "url": reader.url(release_path(row.namespace, row.name, row.version)),
    }


def _noticed(
    reader: Reader, walk: Walk, begin: Iterable[int], up: int, down: int
) -> Iterator[proposals.Proposal]:
    """Yield the undeclared edges at the releases asked for, and take their other ends into the walk."""
    for number in begin:
        above, below = proposals.proposals(reader, number)
        kept = [*(above if up else ()), *(below if down else ())]
        others = {one.parent if one.child == number else one.child for one in kept} - walk.rows.keys()
        found = descent.releases(reader.connection, sorted(others)[: max(walk.room(), 0)])
        for other, row in found.items():
            walk.rows[other] = row
            walk.generations[other] = -1 if other < number else 1
        yield from (one for one in kept if one.child in walk.rows and one.parent in walk.rows)


def _node(reader: Reader, walk: Walk, row: Row[Any]) -> LineageNode:
    return LineageNode(
        digest=f"sha256:{row.model_digest}",
        statement=f"sha256:{row.statement}",
        generation=walk.generations[row.number],
        state=state_of(reader, row),
        signer=reader.signer(row.signer),
        received=row.received,
        index=row.number,
        more_up=walk.more_up.get(row.number, 0),
        more_down=walk.more_down.get(row.number, 0),
        **named(reader, row),
    )


def _outside(walk: Walk, link: Link) -> LineageNode:
    """Return the node of a parent that is not registered here."""
    return LineageNode(
        digest=f"sha256:{link.pins[0]}" if link.pins else None,
        statement=None,
        generation=walk.generations[link.child] - 1,
        name=link.name,
    )


def _edge(reader: Reader, walk: Walk, link: Link, evidence: Evidence, licenses: Licenses) -> GraphEdge:
    child = walk.rows[link.child]
    parent = walk.rows[link.parent] if link.parent is not None else None
    grounds = evidence.grounds(link)
    stated = f"sha256:{link.pins[0]}" if link.pins else None
    return GraphEdge(
        child=f"sha256:{child.model_digest}",
        parent=f"sha256:{parent.model_digest}" if parent is not None else stated,
        relation=link.relation,
        level=grounds.level,
        declared=True,
        evidence=grounds.evidence,
        name=link.name,
        match=grounds.match,
        contradicted=grounds.contradicted,
        positions=grounds.positions,
        license=licenses.check(child, parent, link.relation),
        child_statement=f"sha256:{child.statement}",
        parent_statement=f"sha256:{parent.statement}" if parent is not None else None,
        stated=stated,
        **(named(reader, parent) if parent is not None else {}),
    )


def _proposed(reader: Reader, walk: Walk, one: proposals.Proposal) -> GraphEdge:
    child, parent = walk.rows[one.child], walk.rows[one.parent]
    return GraphEdge(
        child=f"sha256:{child.model_digest}",
        parent=f"sha256:{parent.model_digest}",
        relation=None,
        level=0,
        declared=False,
        evidence=proposals.evidence(one),
        match=one.match,
        child_statement=f"sha256:{child.statement}",
        parent_statement=f"sha256:{parent.statement}",
        **named(reader, parent),
    )


def _impact(
    reader: Reader,
    found: Descendants,
    after: tuple[int, int],
    limit: int,
    *,
    digest: str | None = None,
    dataset: str | None = None,
) -> ImpactDocument:
    left = [one for one in found.found if (one.distance, one.number) > after]
    shown = left[:limit]
    rows = descent.releases(reader.connection, (one.number for one in shown))
    return ImpactDocument(
        digest=digest,
        dataset=dataset,
        total=len(found.found),
        truncated=found.truncated,
        items=tuple(
            _item(reader, one, rows[one.number]) for one in shown if is_listed(reader, rows[one.number])
        ),
        next=f"{shown[-1].distance}.{shown[-1].number}" if len(left) > len(shown) else None,
        as_of=reader.as_of(),
    )


def _item(reader: Reader, one: Descendant, row: Row[Any]) -> ImpactItem:
    return ImpactItem(
        digest=f"sha256:{row.model_digest}",
        statement=f"sha256:{row.statement}",
        distance=one.distance,
        relation=one.relation,
        state=state_of(reader, row),
        signer=reader.signer(row.signer),
        received=row.received,
        index=row.number,
        **named(reader, row),
    )
