# SPDX-License-Identifier: Apache-2.0
"""The app: routers, problems, and the lifespan that closes the service."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weighbridge import __version__
from weighbridge_registry.journal import Journal
from weighbridge_registry.rates import Gate
from weighbridge_registry.read_only import ReadOnlyService

from . import blobs, lineages, lookups, models, problems, statements, system, tiles
from .bodies import Bodies
from .service import Registry, install
from .throttle import Throttle

__all__ = ["HeadAsGet", "create_api"]


def create_api(service: Registry) -> FastAPI:
    """Return the HTTP interface of an open service; at shutdown it closes the service.

    Pages are added by including their router: everything of the interface is below `/api`,
    `/checkpoint`, `/tile`, `/bundles`, `/schemas`, `/healthz`, `/readyz` and `/metrics`.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(service.close)

    app = FastAPI(
        title="weighbridge registry",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        redirect_slashes=False,
        lifespan=lifespan,
    )
    gate = Gate(service.settings.limits, service.settings.proxies)
    install(app, service, Bodies(service.settings.limits), gate)
    problems.install(app)
    for module in (tiles, statements, lookups, models, lineages, blobs, system):
        app.include_router(module.router)
    if isinstance(service, ReadOnlyService):
        app.add_middleware(RefuseWrites, hint=service.where_to_publish)
    app.add_middleware(Throttle, gate=gate)
    app.add_middleware(Journal)
    app.add_middleware(HeadAsGet)
    return app


class RefuseWrites:
    """Answers 405 to whatever would change something, before its body is read."""

    def __init__(self, app: ASGIApp, hint: str) -> None:
        self._app = app
        self._hint = hint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] == "GET" or scope["path"] == "/api/v1/digests":
            await self._app(scope, receive, send)
            return
        answer = problems.response(
            problems.problem(
                405, "This is a read-only copy of the log: nothing can be sent here.", hint=self._hint
            )
        )
        answer.headers["Allow"] = "GET, HEAD"
        await answer(scope, receive, send)


class HeadAsGet:
    """Answers HEAD with the headers of GET and no body (RFC 9110 section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        scope_of_get: MutableMapping[str, Any] = {**scope, "method": "GET"}
        await self._app(scope_of_get, receive, without_body)
