# SPDX-License-Identifier: Apache-2.0
"""What all reports have in common, and the report of an error."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from weighbridge_schemas.base import Document

__all__ = ["ErrorReport", "Report", "Text", "VersionOne"]

VersionOne = Literal[1]
"""Version of a report's form."""

Text = Annotated[str, Field(max_length=1_000_000)]
"""Text for people; it may change."""


class Report(Document):
    """Base of reports: members that are not known here are allowed."""

    model_config = ConfigDict(extra="allow")


class ErrorStep(Report):
    """The step of a verification that failed."""

    n: Annotated[int, Field(ge=1, le=11)]
    """Its number."""
    name: str
    """Its name."""


class ErrorDetail(Report):
    """What went wrong."""

    type: str
    """Class of the error in `weighbridge.errors`, or `UnexpectedError` for a defect of weighbridge."""
    message: Text
    """What, and where."""
    hint: Text | None
    """What to do."""
    step: ErrorStep | None
    """The step that failed, if it was one."""
    evidence: dict[str, Any]
    """What it rests on."""


class ErrorReport(Report):
    """What any command prints with `--json` where it cannot do what it was asked."""

    v: VersionOne
    """Version of this form."""
    error: ErrorDetail
    """The error."""
