# SPDX-License-Identifier: Apache-2.0
"""Errors as pages for people; programs keep getting RFC 9457 `application/problem+json`."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from weighbridge_schemas.api import Problem
from weighbridge_web.formats import visible_controls
from weighbridge_web.records import NotRecordedError
from weighbridge_web.rendering import page

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["LastResort", "for_people", "install", "problem"]

_log = logging.getLogger(__name__)

_TITLES: Final = {
    400: "That request cannot be read",
    404: "Nothing here by that name",
    405: "That cannot be done here",
    406: "Not in that form",
    413: "That is too large",
    429: "Too many requests",
    500: "Something broke on our side",
    503: "Not available just now",
}
_HINTS: Final = {
    400: "Check the address: names have letters, digits, dots and hyphens; digests 64 hexadecimal digits.",
    404: "It may be misspelt, or recorded elsewhere. Nothing can be concluded from its absence here.",
    405: "Statements are sent to /api/v1/statements by the command: weighbridge publish.",
    429: "Wait a little, then go on more slowly.",
    500: "Nothing that was recorded is lost. Try again; if it stays, tell the operator what you asked for.",
    503: "Nothing that was recorded is lost. Try again in a minute.",
}
_MACHINE_PREFIXES = ("/api/", "/tile/", "/bundles/", "/schemas/", "/static/", "/badges/")
_MACHINE_PATHS = {"/checkpoint", "/healthz", "/readyz", "/metrics", "/openapi.json"}


def for_people(request: Request) -> bool:
    """Tell whether the one who asked reads pages: by the address, and by what they accept."""
    path = request.url.path
    if path.startswith(_MACHINE_PREFIXES) or path in _MACHINE_PATHS or path.endswith((".json", ".atom")):
        return False
    accept = request.headers.get("accept", "")
    return not accept or "text/html" in accept or "*/*" in accept


def problem(request: Request, status: int, detail: str, hint: str = "") -> Response:
    """Answer with a page or with problem+json, by who asked."""
    title = _TITLES.get(status) or HTTPStatus(status).phrase
    hint = hint or _HINTS.get(status, "")
    if for_people(request):
        return page("error.html", status_code=status, status=status, title=title, detail=detail, hint=hint)
    slug = HTTPStatus(status).phrase.lower().replace(" ", "-")
    document = Problem(
        type=f"https://weighbridge/problems/{slug}",
        title=title,
        status=status,
        detail=detail,
        hint=hint,
        instance=visible_controls(request.url.path[:500]),
    )
    return Response(document.model_dump_json(by_alias=True), status, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Make pages answer errors as pages."""

    @app.exception_handler(NotRecordedError)
    def not_recorded(request: Request, error: NotRecordedError) -> Response:
        return problem(request, 404, str(error))

    @app.exception_handler(HTTPException)
    def http_error(request: Request, error: HTTPException) -> Response:
        said = error.detail if error.detail != HTTPStatus(error.status_code).phrase else ""
        response = problem(request, error.status_code, said or _DETAILS.get(error.status_code, error.detail))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][1:])
        return problem(request, 400, f"{name}: {first['msg']}.")

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
            answer = problem(request, 500, "This answer could not be made.")
            await answer(scope, receive, send)


_DETAILS: Final = {404: "There is no page at this address.", 405: "This address does not take that method."}
