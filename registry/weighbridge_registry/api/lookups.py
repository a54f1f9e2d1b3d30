# SPDX-License-Identifier: Apache-2.0
"""What is known of digests, signers and namespaces; data sets and advisories."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from weighbridge import canonical
from weighbridge.errors import BundleError, MalformedError, TooLargeError
from weighbridge_schemas.api import DigestsQuery

from .bodies import content_type
from .documents import json_response
from .problems import BadRequestError
from .service import Answers, Digest, bodies_of, known, number, service_of
from .service import digest as digest_of

__all__ = ["router"]

router = APIRouter(prefix="/api/v1")

_QUERY_BYTES = 1024 * 1024
_LONGEST_NAME = 256


@router.get("/digests/{sha256}")
def digest(sha256: Digest, answers: Answers) -> Response:
    """Say what is known of a digest; an unknown one is an answer without matches."""
    return json_response(answers.digest(sha256))


@router.post("/digests")
async def digests(request: Request) -> Response:
    """Say what is known of up to 10,000 digests."""
    if content_type(request) != "application/json":
        raise BadRequestError("digests are asked for as application/json", status=415)
    service = service_of(request)
    async with bodies_of(request).read(request, _QUERY_BYTES) as body:
        try:
            value = canonical.decode(body)
            asked = value["digests"] if isinstance(value, dict) else None
            if isinstance(asked, list) and len(asked) > service.settings.limits.digests:
                raise TooLargeError(
                    f"{len(asked)} digests; at most {service.settings.limits.digests} are looked up at once"
                )
            query = DigestsQuery.model_validate(value)
        except (BundleError, ValidationError, KeyError) as error:
            raise MalformedError(
                "the body is not a list of digests", hint='send {"digests": ["<64 hex digits>", …]}'
            ) from error
    bare = [one.removeprefix("sha256:") for one in query.digests]
    return json_response(await run_in_threadpool(service.queries.digests, bare))


@router.get("/signers/{sha256}")
def signer(sha256: Digest, answers: Answers, cursor: str | None = None) -> Response:
    """Describe a signer."""
    return json_response(known(answers.signer(sha256, number(cursor, "cursor")), "that signer"))


@router.get("/namespaces/{name}")
def namespace(name: str, answers: Answers) -> Response:
    """Describe a namespace."""
    return json_response(known(answers.namespace(name), f"the namespace {name[:100]}"))


@router.get("/datasets/{sha256}")
def dataset(sha256: Digest, answers: Answers) -> Response:
    """Describe a data set."""
    return json_response(known(answers.dataset(sha256), "a description of that data set"))


@router.get("/disclosures")
def disclosures(
    answers: Answers, name: str | None = None, cursor: str | None = None, limit: str | None = None
) -> Response:
    """List what is said of closed models, newest first; with `name` of the one that is called so."""
    if name is not None and (not name or len(name) > _LONGEST_NAME):
        raise BadRequestError("a name has 1 to 256 characters", hint="/api/v1/disclosures?name=NAME")
    return json_response(answers.disclosures(name, number(cursor, "cursor"), number(limit, "limit") or 50))


@router.get("/disclosures/{sha256}")
def disclosure(
    sha256: Digest, answers: Answers, cursor: str | None = None, signer: str | None = None
) -> Response:
    """Describe a closed model by what is said of it; with `signer` by what that one says."""
    by = digest_of(signer) if signer else None
    found = answers.disclosure(sha256, number(cursor, "cursor"), by)
    return json_response(known(found, "a disclosure about a model of that name"))


@router.get("/advisories")
def advisories(
    answers: Answers, about: str | None = None, cursor: str | None = None, limit: str | None = None
) -> Response:
    """List advisories, newest first; with `about` those that affect that digest."""
    found = answers.advisories(
        digest_of(about) if about else None, number(cursor, "cursor"), number(limit, "limit") or 50
    )
    return json_response(found)


@router.get("/advisories.osv")
def advisories_osv(
    answers: Answers, about: str | None = None, cursor: str | None = None, limit: str | None = None
) -> Response:
    """List advisories in the shape of OSV, for tools that read it: without members that are null."""
    found = answers.advisories_osv(
        digest_of(about) if about else None, number(cursor, "cursor"), number(limit, "limit") or 50
    )
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return Response(found.model_dump_json(exclude_none=True), 200, headers, "application/json")


@router.get("/advisories/{sha256}")
def advisory(sha256: Digest, answers: Answers) -> Response:
    """Describe one statement of an advisory."""
    return json_response(known(answers.advisory(sha256), "that advisory"))
