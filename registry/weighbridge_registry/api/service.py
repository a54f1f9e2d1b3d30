# SPDX-License-Identifier: Apache-2.0
"""What handlers ask of the app that they run in."""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeAlias, TypeVar, cast

from anyio import CapacityLimiter
from fastapi import Depends, FastAPI, Path, Request

from weighbridge_registry.queries import Queries
from weighbridge_registry.rates import Gate
from weighbridge_registry.read_only import ReadOnlyService
from weighbridge_registry.service import Service

from .bodies import Bodies
from .problems import BadRequestError, NotKnownError
from .receipts import Receipts

__all__ = [
    "Answers",
    "Digest",
    "Open",
    "Registry",
    "bodies_of",
    "digest",
    "gate_of",
    "install",
    "judges_of",
    "known",
    "number",
    "receipts_of",
    "service_of",
]

_T = TypeVar("_T")
_JUDGES: Final = 4
"""Threads that parse and verify submissions: more of them only wait for one another."""
_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,15}")


Registry: TypeAlias = Service | ReadOnlyService
"""What handlers run on: a registry that is open, or a log that is only shown."""


def install(app: FastAPI, service: Registry, bodies: Bodies, gate: Gate) -> None:
    """Keep the service where handlers find it."""
    app.state.service = service
    app.state.bodies = bodies
    app.state.receipts = Receipts(service.queries, service.attachments.likenesses.catch_up)
    app.state.judges = CapacityLimiter(_JUDGES)
    app.state.gate = gate


def service_of(request: Request) -> Registry:
    """Return the service that answers."""
    return cast("Registry", request.app.state.service)


def bodies_of(request: Request) -> Bodies:
    """Return the reader of bodies."""
    return cast("Bodies", request.app.state.bodies)


def receipts_of(request: Request) -> Receipts:
    """Return who answers submissions."""
    return cast("Receipts", request.app.state.receipts)


def judges_of(request: Request) -> CapacityLimiter:
    """Return the threads that judge submissions."""
    return cast("CapacityLimiter", request.app.state.judges)


def gate_of(request: Request) -> Gate:
    """Return the limits of this process."""
    return cast("Gate", request.app.state.gate)


def _queries(request: Request) -> Queries:
    return service_of(request).queries


def digest(sha256: Annotated[str, Path()]) -> str:
    """Read a SHA-256 in a path: bare hex, or with `sha256:`."""
    match = _DIGEST.fullmatch(sha256)
    if match is None:
        raise BadRequestError(
            "a SHA-256 has 64 lowercase hex digits", hint="write it bare, or with sha256: before it"
        )
    return match[1]


def number(text: str | None, what: str) -> int | None:
    """Read a number in a query or path; None if it is absent."""
    if text is None or text == "":
        return None
    if not _NUMBER.fullmatch(text):
        raise BadRequestError(f"{what} is not a number")
    return int(text)


def known(found: _T | None, what: str) -> _T:
    """Return what was found, or make a 404 of nothing."""
    if found is None:
        raise NotKnownError(f"{what} is not known to this registry")
    return found


Open: TypeAlias = Annotated[Registry, Depends(service_of)]
Answers: TypeAlias = Annotated[Queries, Depends(_queries)]
Digest: TypeAlias = Annotated[str, Depends(digest)]
