# SPDX-License-Identifier: Apache-2.0
"""Errors as RFC 9457 problems: a stable type, what and where, the step, what to do."""

from __future__ import annotations

import json
import logging
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from weighbridge.errors import (
    AdmissionError,
    CosigningError,
    InputError,
    RateLimitedError,
    UndecidedError,
    WeighbridgeError,
    WithheldError,
)
from weighbridge_schemas.api import Problem, WithheldDocument

__all__ = [
    "MEDIA_TYPE",
    "BadRequestError",
    "NotKnownError",
    "blocked_by",
    "install",
    "problem",
    "problem_of",
    "response",
]

MEDIA_TYPE: Final = "application/problem+json"
_LOG: Final = logging.getLogger("weighbridge.registry")
_RETRY_SECONDS: Final = "2"

_TYPES: Final[dict[int, tuple[str, str]]] = {
    400: ("malformed", "The request is malformed"),
    403: ("forbidden", "The signer may not do this"),
    404: ("not-found", "Not known here"),
    405: ("method-not-allowed", "This address does not take that method"),
    408: ("timeout", "The request came too slowly"),
    409: ("conflict", "Taken, or changed in the meantime"),
    413: ("too-large", "Too large"),
    415: ("unsupported-media-type", "Not a content type that is taken here"),
    422: ("unprocessable", "Well formed, but refused"),
    429: ("too-many-requests", "Too much in a short time"),
    451: ("withheld", "Withheld by a logged decision of the operator"),
    500: ("internal", "This registry has a fault"),
    503: ("unavailable", "Not now"),
}


_UNDECIDED: Final[dict[type[WeighbridgeError], int]] = {RateLimitedError: 429, WithheldError: 451}
"""Statuses of what could not be decided; else 503."""


class NotKnownError(WeighbridgeError):
    """404: nothing of that name, digest or index is known here."""


class BadRequestError(WeighbridgeError):
    """A request that is no question that this interface has; `status` says how."""

    def __init__(self, message: str, *, status: int = 400, hint: str = "", **evidence: Any) -> None:
        super().__init__(message, hint=hint, evidence=evidence)
        self.status = status


def problem(status: int, detail: str, **more: Any) -> Problem:
    """Return the problem document of a status; `more` are its optional members."""
    slug, title = _TYPES.get(status, ("error", "The request failed"))
    return Problem(
        type=f"https://weighbridge/problems/{slug}", title=title, status=status, detail=detail, **more
    )


def problem_of(error: WeighbridgeError) -> Problem:
    """Return the problem that an error is."""
    evidence = dict(error.evidence)
    line = evidence.pop("line", None)
    return problem(
        _status(error),
        error.message,
        step=error.step,
        hint=error.hint,
        evidence=evidence,
        instance=f"#/{line - 1}" if line is not None else None,
        withheld=error.withheld if isinstance(error, WithheldError) else None,
    )


def response(document: Problem) -> Response:
    """Return the answer that carries a problem."""
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if document.status == 503:  # noqa: PLR2004 - RFC 9110 section 15.6.4
        headers["Retry-After"] = _RETRY_SECONDS
    elif document.status == 429:  # noqa: PLR2004 - RFC 6585 section 4
        headers["Retry-After"] = str(document.evidence.get("retry_after", _RETRY_SECONDS))
    if document.withheld is not None:
        headers["Link"] = blocked_by(document.withheld)
    body = json.dumps(document.to_json() | {"type": document.type}, ensure_ascii=False, default=str)
    return Response(body.encode("utf-8", "replace"), document.status, headers, MEDIA_TYPE)


def blocked_by(withheld: WithheldDocument) -> str:
    """Return the `Link` that says who blocks it (RFC 7725 section 4): this registry's own log."""
    root = withheld.url.removesuffix(f"/log/{withheld.index}")
    return f'<{root}/log>; rel="blocked-by"'


def install(app: FastAPI) -> None:
    """Make every error of the app a problem; only faults of ours become 500, logged."""

    async def on_error(_request: Request, error: Exception) -> Response:
        if isinstance(error, WeighbridgeError):
            return response(problem_of(error))
        if isinstance(error, (OperationalError, InterfaceError, PoolTimeoutError)):
            _LOG.error("the database does not answer: %s", type(error).__name__)
            return response(problem(503, "The database does not answer.", hint="try again in a few seconds"))
        _LOG.error("a request failed", exc_info=error)
        return response(
            problem(500, "This is a fault of the registry, not of your request.", hint="tell its operator")
        )

    async def on_http(_request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        found = response(problem(error.status_code, str(error.detail)))
        found.headers.update(error.headers or {})
        return found

    async def on_validation(_request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return response(problem(400, f"{where}: {first['msg']}"))

    app.add_exception_handler(WeighbridgeError, on_error)
    for kind in (OperationalError, InterfaceError, PoolTimeoutError):
        app.add_exception_handler(kind, on_error)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(Exception, on_error)


def _status(error: WeighbridgeError) -> int:
    match error:
        case AdmissionError() | BadRequestError() | CosigningError():
            return error.status
        case NotKnownError():
            return 404
        case UndecidedError():
            return _UNDECIDED.get(type(error), 503)
        case InputError():
            return 400
        case _:
            return 500
