# SPDX-License-Identifier: Apache-2.0
"""Request bodies, read with a limit on bytes, on time, and on what all of them take together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import ClientDisconnect, Request

from weighbridge.errors import MalformedError, TooLargeError, UnavailableError
from weighbridge_registry.settings import Limits

from .problems import BadRequestError

__all__ = ["Bodies", "content_type"]

_DRAINED: Final = 64 * 1024 * 1024
"""Bytes of an oversized body that are read and dropped, so that its sender sees the answer."""
_DRAIN_SECONDS: Final = 10.0


class Bodies:
    """Reads bodies within the limits of one service. Used from the event loop only."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request, limit: int | None = None) -> AsyncIterator[bytes]:
        """Give the body; it counts against the limit of all bodies until the block ends.

        Raises `TooLargeError` (413), 408 for one that comes too slowly, `UnavailableError` (503)
        if all bodies together take too much.
        """
        limit = min(limit or self._limits.body_bytes, self._limits.body_bytes)
        declared = _declared(request)
        if declared is not None and declared > limit:
            await self._drain(request, declared)
            raise _too_large(limit)
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                stream = request.stream().__aiter__()
                while (part := await self._next(stream)) is not None:
                    size += len(part)
                    self._held += len(part)
                    if size > limit:
                        await self._drain(request, None, stream)
                        raise _too_large(limit)
                    if self._held > self._limits.bodies_bytes:
                        raise UnavailableError(
                            "too many large requests at once", hint="try again in a few seconds"
                        )
                    parts.append(part)
            yield b"".join(parts)
        except TimeoutError as error:
            raise BadRequestError(
                "the body came too slowly", status=408, hint="try again over a better line"
            ) from error
        except ClientDisconnect as error:
            raise MalformedError("the body ended early") from error
        finally:
            self._held -= size

    async def _next(self, stream: AsyncIterator[bytes]) -> bytes | None:
        async with asyncio.timeout(self._limits.idle_seconds):
            return await anext(stream, None)

    async def _drain(
        self, request: Request, declared: int | None, stream: AsyncIterator[bytes] | None = None
    ) -> None:
        if declared is not None and declared > _DRAINED:
            return
        dropped = 0
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                async for part in stream if stream is not None else request.stream():
                    dropped += len(part)
                    if dropped > _DRAINED:
                        return
        except (TimeoutError, ClientDisconnect):
            return


def content_type(request: Request) -> str:
    """Return the media type without parameters, lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _declared(request: Request) -> int | None:
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() and text.isascii() else None


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(
        f"the body has more than {limit} bytes",
        hint="send fewer statements at once; attachments go to /api/v1/blobs",
        evidence={"limit": limit},
    )
