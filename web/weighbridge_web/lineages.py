# SPDX-License-Identifier: Apache-2.0
"""Edges of lineage in words, and as relatives for the drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from weighbridge_schemas.api import DatasetEdge, ParentEdge
from weighbridge_web.drawing import Relative, draw_lineage
from weighbridge_web.formats import local, plural, said, short
from weighbridge_web.words import CHILD_LEVELS, CHILD_RELATIONS, DATASET_LEVELS, LEVELS, RELATIONS, STAGES

if TYPE_CHECKING:
    from markupsafe import Markup

    from weighbridge_schemas.api import ReleaseDocument

__all__ = ["EdgeGroup", "EdgeLine", "drawing", "edge_groups"]

MAX_DATASETS_DRAWN: Final = 3
"""Data sets drawn one by one; more become one mark that leads to the list."""


@dataclass(frozen=True)
class EdgeLine:
    """The other end of an edge: its name, its page here, the digest that was pinned, a note."""

    name: str
    url: str | None
    digest: str | None
    note: str | None


@dataclass(frozen=True)
class EdgeGroup:
    """Edges with the same relation and the same evidence."""

    relation: str
    evidence: str
    level: int
    edges: tuple[EdgeLine, ...]


def edge_groups(
    edges: Sequence[ParentEdge | DatasetEdge],
    from_parent: bool = False,  # noqa: FBT001, FBT002 - a filter's argument
) -> tuple[EdgeGroup, ...]:
    """Group edges by relation and evidence, in the order in which they first appear."""
    groups: dict[tuple[str, int], list[EdgeLine]] = {}
    evidence: dict[tuple[str, int], str] = {}
    for edge in edges:
        key = (_relation(edge, from_parent=from_parent), edge.level)
        evidence[key] = _evidence(edge, from_parent=from_parent)
        groups.setdefault(key, []).append(_line(edge, from_parent=from_parent))
    return tuple(EdgeGroup(key[0], evidence[key], key[1], tuple(lines)) for key, lines in groups.items())


def drawing(release: ReleaseDocument) -> Markup | None:
    """Draw one level up (models, then data sets) and one down; None if there is nothing to draw."""
    lineage = release.lineage
    if lineage is None:
        return None
    above = [*(_relative(edge) for edge in lineage.parents), *_datasets(lineage.datasets)]
    below = [_relative(edge, from_parent=True) for edge in lineage.children]
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
    )


def _line(edge: ParentEdge | DatasetEdge, *, from_parent: bool) -> EdgeLine:
    if isinstance(edge, DatasetEdge):
        name = said(edge.name or edge.location or short(edge.digest or "") or "unnamed", 200)
        return EdgeLine(name, None, edge.digest, edge.note)
    digest = edge.child if from_parent else edge.parent
    if edge.namespace and edge.model:
        name = f"{edge.namespace}/{edge.model} {edge.version or ''}".rstrip()
    else:
        name = said(edge.name or edge.location or short(digest or "") or "unnamed", 200)
    return EdgeLine(name, local(edge.url) if edge.url else None, digest, None)


def _relation(edge: ParentEdge | DatasetEdge, *, from_parent: bool) -> str:
    if isinstance(edge, DatasetEdge):
        return STAGES[edge.stage]
    return (CHILD_RELATIONS if from_parent else RELATIONS)[edge.relation]


def _evidence(edge: ParentEdge | DatasetEdge, *, from_parent: bool) -> str:
    if isinstance(edge, DatasetEdge):
        return DATASET_LEVELS[edge.level]
    return (CHILD_LEVELS if from_parent else LEVELS)[edge.level]
