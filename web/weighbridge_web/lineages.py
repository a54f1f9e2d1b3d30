# SPDX-License-Identifier: Apache-2.0
"""Edges of lineage in words, and as relatives for the drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from weighbridge_schemas.api import DatasetEdge, ParentEdge
from weighbridge_web.drawing import MAX_DRAWN, Relative, draw_lineage
from weighbridge_web.formats import local, plural, said, short, who
from weighbridge_web.words import (
    CHILD_LEVELS,
    CHILD_RELATIONS,
    CONTRADICTED,
    DATASET_LEVELS,
    LEVELS,
    NOTICED,
    RELATIONS,
    STAGES,
    STANCES,
)

if TYPE_CHECKING:
    from markupsafe import Markup

    from weighbridge_schemas.api import (
        GraphEdge,
        LicenseCheck,
        LineageGraph,
        LineageNode,
        ReleaseDocument,
        StatedLicense,
    )

__all__ = ["EdgeGroup", "EdgeLine", "LicenseLine", "Step", "drawing", "edge_groups", "graph_drawing", "steps"]

_PARTIES: Final = {"parent": ", an owner of the parent", "child": ", an owner of the child", "other": ""}

_MAX_WORDS: Final = 8

MAX_DATASETS_DRAWN: Final = 3
"""Data sets drawn one by one; more become one mark that leads to the list."""


@dataclass(frozen=True)
class LicenseLine:
    """Two stated licences: a few words, whether to look, a sentence, each as it was stated with its place."""

    words: str
    look: bool
    sentence: str = ""
    stated: tuple[tuple[str, StatedLicense], ...] = ()


@dataclass(frozen=True)
class EdgeLine:
    """The other end of an edge: its name, its page here, the digest that was pinned, a note."""

    name: str
    url: str | None
    digest: str | None
    note: str | None
    match: str = ""
    """What the tensor tables of the two have in common."""
    positions: tuple[str, ...] = ()
    """What others signed about it, each with who."""
    release: str = ""
    """`namespace/name@version`, if it is registered here."""
    license: LicenseLine | None = None
    """What the stated licences of the two are to each other; None if there is nothing to say."""


@dataclass(frozen=True)
class EdgeGroup:
    """Edges with the same relation and the same evidence."""

    relation: str
    evidence: str
    level: int
    edges: tuple[EdgeLine, ...]
    contradicted: bool = False


@dataclass(frozen=True)
class Step:
    """Releases at one distance from the one that is shown, and how each is connected."""

    title: str
    lines: tuple[EdgeLine, ...]


def edge_groups(
    edges: Sequence[ParentEdge | DatasetEdge],
    from_parent: bool = False,  # noqa: FBT001, FBT002 - a filter's argument
) -> tuple[EdgeGroup, ...]:
    """Group edges by relation and evidence, in the order in which they first appear."""
    groups: dict[tuple[str, int, bool], list[EdgeLine]] = {}
    evidence: dict[tuple[str, int, bool], str] = {}
    for edge in edges:
        contradicted = isinstance(edge, ParentEdge) and edge.contradicted
        key = (_relation(edge, from_parent=from_parent), edge.level, contradicted)
        evidence[key] = _evidence(edge, from_parent=from_parent)
        groups.setdefault(key, []).append(_line(edge, from_parent=from_parent))
    return tuple(
        EdgeGroup(key[0], evidence[key], key[1], tuple(lines), key[2]) for key, lines in groups.items()
    )


def drawing(release: ReleaseDocument) -> Markup | None:
    """Draw one level up (models, then data sets) and one down; None if there is nothing to draw."""
    lineage = release.lineage
    if lineage is None:
        return None
    above = [*map(_relative, (*lineage.parents, *lineage.proposed)), *_datasets(lineage.datasets)]
    children = (*lineage.children, *lineage.proposed_children)
    below = [_relative(edge, from_parent=True) for edge in children]
    name = f"{release.namespace}/{release.name} {release.version}"
    return draw_lineage(name, above, below) or None


def _datasets(edges: Sequence[DatasetEdge]) -> list[Relative]:
    if len(edges) <= MAX_DATASETS_DRAWN:
        return [_relative(edge) for edge in edges]
    groups = edge_groups(edges)
    words = groups[0].relation if len(groups) == 1 else "data for several uses, listed below"
    level = min(edge.level for edge in edges)
    name = plural(len(edges), "data set")
    return [Relative(name, f"{words} ({DATASET_LEVELS[level]})", level, url="#lineage-list", dataset=True)]


def _relative(edge: ParentEdge | DatasetEdge, *, from_parent: bool = False) -> Relative:
    line = _line(edge, from_parent=from_parent)
    words = _relation(edge, from_parent=from_parent)
    return Relative(
        name=line.name,
        relation=f"{words} ({_evidence(edge, from_parent=from_parent)})",
        level=edge.level,
        registered=line.url is not None,
        url=line.url or "",
        dataset=isinstance(edge, DatasetEdge),
        manner=_manner(edge),
    )


def _manner(edge: ParentEdge | DatasetEdge) -> str:
    """Say how an edge's line is drawn where its level alone does not."""
    if not edge.declared:
        return "proposed"
    return "contradicted" if isinstance(edge, ParentEdge) and edge.contradicted else ""


