# SPDX-License-Identifier: Apache-2.0
"""Statements: submission and look-up."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response

from weighbridge.errors import MalformedError, UnavailableError
from weighbridge_registry.log.outcomes import Placed
from weighbridge_registry.settings import Limits
from weighbridge_schemas.api import SubmissionBatch, SubmissionQueued

from .bodies import content_type
from .documents import json_response
from .problems import BadRequestError, NotKnownError
from .service import (
    Answers,
    Digest,
    Open,
    Registry,
    bodies_of,
    gate_of,
    judges_of,
    known,
    number,
    receipts_of,
    service_of,
)
from .throttle import client_of

__all__ = ["router"]

router = APIRouter(prefix="/api/v1")

_ONE: Final = ("application/json", "application/vnd.dev.sigstore.bundle.v0.3+json")
_LINES: Final = ("application/jsonl", "application/x-ndjson")
_PUBLISH_SECONDS: Final = 30.0
_T = TypeVar("_T")
_TOKEN: Final = re.compile(r"[0-9a-f]{32}")


@router.post("/statements")
async def submit(request: Request) -> Response:
    """Take one bundle, or a JSON Lines batch of them, all or none."""
    service = service_of(request)
    kind = content_type(request)
    if kind not in (*_ONE, *_LINES):
        raise BadRequestError(
            f"statements are sent as {_ONE[0]} or {_LINES[0]}, not as {kind[:100] or 'nothing'}",
            status=415,
            hint=f"one bundle: {_ONE[0]}; several, one a line: {_LINES[0]}",
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise BadRequestError(
            "statements are sent uncompressed", status=415, hint="leave Content-Encoding out"
        )
    async with bodies_of(request).read(request) as body:
        bundles = _lines(body, service.settings.limits) if kind in _LINES else [body]
        if not body.strip():
            raise MalformedError("the body is empty", hint="send a signed bundle")
        gate, client = gate_of(request), client_of(request)
        gate.send(client, len(bundles) - 1)  # the first was counted with the request
        kept, count = _may_wait(request), gate.sign if client is not None else None
        judge = functools.partial(service.hand_in, bundles, kept=kept, count=count)
        ticket = await to_thread.run_sync(judge, limiter=judges_of(request))
        await _in_time(ticket.queued)  # until then the desk holds the bodies
    if kept and not ticket.answer.done():
        return _queued(service, ticket.token)
    places = await _in_time(ticket.answer)
    results = await receipts_of(request).answer(_pairs(places))
    status = 201 if any(place.created for place in places) else 200
    if kind in _LINES:
        return json_response(SubmissionBatch(results=results), status)
    return json_response(results[0], status, {"Location": results[0].url})


@router.get("/submissions/{token}")
def submission(token: str, service: Open) -> Response:
    """Say what became of a submission that was sent with `Prefer: respond-async`."""
    if not _TOKEN.fullmatch(token):
        raise NotKnownError("there is no submission of that name")
    try:
        places = service.outcome(token)
    except KeyError as error:
        raise NotKnownError(
            "that submission is not known, or not any more",
            hint="send the same again: what is logged is answered at once",
        ) from error
    if places is None:
        return _queued(service, token)
    return json_response(SubmissionBatch(results=service.queries.submissions(_pairs(places))))


@router.get("/log")
def log(answers: Answers) -> Response:
    """Describe the log."""
    return json_response(answers.log())


@router.get("/statements/{sha256}")
def statement(sha256: Digest, answers: Answers) -> Response:
    """Give a statement with its current receipt."""
    return json_response(known(answers.statement(sha256), "that statement"))


@router.get("/statements/{sha256}/receipt")
def receipt(sha256: Digest, answers: Answers) -> Response:
    """Give the current receipt of a statement."""
    text = known(answers.receipt(sha256), "that statement")
    return Response(
        text,
        headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"},
        media_type="text/plain; charset=utf-8",
    )


@router.get("/entries/{index}")
def entry(index: str, answers: Answers) -> Response:
    """Describe one entry."""
    place = number(index, "the index")
    return json_response(known(answers.entry(place) if place is not None else None, f"entry {index[:20]}"))


@router.get("/events")
def events(answers: Answers, since: str | None = None, limit: str | None = None) -> Response:
    """List entries, oldest first."""
    return json_response(answers.events(number(since, "since") or 0, number(limit, "limit") or 100))


async def _in_time(future: Future[_T]) -> _T:
    try:
        async with asyncio.timeout(_PUBLISH_SECONDS):
            return await asyncio.shield(asyncio.wrap_future(future))
    except TimeoutError as error:
        raise UnavailableError(
            "the log is slow; your statements may be queued",
            hint="send the same again in a few seconds: what is logged is answered at once",
        ) from error


def _may_wait(request: Request) -> bool:
    """Tell whether the client asks for an answer before its statements are logged (RFC 7240)."""
    preferred = ",".join(request.headers.getlist("prefer")).lower().split(",")
    return any(one.partition(";")[0].strip() == "respond-async" for one in preferred)


def _queued(service: Registry, token: str) -> Response:
    url = f"{service.settings.base_url}/api/v1/submissions/{token}"
    headers = {"Location": url, "Retry-After": "1", "Cache-Control": "no-store"}
    return json_response(SubmissionQueued(status="queued", url=url), 202, headers)


def _pairs(places: Sequence[Placed]) -> list[tuple[int, bool]]:
    return [(place.index, place.created) for place in places]


def _lines(body: bytes, limits: Limits) -> list[bytes]:
    """Split JSON Lines; a last line without an end is taken, a blank one is not."""
    lines = body.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    if len(lines) > limits.submission_bundles:
        raise MalformedError(
            f"{len(lines)} lines; a submission has at most {limits.submission_bundles} statements",
            hint="send the rest in a second submission",
        )
    for place, line in enumerate(lines, start=1):
        if not line.strip():
            raise MalformedError(
                f"line {place} is blank",
                hint="one bundle a line, without blank lines",
                evidence={"line": place},
            )
    return lines
