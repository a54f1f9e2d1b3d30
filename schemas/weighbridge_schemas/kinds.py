# SPDX-License-Identifier: Apache-2.0
"""All statement kinds that exist: predicate type → model, predicate type → kind."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from . import card, lineage, namespace, oms, operator, release, signer
from .base import Document, Kind

__all__ = ["KINDS", "PREDICATES", "kind_of", "type_of"]

PREDICATES: Final[Mapping[str, type[Document]]] = MappingProxyType(
    {
        oms.PREDICATE_TYPE: oms.OmsPredicate,
        release.PREDICATE_TYPE: release.Release,
        card.PREDICATE_TYPE: card.CardRevision,
        lineage.PREDICATE_TYPE: lineage.LineageRevision,
        namespace.PREDICATE_TYPE: namespace.Namespace,
        signer.PREDICATE_TYPE: signer.SignerIntroduction,
        operator.PREDICATE_TYPE: operator.Operator,
    }
)
"""Model of each predicate type that a registry admits today."""

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        oms.PREDICATE_TYPE: "oms",
        release.PREDICATE_TYPE: "release",
        card.PREDICATE_TYPE: "card",
        lineage.PREDICATE_TYPE: "lineage",
        namespace.PREDICATE_TYPE: "namespace",
        signer.PREDICATE_TYPE: "signer",
        operator.PREDICATE_TYPE: "operator",
    }
)
"""Kind of each predicate type."""

_TYPES: Final[Mapping[str, str]] = MappingProxyType({kind: uri for uri, kind in KINDS.items()})


def kind_of(predicate_type: str) -> Kind:
    """Return the kind of a predicate type; `attestation` for any that is not ours."""
    return KINDS.get(predicate_type, "attestation")


def type_of(kind: str) -> str:
    """Return the predicate type of a kind; KeyError for a kind that does not exist yet."""
    return _TYPES[kind]