def _line(edge: ParentEdge | DatasetEdge, *, from_parent: bool) -> EdgeLine:
    if isinstance(edge, DatasetEdge):
        name = said(edge.name or edge.location or short(edge.digest or "") or "unnamed", 200)
        return EdgeLine(
            name,
            local(edge.url) if edge.url else None,
            edge.digest,
            edge.note,
            license=_license(edge.license, "data set"),
        )
    digest = edge.child if from_parent else edge.parent
    if edge.namespace and edge.model:
        name = f"{edge.namespace}/{edge.model} {edge.version or ''}".rstrip()
    else:
        name = said(edge.name or edge.location or short(digest or "") or "unnamed", 200)
    match = edge.match.words if edge.match is not None and edge.match.finding != "no sign" else ""
    if edge.contradicted and edge.evidence:
        match = said(edge.evidence[-1], 600)
    release = f"{edge.namespace}/{edge.model}@{edge.version}" if edge.namespace and edge.version else ""
    positions = tuple(
        f"{STANCES[one.stance]} {who(one.signer.label, 80)}{_PARTIES[one.party]}"
        f"{f': {said(one.reason, 200)}' if one.reason else ''}"
        for one in edge.positions
    )
    return EdgeLine(
        name,
        local(edge.url) if edge.url else None,
        digest,
        None,
        match,
        positions,
        release,
        _license(edge.license, "parent", from_parent=from_parent),
    )


def _license(check: LicenseCheck | None, other: str, *, from_parent: bool = False) -> LicenseLine | None:
    """Say what two stated licences are to each other, if there is something to look at or to know.

    On a parent's page it is said in a word: many children must not fill it with sentences about themselves.
    """
    if check is None or check.result == "nothing found" or (from_parent and check.result == "unknown"):
        return None
    if check.result == "unknown":
        return LicenseLine(f"licences: {check.words}", look=False)
    both = (("child", check.child), (other, check.parent))
    stated = tuple((whose, one) for whose, one in both if one is not None)
    if from_parent:
        return LicenseLine("its licence", look=True, sentence=check.words, stated=stated)
    return LicenseLine(f"licences: {check.words}", look=True, stated=stated)


def _relation(edge: ParentEdge | DatasetEdge, *, from_parent: bool) -> str:
    if isinstance(edge, DatasetEdge):
        return STAGES[edge.stage]
    if not edge.declared:
        return "was registered later" if from_parent else "was registered earlier"
    return (CHILD_RELATIONS if from_parent else RELATIONS)[edge.relation]


def _evidence(edge: ParentEdge | DatasetEdge, *, from_parent: bool) -> str:
    if isinstance(edge, DatasetEdge):
        return DATASET_LEVELS[edge.level]
    if not edge.declared:
        return NOTICED
    if edge.contradicted:
        return CONTRADICTED
    return (CHILD_LEVELS if from_parent else LEVELS)[edge.level]


def graph_drawing(graph: LineageGraph, title: str) -> Markup | None:
    """Draw several steps up and down around a release; None if there is nothing to draw."""
    return draw_lineage(title, _side(graph, up=True), _side(graph, up=False)) or None


