# SPDX-License-Identifier: Apache-2.0
"""The log as static files (C2SP tlog-tiles): checkpoint, tiles, entries, bundles.

Served as stored, and nothing beyond the published checkpoint: a tree that was staged but
not published is not shown to anybody. Every answer has a strong ETag, so that a client or cache
that holds it already is told so with 304; ranges are not served, as nobody needs half a tile.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from weighbridge import tlog
from weighbridge.errors import ProofError

from .documents import IMMUTABLE
from .problems import NotKnownError
from .service import Answers, Digest, Open, known

__all__ = ["router", "takes_gzip"]

router = APIRouter()

_BINARY: Final = "application/octet-stream"
_CODING: Final = re.compile(
    r"\s*([^\s;,]+)\s*(?:;\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?", re.IGNORECASE
)


@router.get("/checkpoint")
def checkpoint(answers: Answers, request: Request) -> Response:
    """Give the published checkpoint. Caches must ask each time whether it is still the one."""
    return _answer(request, answers.checkpoint().data, "text/plain; charset=utf-8", cache="no-cache")


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
            return _entries(request, files.read_entries(index, width))
        return _answer(request, files.read_tile(level, index, width), _BINARY)
    except FileNotFoundError as error:
        raise NotKnownError(
            "no checkpoint was published with this partial tile", hint="read the full tile, or the newest"
        ) from error


@router.get("/bundles/{sha256}")
def bundle(sha256: Digest, answers: Answers, request: Request) -> Response:
    """Give a logged bundle's bytes."""
    return _answer(request, known(answers.bundle(sha256), "that bundle"), "application/json")


def _entries(request: Request, data: bytes) -> Response:
    """Answer with a bundle of entries, compressed for those who take it."""
    if not takes_gzip(request.headers.get("accept-encoding", "")):
        return _answer(request, data, _BINARY, {"Vary": "Accept-Encoding"})
    packed = gzip.compress(data, compresslevel=6, mtime=0)
    return _answer(request, packed, _BINARY, {"Vary": "Accept-Encoding", "Content-Encoding": "gzip"})


def _answer(
    request: Request,
    data: bytes,
    media_type: str,
    headers: dict[str, str] | None = None,
    *,
    cache: str = IMMUTABLE,
) -> Response:
    """Answer with bytes, or with 304 if the client has them (RFC 9110 section 13.1.2)."""
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    fixed = {
        "Accept-Ranges": "none",
        "Cache-Control": cache,
        "ETag": tag,
        "X-Content-Type-Options": "nosniff",
    } | (headers or {})
    given = request.headers.get("if-none-match", "")
    if given.strip() == "*" or tag in {each.strip().removeprefix("W/") for each in given.split(",")}:
        return Response(status_code=304, headers=fixed)
    return Response(data, headers=fixed, media_type=media_type)


def takes_gzip(accepted: str) -> bool:
    """Tell whether an Accept-Encoding header takes gzip; what is malformed counts as not said."""
    weights: dict[str, float] = {}
    for part in accepted.split(","):
        if match := _CODING.fullmatch(part):
            weights[match[1].lower()] = float(match[2] or 1)
    return max(weights.get("gzip", weights.get("*", 0.0)), weights.get("x-gzip", 0.0)) > 0
