# SPDX-License-Identifier: Apache-2.0
"""Who asks too much is answered 429 with `Retry-After`, before anything of the request is read."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from weighbridge.errors import RateLimitedError
from weighbridge_registry.rates import Gate

from .problems import problem_of, response

__all__ = ["Throttle", "client_of"]

_FREE: Final = ("/tile/", "/bundles/", "/checkpoint", "/static/", "/healthz", "/readyz", "/metrics")
"""What caches and mirrors read, what is only a file, and the registry's health."""
_SENT: Final = ("/api/v1/statements", "/api/v1/blobs/")
_CLIENT: Final = "weighbridge.client"
_DRAINED: Final = 1024 * 1024
_DRAIN_SECONDS: Final = 2.0


class Throttle:
    """Counts requests by the address that they come from (`rates.Gate`)."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        peer = scope.get("client")
        forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
        client = self._gate.client(peer[0] if peer else None, forwarded)
        scope[_CLIENT] = client
        try:
            self._count(scope, client)
        except RateLimitedError as error:
            await _drain(receive)
            await response(problem_of(error))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _count(self, scope: Scope, client: str | None) -> None:
        path = scope["path"]
        if scope["method"] in {"POST", "PUT"} and path.startswith(_SENT):
            self._gate.send(client)
        elif not path.startswith(_FREE):
            self._gate.ask(client)


def client_of(request: Request) -> str | None:
    """Return who asks, as `Gate.client` names it."""
    found = request.scope.get(_CLIENT)
    return found if isinstance(found, str) else None


async def _drain(receive: Receive) -> None:
    """Read what is under way of a body: closing on unread bytes could take the answer from its sender."""
    dropped = 0
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while dropped < _DRAINED:
                message = await receive()
                dropped += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
