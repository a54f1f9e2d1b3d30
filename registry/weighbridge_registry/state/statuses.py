# SPDX-License-Identifier: Apache-2.0
"""status/v1: whether a release still stands. Only owners of its namespace say so; the newest holds."""

from __future__ import annotations

from typing import Final, cast

from weighbridge.errors import UnprocessableError
from weighbridge_schemas.status import Status

from .change import Change
from .facts import Fact

__all__ = ["set_status"]

_MAX_WALK: Final = 100
"""Successors visited in search of a circle. Beyond it a status is taken: readers bear circles."""


def set_status(change: Change) -> None:
    """Yank, restore, deprecate or supersede a release of one's own."""
    document = cast("Status", change.candidate.document)
    change.check_log(document.logs)
    subject = change.candidate.subject
    release = change.required_release(subject)
    change.check_owner(release["namespace"])
    key = f"status/{subject}"
    before = change.state.get(key)
    change.check_previous(document.previous, before["statement"] if before else None, "status")
    if document.state == "restored" and (before is None or before["state"] == "restored"):
        raise UnprocessableError(
            "the release stands already: there is nothing to restore",
            hint="nothing needs to be done",
            evidence={"release": subject},
        )
    successor = document.superseded_by.sha256 if document.superseded_by is not None else None
    if successor is not None:
        _check_successor(change, subject, successor)
    change.put(
        key,
        {"statement": change.candidate.digest, "state": document.state, "superseded_by": successor},
    )
    change.release = release["index"]


def _check_successor(change: Change, release: str, successor: str) -> None:
    """Refuse a successor that is not recorded here, or that is superseded by this release in turn."""
    change.required_release(successor)
    one: str | None = successor
    for _ in range(_MAX_WALK):
        if one is None:
            return
        if one == release:
            raise UnprocessableError(
                "by this status the release would supersede itself",
                hint="restore the other release first, or name another successor",
                evidence={"release": release, "superseded_by": successor},
            )
        status: Fact | None = change.state.get(f"status/{one}")
        one = status["superseded_by"] if status is not None else None
