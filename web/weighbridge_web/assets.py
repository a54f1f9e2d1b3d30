# SPDX-License-Identifier: Apache-2.0
"""The few files that pages load, all from here: one style sheet, four fonts, one picture.

They are read once, served from memory, and named with their own hash (`?v=`), so that a browser may keep them
for ever and still sees a new release at once. Fonts carry their version in the name; `SHA256SUMS` and their
licences lie beside them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Asset", "asset_url", "load_assets", "router"]

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Asset:
    """A file's bytes, media type and SHA-256."""

    data: bytes
    media_type: str
    sha256: str


@lru_cache(maxsize=1)
def load_assets() -> Mapping[str, Asset]:
    """Read every file of `static/`, keyed by its path below that folder."""
    assets: dict[str, Asset] = {}
    for name, entry in _walk(files("weighbridge_web") / "static", ""):
        media_type = _TYPES.get("." + name.rpartition(".")[2])
        if media_type:
            data = entry.read_bytes()
            assets[name] = Asset(data, media_type, hashlib.sha256(data).hexdigest())
    return MappingProxyType(assets)


def asset_url(name: str) -> str:
    """Return the address of an asset; an unknown name is an error in a template, not a broken page."""
    return f"/static/{name}?v={load_assets()[name].sha256[:12]}"


@router.get("/static/{name:path}")
def static(name: str, request: Request) -> Response:
    """Serve one asset; only names that were found at start exist."""
    asset = load_assets().get(name)
    if asset is None:
        raise HTTPException(404)
    kept = "public, max-age=31536000, immutable" if "v" in request.query_params else "public, max-age=3600"
    headers = {"Cache-Control": kept, "ETag": f'"{asset.sha256}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(asset.data, media_type=asset.media_type, headers=headers)


@router.get("/favicon.ico")
def favicon() -> Response:
    """Answer the address that browsers try unasked with the same picture."""
    asset = load_assets()["favicon.svg"]
    return Response(
        asset.data, media_type=asset.media_type, headers={"Cache-Control": "public, max-age=86400"}
    )


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry
