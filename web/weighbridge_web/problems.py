# SPDX-License-Identifier: Apache-2.0
"""Errors as pages for people; programs keep getting RFC 9457 `application/problem+json`."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from weighbridge.errors import WeighbridgeError
from weighbridge_registry.api.problems import blocked_by, problem, problem_of, response
from weighbridge_web.formats import visible_controls
from weighbridge_web.rendering import page

if TYPE_CHECKING:
    from fastapi import FastAPI, Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from weighbridge_schemas.api import Problem

__all__ = ["LastResort", "answer", "for_people", "install"]

_log = logging.getLogger(__name__)

_TITLES: Final = {
    400: "That request cannot be read",
    404: "Nothing here by that name",
    405: "That cannot be done here",
    413: "That is too large",
    451: "Withheld by the operator",
    429: "Too many requests",
    500: "Something broke on our side",
    503: "Not available just now",
}
_DETAILS: Final = {404: "There is no page at this address", 405: "This address does not take that method"}
_HINTS: Final = {
    400: "Check the address: names have letters, digits, dots and hyphens; digests 64 hexadecimal digits.",
    404: "It may be misspelt. The search below knows every model that is recorded here.",
    405: "Statements are sent to /api/v1/statements by the command: weighbridge publish.",
    429: "Wait a little, then go on more slowly.",
    500: "Nothing that was recorded is lost. Try again; if it stays, tell the operator what you asked for.",
    503: "Nothing that was recorded is lost. Try again in a minute.",
}
_FOR_PROGRAMS = ("/api/", "/tile/", "/bundles/", "/schemas/", "/static/", "/badges/")
_PATHS_FOR_PROGRAMS = {"/checkpoint", "/healthz", "/readyz", "/metrics"}


def for_people(request: Request) -> bool:
    """Tell whether the one who asked reads pages: by the address, and by what they accept."""
    path = request.url.path
    if path.startswith(_FOR_PROGRAMS) or path in _PATHS_FOR_PROGRAMS:
        return False
    if path.endswith((".json", ".jsonl", ".atom")):
        return False
    accept = request.headers.get("accept", "")
    return not accept or "text/html" in accept or "*/*" in accept


def answer(request: Request, found: Problem) -> Response:
    """Answer with a page or with problem+json, by who asked."""
    if not for_people(request):
        return response(found)
    status = found.status
    detail = found.detail.rstrip(".")
    shown = page(
        "error.html",
        status_code=status,
        status=status,
        title=_TITLES.get(status, found.title),
        detail=f"{detail[:1].upper()}{detail[1:]}.",
        hint=found.hint or _HINTS.get(status, ""),
        withheld=found.withheld,
    )
    if found.withheld is not None:
        shown.headers["Link"] = blocked_by(found.withheld)
    return shown


def install(app: FastAPI) -> None:
    """Make pages answer errors as pages, and the interface as it did."""

    async def on_error(request: Request, error: Exception) -> Response:
        if not isinstance(error, WeighbridgeError):
            raise error
        return answer(request, problem_of(error))

    async def on_http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        bare = error.detail == HTTPStatus(error.status_code).phrase
        detail = _DETAILS.get(error.status_code, error.detail) if bare else error.detail
        found = answer(request, problem(error.status_code, detail))
        found.headers.update(error.headers or {})
        return found

    async def on_validation(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][1:])
        return answer(request, problem(400, f"the value of {name}: {first['msg']}"))

    app.add_exception_handler(WeighbridgeError, on_error)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_middleware(LastResort)


class LastResort:
    """ASGI middleware that answers what nobody caught, tells no insides, and keeps them in the log.

    The framework's own handler stands outside all middleware: its answer would lack our headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; if that fails before an answer began, answer 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            request = Request(scope)
            _log.exception("unhandled error at %s", visible_controls(request.url.path))
            if begun:
                raise
            found = answer(request, problem(500, "This is a fault of the registry, not of your request."))
            await found(scope, receive, send)
