# SPDX-License-Identifier: Apache-2.0
"""lineage/v1: what a model descends from, and what it was trained on.

A release carries its lineage; `LineageRevision` replaces it later. The publisher states edges;
how much each edge is worth (levels 0 to 4) is computed by whoever reads it and never signed here.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from .base import Digest, Document, Line, Location, Name, Origin, Reference, Revision, predicate_type

__all__ = [
    "KIND",
    "PREDICATE_TYPE",
    "DatasetUse",
    "Lineage",
    "LineageRevision",
    "Parent",
    "Relation",
    "Stage",
]

KIND: Final = "lineage"
PREDICATE_TYPE: Final = predicate_type(KIND)

Relation = Literal[
    "finetune",
    "adapter",
    "merge",
    "quantized",
    "converted",
    "distilled",
    "continued_pretraining",
    "pruned",
    "from_scratch",
]
"""How the child was made from the parent; the first four are the Hugging Face hub's."""

Stage = Literal["pretrain", "midtrain", "sft", "preference", "rl", "eval"]
"""What a data set was used for."""


class Parent(Document):
    """One edge child → parent. `from_scratch` is the explicit claim that there is no parent."""

    relation: Relation | None
    """How the child was made from it; null if the publisher did not say."""
    name: Name | None = None
    """Name of the parent, as people know it (`org/name`, `NS/NAME@VERSION`): a claim (level 0)."""
    digest: Digest | None = None
    """Model, weights or root digest of the exact parent (level 1, and 2 where it is registered)."""
    statement: Reference | None = None
    """The parent's release statement."""
    location: Location | None = None
    """Where the parent was taken from."""
    revision: Revision | None = None
    """Commit or tag of the parent at that location."""

    @model_validator(mode="after")
    def _target(self) -> Self:
        targets = (self.name, self.digest, self.statement, self.location)
        if self.relation == "from_scratch":
            if any(t is not None for t in (*targets, self.revision)):
                raise ValueError("from_scratch names no parent")
        elif all(t is None for t in targets):
            raise ValueError("needs a name, digest, statement or location")
        if self.statement is not None and self.statement.kind != "release":
            raise ValueError("statement must refer to a release")
        return self


class DatasetUse(Document):
    """One edge model → data set, with the stage in which it was used."""

    stage: Stage | None
    """What it was used for; null if the publisher did not say."""
    name: Name
    """Name of the data set as people know it."""
    digest: Digest | None = None
    """Root of its files, or the digest of its Croissant description."""
    statement: Reference | None = None
    """A `dataset/v1` statement about it."""
    location: Location | None = None
    """Where it can be had."""
    revision: Revision | None = None
    """Commit, tag or date of the state that was used."""
    note: Line | None = None
    """What part of it was used, or how."""

    @model_validator(mode="after")
    def _statement_kind(self) -> Self:
        if self.statement is not None and self.statement.kind != "dataset":
            raise ValueError("statement must refer to a dataset")
        return self


class Lineage(Document):
    """All that a publisher states about where a model comes from."""

    parents: Annotated[tuple[Parent, ...], Field(max_length=64)] = ()
    """Models it was made from; empty means that nothing was said."""
    datasets: Annotated[tuple[DatasetUse, ...], Field(max_length=1024)] = ()
    """Data sets it was trained or evaluated on; empty means that nothing was said."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any(p.relation == "from_scratch" for p in self.parents) and len(self.parents) > 1:
            raise ValueError("from_scratch excludes every other parent")
        for edges in (self.parents, self.datasets):
            if len(set(edges)) != len(edges):
                raise ValueError("an edge is stated twice")
        return self


class LineageRevision(Document):
    """Predicate of lineage/v1: replaces a release's lineage. Subject: the release's statement digest."""

    logs: Annotated[tuple[Origin, ...], Field(min_length=1, max_length=16)]
    """Origins of the logs that the signer means it for."""
    previous: Reference | None
    """The lineage/v1 statement that it replaces; null for the first revision."""
    lineage: Lineage
    """The whole lineage as it now stands."""

    @model_validator(mode="after")
    def _previous_kind(self) -> Self:
        if self.previous is not None and self.previous.kind != KIND:
            raise ValueError("previous must refer to a lineage statement")
        return self
