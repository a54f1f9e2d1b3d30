# SPDX-License-Identifier: Apache-2.0
"""The service's own log lines: what happened, never what was sent.

A request is told by method, route pattern and path, status and time. Query strings, bodies,
addresses and headers of clients are not written: they can name people, or be secret.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from datetime import UTC, datetime
from typing import Final, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import metrics

__all__ = ["Journal", "configure"]

_ACCESS: Final = logging.getLogger("weighbridge.access")
_MAX_PATH: Final = 512
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


def configure(form: Literal["text", "json"] | None) -> None:
    """Write log lines to stderr in a form; None keeps Python's default: warnings, as plain text."""
    if form is None:
        return
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(_Json() if form == "json" else text)
    root = logging.getLogger("weighbridge")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False


class _Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": os.getpid(),
        }
        line |= getattr(record, "weighbridge", {})
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class Journal:
    """Counts each request, and writes a line about it if somebody wants lines."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            _tell(scope, status, time.perf_counter() - began)


def _tell(scope: Scope, status: int, seconds: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "other"
    route = str(getattr(scope.get("route"), "path", "other"))
    metrics.request(method, route, status, seconds)
    if not _ACCESS.isEnabledFor(logging.INFO):
        return
    path = scope["path"][:_MAX_PATH]
    told = {
        "method": method,
        "path": path,
        "route": route,
        "status": status,
        "milliseconds": round(seconds * 1000, 1),
    }
    shown = path.encode("unicode_escape").decode()
    _ACCESS.info("%s %s %d %.1f ms", method, shown, status, seconds * 1000, extra={"weighbridge": told})
