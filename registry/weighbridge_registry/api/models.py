# SPDX-License-Identifier: Apache-2.0
"""Models, releases, record files."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from weighbridge.cards import FORMATS

from .documents import export_response, json_response
from .problems import BadRequestError
from .service import Answers, known, number

__all__ = ["router"]

router = APIRouter(prefix="/api/v1")


@router.get("/models")
def search(answers: Answers, q: str = "", cursor: str | None = None, limit: str | None = None) -> Response:
    """Search models."""
    return json_response(answers.models(q, number(cursor, "cursor"), number(limit, "limit") or 50))


@router.get("/models/{namespace}/{name}")
def model(namespace: str, name: str, answers: Answers) -> Response:
    """Describe a model."""
    return json_response(known(answers.model(namespace, name), _named(namespace, name)))


@router.get("/models/{namespace}/{name}/{version}")
def release(namespace: str, name: str, version: str, answers: Answers) -> Response:
    """Describe a release."""
    found = answers.release(namespace, name, version)
    return json_response(known(found, _named(namespace, name, version)))


@router.get("/models/{namespace}/{name}/{version}/provenance")
def provenance(namespace: str, name: str, version: str, request: Request, answers: Answers) -> Response:
    """Give a release's record: JSON, or the record file itself for `Accept: application/jsonl`."""
    found = known(answers.provenance(namespace, name, version), _named(namespace, name, version))
    accepted = request.headers.get("accept", "")
    if "application/jsonl" not in accepted and "application/x-ndjson" not in accepted:
        return json_response(found, headers={"Vary": "Accept"})
    lines = "".join(f"{line.model_dump_json()}\n" for line in found.lines)
    return Response(
        lines,
        headers={
            "Cache-Control": "no-cache",
            "Content-Disposition": 'attachment; filename="provenance.jsonl"',
            "Vary": "Accept",
            "X-Content-Type-Options": "nosniff",
        },
        media_type="application/jsonl",
    )


@router.get("/models/{namespace}/{name}/{version}/exports/{format_}")
def export(namespace: str, name: str, version: str, format_: str, answers: Answers) -> Response:
    """Give a release's card in a format that others read; a header lists what that has no place for."""
    if format_ not in FORMATS:
        raise BadRequestError("there is no such format", hint=f"formats are {', '.join(FORMATS)}", status=404)
    found = known(answers.export(namespace, name, version, format_), _named(namespace, name, version))
    return export_response(found)


def _named(namespace: str, name: str, version: str | None = None) -> str:
    text = f"{namespace[:100]}/{name[:100]}"
    return text if version is None else f"{text}@{version[:100]}"
