# SPDX-License-Identifier: Apache-2.0
"""Attachments: README.md files and tensor tables."""

from __future__ import annotations

import gzip

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from weighbridge_registry.attachments import decompress

from .documents import IMMUTABLE
from .problems import BadRequestError
from .service import Digest, Open, bodies_of, known, service_of

__all__ = ["router"]

router = APIRouter(prefix="/api/v1")

_SUFFIXES = {"readme": "md", "table": "jsonl"}


@router.put("/blobs/{sha256}")
async def put(sha256: Digest, request: Request) -> Response:
    """Store a file that an owner's statement names; 201 if it is new, 200 if it was there."""
    service = service_of(request)
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise BadRequestError("attachments are sent plain or with Content-Encoding: gzip", status=415)
    await run_in_threadpool(service.queries.check_attachment, sha256)
    slot = await run_in_threadpool(service.attachments.slot, sha256)
    async with bodies_of(request).read(request, slot.limit) as body:
        data = await run_in_threadpool(decompress, body, slot.limit) if encoding == "gzip" else body
        created = await run_in_threadpool(service.attachments.put, slot, data)
    answer = {"sha256": sha256, "size": len(data), "role": slot.role, "created": created}
    return JSONResponse(answer, 201 if created else 200)


@router.get("/blobs/{sha256}")
def get(sha256: Digest, request: Request, service: Open) -> Response:
    """Give a stored file, never to be shown by a browser as a page of this site."""
    service.queries.check_attachment(sha256)
    found = known(service.attachments.get(sha256), "that attachment")
    headers = {
        "Cache-Control": IMMUTABLE,
        "Content-Disposition": f'attachment; filename="{sha256[:16]}.{_SUFFIXES[found.role]}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(found.compressed, headers=headers, media_type="application/octet-stream")
    return Response(gzip.decompress(found.compressed), headers=headers, media_type="application/octet-stream")
