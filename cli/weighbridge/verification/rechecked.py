# SPDX-License-Identifier: Apache-2.0
"""Level 4 in a registry's graph: edges that somebody re-checked whose word counts by a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from weighbridge.errors import InputError, UndecidedError

from .registries import pinned_checkpoint
from .request import Options, Request
from .signatures import Authenticator

if TYPE_CHECKING:
    from weighbridge_schemas.api import GraphEdge, LineageGraph

    from .hearing import Ear
    from .registries import Answering

__all__ = ["recheck"]

_CHECKED = 4


def recheck(
    graph: LineageGraph, source: Answering, **options: Unpack[Options]
) -> tuple[LineageGraph, tuple[str, ...]]:
    """Raise edges of a graph to level 4, and say which re-checks could not be looked at.

    `options` are those of `verify` that say whom to trust, `policy` among them. Each re-check is fetched,
    proved to be in a pinned log and authenticated; that it still stands is the word of whoever answered.
    Raises `InputError` without a policy, `UndecidedError` if the log is not pinned.
    """
    from .hearing import Ear

    request = Request.read(options)
    if request.policy is None:
        raise InputError("Only a policy says whose re-checks count.", hint="Give --policy FILE.")
    checkpoint = pinned_checkpoint(source, request.pins)
    if checkpoint is None:
        raise UndecidedError(
            f"the log of {source.url} is not trusted here, so no re-check can be proved",
            hint="compare its key with one from the people who run it: weighbridge log trust add URL",
        )
    authenticator = Authenticator(
        now=request.now,
        public_keys=request.public_keys,
        anchors=request.anchors,
        sigstore=request.sigstores,
        stampers=request.stampers,
    )
    ear = Ear(request.policy, source, checkpoint, request.pins, authenticator, replayed=False)
    edges = tuple(_raised(ear, edge) for edge in graph.edges)
    return graph.model_copy(update={"edges": edges}), tuple(dict.fromkeys(ear.doubts))


def _raised(ear: Ear, edge: GraphEdge) -> GraphEdge:
    from .hearing import rechecks_of

    if not edge.declared or edge.contradicted:
        return edge
    found = rechecks_of(ear, edge)
    if not found:
        return edge
    told = tuple(
        f"Re-checked by {said.who} (entry {said.index}), a reviewer of your policy." for said in found
    )
    return edge.model_copy(update={"level": _CHECKED, "evidence": (*edge.evidence, *told)})