def steps(graph: LineageGraph) -> tuple[Step, ...]:
    """Return the releases of a graph in words: those farthest up first, those farthest down last."""
    edges: dict[str, list[GraphEdge]] = {}
    for edge in graph.edges:
        for key in (edge.child_statement, _parent_key(edge)):
            edges.setdefault(key, []).append(edge)
    found: dict[int, list[EdgeLine]] = {}
    for node in graph.nodes:
        if node.generation:
            up = node.generation < 0
            near = [one for one in edges.get(_node_key(node), ()) if _far_end(one, up=up) == _node_key(node)]
            found.setdefault(node.generation, []).append(_told(node, near, graph, up=up))
    return tuple(Step(_step_title(generation), tuple(found[generation])) for generation in sorted(found))


def _step_title(generation: int) -> str:
    way = "up" if generation < 0 else "down"
    return f"{plural(abs(generation), 'step')} {way}"


def _told(node: LineageNode, edges: Sequence[GraphEdge], graph: LineageGraph, *, up: bool) -> EdgeLine:
    names = {_node_key(one): _node_name(one) for one in graph.nodes}
    words = []
    for edge in edges:
        other = names.get(edge.child_statement if up else _parent_key(edge), "")
        relation = _relation(edge, from_parent=not up).removesuffix(" this").removesuffix(" this and others")
        evidence = _evidence(edge, from_parent=not up)
        words.append(f"{other} {relation} it ({evidence})" if up else f"{relation} {other} ({evidence})")
    return EdgeLine(
        _node_name(node),
        local(node.url) if node.url else None,
        node.digest,
        "; ".join(words[:_MAX_WORDS]),
    )


def _side(graph: LineageGraph, *, up: bool) -> list[Relative]:
    """Return the relatives on one side in the order of drawing; of many, those nearest to the release."""
    nodes = [node for node in graph.nodes if node.generation and (node.generation < 0) == up]
    nodes.sort(key=lambda node: (abs(node.generation), node.index or 0))
    rest = len(nodes) - MAX_DRAWN
    if rest > 0:
        nodes, rest = nodes[: MAX_DRAWN - 1], rest + 1
    if up:
        nodes.reverse()
    place = {_node_key(node): number for number, node in enumerate(nodes)}
    centres = {_node_key(node) for node in graph.nodes if not node.generation}
    found = [_drawn(node, graph, place, centres, up=up) for node in nodes]
    if rest > 0:
        more = Relative(f"+ {rest} more", "listed below", 0, url="#lineage-list", toward=())
        shift = tuple(_shifted(one) for one in found)
        found = [more, *shift] if up else [*found, more]
    return found


def _shifted(relative: Relative) -> Relative:
    """Return a relative whose list got one more row before it."""
    toward = tuple(None if place is None else place + 1 for place in relative.toward)
    return replace(relative, toward=toward)


def _drawn(
    node: LineageNode, graph: LineageGraph, place: dict[str, int], centres: set[str], *, up: bool
) -> Relative:
    toward: list[int | None] = []
    edges = [one for one in graph.edges if _far_end(one, up=up) == _node_key(node)]
    for edge in edges:
        near = edge.child_statement if up else _parent_key(edge)
        if near in centres:
            toward.append(None)
        elif near in place:
            toward.append(place[near])
    first = edges[0] if edges else None
    words = _relation(first, from_parent=not up) if first is not None else ""
    evidence = _evidence(first, from_parent=not up) if first is not None else ""
    more = node.more_up if up else node.more_down
    return Relative(
        name=_node_name(node) + (f" (+{more})" if more else ""),
        relation=f"{words} ({evidence})" if words else "",
        level=first.level if first is not None else 0,
        registered=node.url is not None,
        url=local(node.url) if node.url else "",
        manner=_manner(first) if first is not None else "",
        toward=tuple(toward),
    )


def _far_end(edge: GraphEdge, *, up: bool) -> str:
    """Return the key of the end of an edge that is farther from the release."""
    return _parent_key(edge) if up else edge.child_statement


def _parent_key(edge: GraphEdge) -> str:
    return edge.parent_statement or edge.parent or edge.name or ""


def _node_key(node: LineageNode) -> str:
    return node.statement or node.digest or node.name or ""


def _node_name(node: LineageNode) -> str:
    if node.namespace and node.model:
        return f"{node.namespace}/{node.model} {node.version or ''}".rstrip()
    return said(node.name or short(node.digest or "") or "unnamed", 200)
