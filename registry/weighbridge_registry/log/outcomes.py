# SPDX-License-Identifier: Apache-2.0
"""What became of a submission, as it goes from the sequencer's process to the one that answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from weighbridge.errors import (
    ConflictError,
    ForbiddenError,
    LogError,
    MalformedError,
    TooLargeError,
    UnavailableError,
    UnprocessableError,
    WeighbridgeError,
)

__all__ = ["Placed", "places_of", "refusal", "success", "unavailable"]

_ERRORS: Final[dict[str, type[WeighbridgeError]]] = {
    one.__name__: one
    for one in (
        ConflictError,
        ForbiddenError,
        MalformedError,
        TooLargeError,
        UnavailableError,
        UnprocessableError,
    )
}


@dataclass(frozen=True, slots=True)
class Placed:
    """Where one submitted bundle stands in the log; `created` is False if it stood there before."""

    index: int
    created: bool


def success(places: Sequence[Placed]) -> str:
    """Return the outcome of a submission that is published."""
    return json.dumps({"places": [[place.index, place.created] for place in places]})


def refusal(error: WeighbridgeError) -> str:
    """Return the outcome of a submission that was refused, or could not be decided."""
    kind = next((base.__name__ for base in type(error).__mro__ if base.__name__ in _ERRORS), "LogError")
    told: dict[str, Any] = {
        "type": kind,
        "message": error.message,
        "hint": error.hint,
        "evidence": error.evidence,
        "step": error.step,
    }
    return json.dumps({"error": told}, default=str)


def places_of(outcome: str) -> tuple[Placed, ...]:
    """Return the places of an outcome; raises the error that it is."""
    found = json.loads(outcome)
    if "error" not in found:
        return tuple(Placed(index, created) for index, created in found["places"])
    told = found["error"]
    kind = _ERRORS.get(told["type"], LogError)
    raise kind(told["message"], hint=told["hint"], evidence=told["evidence"], step=told["step"])


def unavailable(why: str) -> UnavailableError:
    """Return the error for a submission that may be sent again."""
    return UnavailableError(why, hint="try again in a few seconds; nothing acknowledged is lost")
