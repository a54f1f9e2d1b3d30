# SPDX-License-Identifier: Apache-2.0
"""disclosure/v1: what is said of a model whose files nobody can weigh, field by field, and what is left open.

A closed model has no bytes to hash, so the subject is abstract: the name by which it is sold. Each field is
either answered or explicitly left open, with the reason; what is not listed was not said at all.
"""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from .base import (
    Document,
    Flag,
    HttpsUrl,
    Line,
    Name,
    NamespaceName,
    Origins,
    Paragraph,
    Reference,
    Slug,
    Timestamp,
    Withdrawal,
    predicate_type,
)

__all__ = ["KIND", "PREDICATE_TYPE", "Disclosure", "DisclosureField"]

KIND: Final = "disclosure"
PREDICATE_TYPE: Final = predicate_type(KIND)


class DisclosureField(Document):
    """One question, answered or left open."""

    id: Slug
    """Short name of the question, such as `training_data` or `energy`."""
    question: Line | None = None
    """The question in words, where the short name does not say it."""
    answer: Paragraph | None = None
    """The answer."""
    left_open: Line | None = None
    """Why it is not answered."""
    evidence: Annotated[tuple[HttpsUrl, ...], Field(max_length=32)] = ()
    """Where the answer is shown or explained."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.answer is None) == (self.left_open is None):
            raise ValueError("is either answered (answer) or left open with a reason (left_open)")
        if self.left_open is not None and self.evidence:
            raise ValueError("what is left open has no evidence")
        return self


class Disclosure(Document):
    """Predicate of disclosure/v1. Subject: the abstract digest of `disclosure` and its name."""

    name: Name
    """The model, as its vendor calls it, version included: `Example Corp/Large 3 (2026-05)`."""
    vendor: Line
    """Who makes or sells it."""
    namespace: NamespaceName | None = None
    """Namespace for which this is said; its signer owns it. Null: the signer speaks for themselves."""
    by_vendor: Flag
    """True if the signer says that they are the vendor; false for what others found out."""
    as_of: Timestamp | None = None
    """Time that it describes; not after the entry was taken."""
    fields: Annotated[tuple[DisclosureField, ...], Field(min_length=1, max_length=512)]
    """The questions, each once."""
    withdrawn: Withdrawal | None = None
    """Set when it no longer stands."""
    logs: Origins
    """Origins of the logs that the signer means it for."""
    previous: Reference | None
    """The disclosure/v1 statement that it replaces: of the same subject, by the same namespace or signer."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [field.id for field in self.fields]
        if len(set(ids)) != len(ids):
            raise ValueError("a field is listed twice")
        if self.previous is not None and self.previous.kind != KIND:
            raise ValueError("previous must refer to a disclosure statement")
        return self
