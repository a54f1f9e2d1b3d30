# SPDX-License-Identifier: Apache-2.0
"""status/v1: whether a release still stands: yanked, restored, deprecated, superseded.

Only owners of the release's namespace say so, each statement replaces the one before, and the newest
holds. Nothing is deleted by it: the release stays in the log with what was said of it.
"""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import model_validator

from .base import Document, Flag, Line, Origins, Paragraph, Reference, predicate_type

__all__ = ["KIND", "PREDICATE_TYPE", "State", "Status"]

KIND: Final = "status"
PREDICATE_TYPE: Final = predicate_type(KIND)

State = Literal["yanked", "restored", "deprecated", "superseded"]
"""What owners can say of a release."""


class Status(Document):
    """Predicate of status/v1. Subject: the statement digest of the release."""

    state: State
    """`yanked`: do not use it. `restored`: what was said before no longer holds. `deprecated`: it is no
    longer cared for. `superseded`: another release takes its place."""
    reason: Line
    """Why, in one line for people."""
    details: Paragraph | None = None
    """More about it."""
    security: Flag = False
    """True if the reason is a danger to those who use the model."""
    superseded_by: Reference | None = None
    """The release statement that takes its place; with `superseded` only."""
    logs: Origins
    """Origins of the logs that the signer means it for."""
    previous: Reference | None
    """The status/v1 statement that it replaces; null for the first."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.superseded_by is not None) != (self.state == "superseded"):
            raise ValueError("superseded_by goes with the state superseded, and only with it")
        if self.superseded_by is not None and self.superseded_by.kind != "release":
            raise ValueError("superseded_by must refer to a release")
        if self.previous is not None and self.previous.kind != KIND:
            raise ValueError("previous must refer to a status statement")
        if self.previous is None and self.state == "restored":
            raise ValueError("nothing can be restored where nothing was said before")
        return self
