# SPDX-License-Identifier: Apache-2.0
"""The log as static files (C2SP tlog-tiles): checkpoint, tiles, entries, bundles.

Served as stored, and nothing beyond the published checkpoint: a tree that was staged but
not published is not shown to anybody.
"""

from __future__ import annotations

import gzip

from fastapi import APIRouter, Request
from fastapi.responses import Response

from weighbridge import tlog
from weighbridge.errors import ProofError

from .documents import IMMUTABLE
from .problems import NotKnownError
from .service import Answers, Digest, Open, known

__all__ = ["router"]

router = APIRouter()

_BINARY = "application/octet-stream"


@router.get("/checkpoint")
def checkpoint(answers: Answers) -> Response:
    """Give the published checkpoint."""
    return Response(
        answers.checkpoint().data,
        headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"},
        media_type="text/plain; charset=utf-8",
    )


@router.get("/tile/{path:path}")
def tile(path: str, request: Request, service: Open) -> Response:
    """Give a tile of hashes, or a bundle of entries."""
    try:
        level, index, width = tlog.parse_tile_path(f"tile/{path}")
    except ProofError as error:
        raise NotKnownError("that is not the name of a tile", hint="see C2SP tlog-tiles") from error
    last = (index * tlog.TILE_WIDTH + width) * tlog.TILE_WIDTH ** (level or 0) - 1
    size = service.queries.checkpoint(holding=last).size
    if width > tlog.tile_width(level or 0, index, size):
        raise NotKnownError(f"the published tree of {size} entries has no such tile")
    files = service.folder.log
    try:
        if level is None:
            return _entries(files.read_entries(index, width), request)
        return _immutable(files.read_tile(level, index, width), _BINARY)
    except FileNotFoundError as error:
        raise NotKnownError(
            "no checkpoint was published with this partial tile", hint="read the full tile, or the newest"
        ) from error


@router.get("/bundles/{sha256}")
def bundle(sha256: Digest, answers: Answers) -> Response:
    """Give a logged bundle's bytes."""
    return _immutable(known(answers.bundle(sha256), "that bundle"), "application/json")


def _entries(data: bytes, request: Request) -> Response:
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return _immutable(data, _BINARY, {"Vary": "Accept-Encoding"})
    packed = gzip.compress(data, compresslevel=6, mtime=0)
    return _immutable(packed, _BINARY, {"Vary": "Accept-Encoding", "Content-Encoding": "gzip"})


def _immutable(data: bytes, media_type: str, headers: dict[str, str] | None = None) -> Response:
    fixed = {"Cache-Control": IMMUTABLE, "X-Content-Type-Options": "nosniff"}
    return Response(data, headers=fixed | (headers or {}), media_type=media_type)
