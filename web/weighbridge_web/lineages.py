# SPDX-License-Identifier: Apache-2.0
"""Edges of lineage in words, and as relatives for the drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge_schemas.api import DatasetEdge, ParentEdge
from weighbridge_web.drawing import Relative, draw_lineage
from weighbridge_web.formats import said, short
from weighbridge_web.words import CHILD_LEVELS, CHILD_RELATIONS, DATASET_LEVELS, LEVELS, RELATIONS, STAGES

if TYPE_CHECKING:
    from markupsafe import Markup

    from weighbridge_schemas.api import ReleaseDocument

__all__ = ["drawing", "edge_digest", "edge_name", "level_words", "relation_words"]


def edge_name(edge: ParentEdge | DatasetEdge) -> str:
    """Return the best name of an edge's other end: its release here, else what the publisher wrote."""
    if isinstance(edge, ParentEdge) and edge.namespace and edge.model:
        return f"{edge.namespace}/{edge.model} {edge.version or ''}".rstrip()
    if edge.name:
        return said(edge.name, 200)
    if edge.location:
        return said(edge.location, 200)
    return short(edge_digest(edge) or "") or "unnamed"


def edge_digest(edge: ParentEdge | DatasetEdge) -> str | None:
    """Return the digest that the publisher pinned, or None."""
    return edge.digest if isinstance(edge, DatasetEdge) else edge.parent


def relation_words(edge: ParentEdge | DatasetEdge, from_parent: bool = False) -> str:  # noqa: FBT001, FBT002 - a filter's argument
    """Return the relation in plain words, read from the child or from the parent."""
    if isinstance(edge, DatasetEdge):
        return STAGES[edge.stage]
    return (CHILD_RELATIONS if from_parent else RELATIONS)[edge.relation]


def level_words(edge: ParentEdge | DatasetEdge, from_parent: bool = False) -> str:  # noqa: FBT001, FBT002 - a filter's argument
    """Return in plain words what stands behind an edge."""
    if isinstance(edge, DatasetEdge):
        return DATASET_LEVELS[edge.level]
    return (CHILD_LEVELS if from_parent else LEVELS)[edge.level]


def drawing(release: ReleaseDocument) -> Markup | None:
    """Draw one level up (models, then data sets) and one down; None if there is nothing to draw."""
    lineage = release.lineage
    if lineage is None:
        return None
    above = [*map(_relative, lineage.parents), *map(_relative, lineage.datasets)]
    below = [_relative(child, from_parent=True) for child in lineage.children]
    name = f"{release.namespace}/{release.name} {release.version}"
    return draw_lineage(name, above, below) or None


def _relative(edge: ParentEdge | DatasetEdge, *, from_parent: bool = False) -> Relative:
    url = edge.url if isinstance(edge, ParentEdge) else None
    return Relative(
        name=edge_name(edge),
        relation=f"{relation_words(edge, from_parent)} ({level_words(edge, from_parent)})",
        level=edge.level,
        registered=bool(url),
        url=url or "",
        dataset=isinstance(edge, DatasetEdge),
    )
