# SPDX-License-Identifier: Apache-2.0
"""The witness over HTTP: C2SP tlog-witness, submission and monitoring prefix in one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from weighbridge import __version__, tlog
from weighbridge.errors import CosigningError
from weighbridge_registry.api import problems
from weighbridge_registry.api.app import HeadAsGet
from weighbridge_registry.api.bodies import Bodies

from .witness import LIMITS, Witness

__all__ = ["create_app"]

_FRESH = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def create_app(witness: Witness) -> FastAPI:
    """Return the HTTP interface of a witness; at shutdown it closes the witness."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(witness.close)

    app = FastAPI(
        title="weighbridge witness",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    bodies = Bodies(LIMITS)

    async def add_checkpoint(request: Request) -> Response:
        async with bodies.read(request) as body:
            try:
                line = await run_in_threadpool(witness.add_checkpoint, body)
            except CosigningError as error:
                if error.size is None:
                    raise
                headers = _FRESH | {"Content-Type": tlog.SIZE_TYPE}  # exactly that, without a charset
                return Response(tlog.format_size(error.size), error.status, headers)
        return Response(line, 200, _FRESH, "text/plain; charset=utf-8")

    async def checkpoint(request: Request) -> Response:
        note = await run_in_threadpool(witness.checkpoint, request.path_params["digest"])
        if note is None:
            raise problems.NotKnownError("this witness has cosigned no log of that name")
        headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
        return Response(note, 200, headers, "text/plain; charset=utf-8")

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=_FRESH)

    app.add_api_route("/add-checkpoint", add_checkpoint, methods=["POST"])
    app.add_api_route("/healthz", healthz, methods=["GET"])
    app.add_api_route("/{digest}/checkpoint", checkpoint, methods=["GET"])
    problems.install(app)
    app.add_middleware(HeadAsGet)
    return app
