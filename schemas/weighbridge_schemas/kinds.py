# SPDX-License-Identifier: Apache-2.0
"""All statement kinds that a registry admits today: predicate type → model."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from . import (
    advisory,
    card,
    dataset,
    deployment,
    disclosure,
    lineage,
    namespace,
    oms,
    operator,
    position,
    release,
    signer,
    status,
)
from .base import Document
from .names import Kind, kind_of, predicate_type

__all__ = ["PREDICATES", "Kind", "kind_of", "predicate_type"]

PREDICATES: Final[Mapping[str, type[Document]]] = MappingProxyType(
    {
        oms.PREDICATE_TYPE: oms.OmsPredicate,
        release.PREDICATE_TYPE: release.Release,
        card.PREDICATE_TYPE: card.CardRevision,
        lineage.PREDICATE_TYPE: lineage.LineageRevision,
        status.PREDICATE_TYPE: status.Status,
        dataset.PREDICATE_TYPE: dataset.Dataset,
        advisory.PREDICATE_TYPE: advisory.Advisory,
        position.PREDICATE_TYPE: position.Position,
        disclosure.PREDICATE_TYPE: disclosure.Disclosure,
        deployment.PREDICATE_TYPE: deployment.Deployment,
        namespace.PREDICATE_TYPE: namespace.Namespace,
        signer.PREDICATE_TYPE: signer.SignerIntroduction,
        operator.PREDICATE_TYPE: operator.Operator,
    }
)
"""Model of each predicate type."""
